import { describe, expectTypeOf, it } from 'vitest';
import {
  type ConnectOptions,
  connect,
  type KeyExplanation,
  type ResolvedRequest,
  type ShardsOption,
  UnknownOutcomeError,
} from '../../src/client/index.ts';

/** Never called: it compiles as long as a program over shards does. */
async function shardedProgram(secret: string): Promise<void> {
  const viaProxies = { endpoints: ['ws://127.0.0.1:7100', 'ws://127.0.0.1:7101'], name: 'web', secret };
  await using client = await connect(viaProxies);
  await using router = await connect({ shards: { file: './shards.json' }, name: 'updater', secret });
  expectTypeOf(await router.reload()).toEqualTypeOf<{ readonly version: number }>();
  expectTypeOf(await router.reload({ version: 2 })).toEqualTypeOf<{ readonly version: number }>();
  expectTypeOf(await client.explain('tokens', 'user1')).toEqualTypeOf<KeyExplanation>();
  try {
    await client.queue('tokens').put({ id: 'user1', payload: new Uint8Array(1), expiresAt: 1 });
  } catch (error) {
    if (!(error instanceof UnknownOutcomeError) || error.requestId === undefined) throw error;
    const became = await client.resolve(error.requestId, { timeoutMs: 5_000 });
    expectTypeOf(became).toEqualTypeOf<ResolvedRequest>();
    if (became.outcome === 'applied')
      expectTypeOf(became.result?.version).toEqualTypeOf<number | undefined>();
  }
}

describe('the types of a client of shards', () => {
  it('hold a program', () => {
    expectTypeOf(shardedProgram).toBeFunction();
  });

  it('take endpoints or shards, a file or a map', () => {
    expectTypeOf<undefined>().toExtend<ConnectOptions['endpoints']>();
    expectTypeOf<undefined>().toExtend<ConnectOptions['shards']>();
    expectTypeOf<{ file: string }>().toExtend<ShardsOption>();
    expectTypeOf<{ map: string }>().toExtend<ShardsOption>();
    expectTypeOf<{ map: { version: number } }>().toExtend<ShardsOption>();
  });
});
