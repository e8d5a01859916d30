import { describe, expect, it } from 'vitest';
import {
  type CommonProxyOptions,
  type ProxyListenOption,
  resolveProxyOptions,
} from '../../src/proxy/proxy-options.ts';
import { readShards } from '../../src/proxy/reloads.ts';

const good: CommonProxyOptions & { readonly listen: ProxyListenOption } = {
  shards: { file: 'shards.json' },
  name: 'edge',
  secret: 'the secret of the proxy at the nodes, long enough',
  clients: { app: { secret: 'the secret of an application at proxies', may: ['put', 'get'] } },
  listen: { host: '127.0.0.1', port: 0 },
};

/** Options of a user who writes no types. */
function withOption(name: string, value: unknown): typeof good {
  const options = { ...good };
  Reflect.set(options, name, value);
  return options;
}

describe('the options of a proxy', () => {
  it('are taken when they are right', () => {
    const { name, shards, clients } = resolveProxyOptions(withOption('name', 'edge-1'));
    expect([name, shards]).toEqual(['edge-1', { file: 'shards.json' }]);
    expect(clients[0]).toMatchObject({ account: 'app', may: new Set(['put', 'get']) });
  });

  it.each([
    ['shard', { file: 'x' }, 'unknown option shard: did you mean shards?'],
    ['shards', undefined, 'shards is missing'],
    ['shards', 'shards.json', 'shards must be { file } or { map }'],
    ['shards', {}, 'shards must be { file } or { map }'],
    ['shards', { file: 'x', map: {} }, 'shards must be { file } or { map }'],
    ['shards', { fil: 'x' }, 'did you mean shards.file?'],
    ['shards', { map: 3 }, 'shards.map must be'],
    ['name', undefined, 'name is missing'],
    ['name', 'no name', 'name must be 1 to 64 characters'],
    ['secret', undefined, 'secret is missing'],
    ['secret', 'short', '`secret` must be at least 32 bytes long'],
    ['clients', undefined, 'clients is empty'],
    ['clients', {}, 'clients is empty'],
    ['clients', { app: { secret: 'short', may: [] } }, '`clients.app.secret` must be at least 32 bytes'],
    ['clients', { app: { ...good.clients.app, may: ['all'] } }, 'clients.app.may holds "all"'],
    ['clients', { app: { secret: good.secret, may: [] } }, 'is the secret of the proxy at the nodes'],
    ['clients', { app: good.clients.app, web: good.clients.app }, 'already in use for another purpose'],
    ['listen', undefined, 'listen is missing'],
    ['listen', 7_001, 'listen must be'],
    ['listen', { host: '127.0.0.1', port: -1 }, 'listen.port must be'],
    ['listen', { host: '127.0.0.1', prot: 1 }, 'did you mean listen.port?'],
    ['listen', { host: '0.0.0.0', port: 1 }, 'listen.host 0.0.0.0 is beyond loopback'],
    ['listen', { server: {}, path: 'no-slash' }, 'listen.path must start with /'],
    ['watch', 'yes', 'watch must be true or false'],
    ['plaintext', 'yes', 'plaintext must be "i-trust-this-network"'],
    ['logger', {}, 'logger must have a function debug'],
  ])('refuse %s = %j', (name, value, message) => {
    expect(() => resolveProxyOptions(withOption(name, value))).toThrow(message);
    expect(() => resolveProxyOptions(withOption(name, value))).toThrow(
      expect.objectContaining({ code: 'INVALID_OPTION', message: expect.not.stringContaining(good.secret) }),
    );
  });

  it('refuse a map that would send plain text beyond loopback, unless that was asked for', async () => {
    const shard = { number: 1, cluster: 'c', nodes: { a: 'ws://10.1.2.3:7001' }, buckets: ['0-16383'] };
    const map = { version: 1, namespaces: { default: { shards: { one: shard } } } };
    const reader = { readText: () => Promise.reject(new Error('no files')) };
    const read = (plaintext: unknown) => {
      const { checkMap } = resolveProxyOptions(withOption('plaintext', plaintext));
      return readShards({ map }, { ...reader, check: checkMap });
    };
    await expect(read(undefined)).rejects.toMatchObject({ code: 'SHARD_FILE' });
    await expect(read(undefined)).rejects.toThrow(/one\.nodes\.a ws:\/\/10\.1\.2\.3:7001 is beyond loopback/);
    expect((await read('i-trust-this-network')).version).toBe(1);
  });
});
