import { describe, expect, it } from 'vitest';
import { InvalidOptionError } from '../../src/base/errors.ts';
import { type CommonOptions, type ListenOption, resolveStartOptions } from '../../src/node/start-options.ts';

type Options = CommonOptions & { readonly listen?: ListenOption | undefined };

const good: Options = {
  id: 'a',
  cluster: 'updaters',
  dataDir: './data/a',
  listen: { host: '127.0.0.1', port: 7001 },
  peers: { a: 'ws://127.0.0.1:7001', b: 'ws://127.0.0.1:7002', c: 'ws://127.0.0.1:7003' },
  secret: 'x'.repeat(32),
};

/** As a caller without types would write it. */
function withOption(name: string, value: unknown): Options {
  return { ...good, ...Object.fromEntries([[name, value]]) };
}

const wrong: readonly (readonly [string, unknown, string])[] = [
  ['electionTimoutMs', 500, 'unknown option electionTimoutMs: did you mean electionTimeoutMs?'],
  ['hartbeatMs', 500, 'unknown option hartbeatMs: did you mean heartbeatMs?'],
  ['zzzzzzzzzzzz', 1, 'unknown option zzzzzzzzzzzz: known are id, cluster'],
  ['tls', {}, 'tls is not available yet'],
  ['id', undefined, 'id is missing'],
  ['id', '', 'id is empty'],
  ['id', 7, 'id must be a string, got number'],
  ['id', 'a b', 'id must be 1 to 64 characters of A-Z a-z 0-9 . _ -, got "a b"'],
  ['id', 'd', 'peers must name this node too: "d" is not among a, b, c'],
  ['cluster', undefined, 'cluster is missing'],
  ['cluster', ' ', 'cluster is empty'],
  ['dataDir', undefined, 'dataDir is missing'],
  ['dataDir', '', 'dataDir is empty'],
  ['peers', undefined, 'peers must be an object of addresses by id'],
  ['peers', {}, 'peers is empty'],
  ['peers', { a: '' }, 'peers.a is empty'],
  ['peers', { a: 'ws://127.0.0.1:7001', 'b c': 'ws://127.0.0.1:7002' }, 'a name in peers must be 1 to 64'],
  [
    'peers',
    { a: 'ws://127.0.0.1:7001', b: 'ws://127.0.0.1:7001' },
    'peers.b and peers.a have the same address ws://127.0.0.1:7001',
  ],
  ['peers', { a: 'http://127.0.0.1:7001' }, 'peers.a must be ws://host:port or wss://host:port'],
  ['peers', { a: '127.0.0.1:7001' }, 'peers.a must be ws://host:port'],
  ['peers', { a: 'ws://127.0.0.1:70011' }, 'peers.a must be ws://host:port'],
  ['peers', { a: 'ws://127.0.0.1:0' }, 'peers.a must name a port that can be dialled'],
  ['peers', { a: 'ws://me:pw@127.0.0.1:7001' }, 'peers.a must hold no user'],
  ['peers', { a: 'ws://10.0.0.1:7001' }, 'peers.a ws://10.0.0.1:7001 is beyond loopback'],
  ['groups', 'books', 'groups must be a list of names'],
  ['groups', ['books', 7], 'groups[1] must be a string, got number'],
  ['groups', ['a b'], 'groups[0] must be 1 to 64 characters of A-Z a-z 0-9 . _ -, got "a b"'],
  ['groups', ['books', 'films', 'books'], 'groups names books twice'],
  ['groups', ['main', 'main'], 'groups names main twice'],
  [
    'groups',
    Array.from({ length: 64 }, (_, n) => `g${n}`),
    'groups may name 64 groups at most, main included, got 65',
  ],
  ['groups', ['plumless', 'buckeroo'], 'plumless and buckeroo, which have the same code (CRC-32)'],
  ['secret', undefined, 'secret is missing'],
  ['secret', [], 'secret is missing'],
  ['secret', 5, 'secret must be a string or a list of strings'],
  ['secret', 'short', '`secret` must be at least 32 bytes long'],
  ['secret', ['x'.repeat(32), 'short'], '`secret` must be at least 32 bytes long'],
  ['listen', undefined, 'listen is missing'],
  ['listen', true, 'listen must be { host, port }'],
  ['listen', { host: '127.0.0.1' }, 'listen.port must be a whole number from 1 to 65535, got undefined'],
  ['listen', { host: '127.0.0.1', port: 0 }, 'listen.port must be a whole number from 1 to 65535, got 0'],
  ['listen', { host: '127.0.0.1', port: 65_536 }, 'got 65536'],
  ['listen', { host: '127.0.0.1', port: 80.5 }, 'got 80.5'],
  ['listen', { host: '', port: 80 }, 'listen.host is empty'],
  ['listen', { host: '127.0.0.1', port: 80, prot: 1 }, 'did you mean listen.port?'],
  ['listen', { server: {}, path: 'raft' }, 'listen.path must start with /'],
  ['listen', { server: undefined, path: '/raft' }, 'listen.server must be an HTTP server'],
  ['listen', { host: '0.0.0.0', port: 7001 }, 'listen.host 0.0.0.0 is beyond loopback'],
  ['plaintext', 'yes', 'plaintext must be "i-trust-this-network"'],
  ['clients', { web: 'secret' }, 'clients.web must be { secret, may }'],
  [
    'clients',
    { web: { secret: 'short', may: ['put'] } },
    '`clients.web.secret` must be at least 32 bytes long',
  ],
  [
    'clients',
    { web: { secret: 'y'.repeat(32), may: 'put' } },
    'clients.web.may must be a list of put, get, take, admin',
  ],
  ['clients', { web: { secret: 'y'.repeat(32), may: ['fly'] } }, 'clients.web.may holds "fly"'],
  ['clients', { web: { secret: 'y'.repeat(32), may: ['put'], mai: 1 } }, 'did you mean clients.web.may?'],
  ['heartbeatMs', '100', 'heartbeatMs must be a number, got 100'],
  ['heartbeatMs', Number.NaN, 'heartbeatMs must be a number'],
  ['heartbeatMs', 0, 'heartbeatMs must be above 0'],
  ['heartbeatMs', 600, 'heartbeatMs (600) must be at most half of electionTimeoutMs (1000)'],
  ['leaseMs', 900, 'leaseMs (900) must be at most 0.8 of electionTimeoutMs (1000)'],
  ['driftBound', 2, 'driftBound must be from 0 to 0.5'],
  ['logBytesMax', -1, 'logBytesMax must be a whole number above 0'],
  [
    'clients',
    { web: { secret: 'x'.repeat(32), may: ['put'] } },
    '`clients.web.secret` is already in use for another purpose',
  ],
  ['logger', null, 'logger must have a function debug'],
  ['logger', { info: () => {} }, 'logger must have a function debug'],
];

describe('the options of startNode', () => {
  it('are resolved when they are right', () => {
    const clients = { web: { secret: ['y'.repeat(32), 'z'.repeat(32)], may: ['put', 'get'] as const } };
    const resolved = resolveStartOptions({ ...good, secret: ['x'.repeat(32), 'w'.repeat(32)], clients });
    expect(resolved).toMatchObject({
      id: 'a',
      cluster: 'updaters',
      secrets: ['x'.repeat(32), 'w'.repeat(32)],
    });
    expect([...resolved.peers.keys()]).toEqual(['a', 'b', 'c']);
    expect(resolved.clients).toEqual([
      { account: 'web', secrets: ['y'.repeat(32), 'z'.repeat(32)], may: new Set(['put', 'get']) },
    ]);
    expect(resolved.warnings).toEqual([]);
  });

  it('name the groups beside main, which is always there and first', () => {
    const groups = (value: unknown) => resolveStartOptions(withOption('groups', value)).groups;
    expect(groups(undefined)).toEqual(['main']);
    expect(groups([])).toEqual(['main']);
    expect(groups(['books', 'main', 'films'])).toEqual(['main', 'books', 'films']);
    expect(groups(Array.from({ length: 63 }, (_, n) => `g${n}`))).toHaveLength(64);
  });

  it.each(wrong)('refuse %s = %j', (name, value, message) => {
    expect(() => resolveStartOptions(withOption(name, value))).toThrow(InvalidOptionError);
    expect(() => resolveStartOptions(withOption(name, value))).toThrow(message);
  });

  it('never repeat a secret in what they say', () => {
    for (const secret of ['hunter2', ['x'.repeat(32), 'hunter2']]) {
      try {
        resolveStartOptions(withOption('secret', secret));
        expect.unreachable();
      } catch (error) {
        expect(String(error)).not.toContain('hunter2');
      }
    }
  });

  it('allow plain text beyond loopback when it is asked for by name', () => {
    const peers = { a: 'ws://10.0.0.1:7001' };
    const listen = { host: '0.0.0.0', port: 7001 };
    resolveStartOptions({ ...good, peers, listen, plaintext: 'i-trust-this-network' });
  });

  it('allow encrypted addresses beyond loopback, and every name of loopback', () => {
    resolveStartOptions({ ...good, listen: false, peers: { a: 'wss://a.example:443/raft' } });
    for (const host of ['localhost', '127.4.5.6', '[::1]']) {
      resolveStartOptions({ ...good, peers: { a: `ws://${host}:7001` } });
    }
  });

  it('warn of an even number of members, and allow one', () => {
    const two = { a: 'ws://127.0.0.1:7001', b: 'ws://127.0.0.1:7002' };
    expect(resolveStartOptions({ ...good, peers: two }).warnings).toEqual([
      'peers names 2 members: an even number tolerates no more failures than 1',
    ]);
    expect(resolveStartOptions({ ...good, peers: { a: 'ws://127.0.0.1:7001' } }).warnings).toEqual([]);
  });
});
