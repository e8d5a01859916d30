import { describe, expectTypeOf, it } from 'vitest';
import {
  type ListenOptions,
  type ProxyReload,
  type ProxyReloadError,
  type ProxyStatus,
  type RaftsmanProxy,
  type RouteExplanation,
  type RouterProblem,
  type ShardOwnership,
  type ShardsOption,
  type StartProxyOptions,
  startProxy,
} from '../../src/proxy/index.ts';

/** Never called: it compiles as long as a user's program does. */
async function program(secret: string, web: string): Promise<void> {
  await using proxy = await startProxy({
    name: 'edge-1',
    listen: { host: '127.0.0.1', port: 7100 },
    shards: { file: 'shards.json' },
    secret,
    clients: { web: { secret: web, may: ['put', 'get'] } },
  });
  proxy.on('problem', (problem) => expectTypeOf(problem).toEqualTypeOf<RouterProblem>());
  proxy.on('reload', (reload) => expectTypeOf(reload).toEqualTypeOf<ProxyReload>());
  proxy.once('reloadError', (error) => expectTypeOf(error).toEqualTypeOf<ProxyReloadError>());
  expectTypeOf(await proxy.reload()).toEqualTypeOf<ProxyReload>();
  await proxy.reload({ map: { version: 2, namespaces: {} } });
  expectTypeOf(proxy.explain('tokens', 'user 1')).toEqualTypeOf<RouteExplanation>();
  expectTypeOf(proxy.status()).toEqualTypeOf<ProxyStatus>();
  expectTypeOf(proxy.ownership()).resolves.toEqualTypeOf<readonly ShardOwnership[]>();
  expectTypeOf(proxy.address).toEqualTypeOf<string>();
}

describe('the types of raftsman/proxy', () => {
  it('hold a program', () => {
    expectTypeOf(program).toBeFunction();
  });

  it('take undefined for what is optional, and one place for the map', () => {
    expectTypeOf<undefined>().toExtend<StartProxyOptions['watch']>();
    expectTypeOf<undefined>().toExtend<StartProxyOptions['listen']>();
    expectTypeOf<false>().toExtend<ListenOptions>();
    expectTypeOf<{ file: string }>().toExtend<ShardsOption>();
    expectTypeOf<RaftsmanProxy>().toExtend<AsyncDisposable>();
  });

  it('name the events there are', () => {
    // @ts-expect-error there is no such event
    expectTypeOf<(proxy: RaftsmanProxy) => void>().toEqualTypeOf((proxy) => proxy.on('closed', () => {}));
  });
});
