import { describe, expectTypeOf, it } from 'vitest';
import {
  json,
  type Leadership,
  type NodeStatus,
  type NodeView,
  type Queue,
  type RaftsmanNode,
  type StartNodeOptions,
  startNode,
  type TransferResult,
} from '../../src/index.ts';

interface Job {
  readonly id: string;
}
interface Token {
  readonly refreshToken: string;
}

declare const jobs: (options: { signal: AbortSignal }) => AsyncIterable<Job>;
declare const db: { save(job: Job, options: { fence: number }): Promise<void> };

/** Never called: it compiles as long as a user's program does (design section 5). */
async function readmeProgram(shutdown: AbortSignal, secret: string | undefined): Promise<void> {
  const node = await startNode({
    id: 'a',
    cluster: 'updaters',
    dataDir: './data/a',
    listen: { host: '127.0.0.1', port: 7001 },
    peers: { a: 'ws://127.0.0.1:7001', b: 'ws://127.0.0.1:7002', c: 'ws://127.0.0.1:7003' },
    secret,
  });
  await node.runWhileLeader(
    async (leadership) => {
      for await (const job of jobs({ signal: leadership.signal })) {
        leadership.assertHeld();
        await db.save(job, { fence: leadership.fencingToken });
      }
    },
    { signal: shutdown, drainMs: 5_000 },
  );
  for await (const view of node.observe({ signal: shutdown })) {
    expectTypeOf(view).toEqualTypeOf<NodeView>();
    expectTypeOf(view.leaderId).toEqualTypeOf<string | null>();
  }
  node.on('leaderChange', (view) => expectTypeOf(view).toEqualTypeOf<NodeView>());
  node.on('scopeError', ({ error }) => expectTypeOf(error).toEqualTypeOf<unknown>());
  expectTypeOf(await node.transferLeadership({ to: 'b' })).toEqualTypeOf<TransferResult>();
  expectTypeOf(node.status()).toEqualTypeOf<NodeStatus>();
  const tokens = node.queue<Token>('tokens', { codec: json<Token>() });
  expectTypeOf(tokens).toEqualTypeOf<Queue<Token>>();
  expectTypeOf(node.queue('bytes')).toEqualTypeOf<Queue<Uint8Array>>();
  await node.close();
}

describe('the public types', () => {
  it('hold the README program', () => {
    expectTypeOf(readmeProgram).toBeFunction();
  });

  it('take plain strings for ids and undefined for what is optional', () => {
    expectTypeOf<StartNodeOptions['id']>().toEqualTypeOf<string>();
    expectTypeOf<{ peers: Record<string, string> }>().toExtend<Pick<StartNodeOptions, 'peers'>>();
    expectTypeOf<undefined>().toExtend<StartNodeOptions['heartbeatMs']>();
    expectTypeOf<undefined>().toExtend<StartNodeOptions['clients']>();
  });

  it('give a node that is disposable, and leadership that is asked, not told', () => {
    expectTypeOf<RaftsmanNode>().toExtend<AsyncDisposable>();
    expectTypeOf<Leadership['assertHeld']>().toEqualTypeOf<() => void>();
    expectTypeOf<Leadership['remainingMs']>().returns.toEqualTypeOf<number>();
    // @ts-expect-error leadership cannot be written
    expectTypeOf<(leadership: Leadership) => void>().toEqualTypeOf((leadership) => {
      leadership.fencingToken = 1;
    });
  });

  it('name the events there are', () => {
    // @ts-expect-error there is no such event
    expectTypeOf<(node: RaftsmanNode) => void>().toEqualTypeOf((node) => node.on('leadrChange', () => {}));
  });
});
