import { describe, expect, it } from 'vitest';
import { InvalidOptionError } from '../../src/base/errors.ts';
import {
  decodeBootstrap,
  encodeBootstrap,
  type RaftOptionsInput,
  resolveRaftOptions,
} from '../../src/raft/index.ts';
import { hasQuorum, quorumValue } from '../../src/raft/quorum.ts';
import { a, b, c, clusterId, d, e, incarnation, Probe, setOf } from './probe.ts';

const input: RaftOptionsInput = {
  id: a,
  incarnation: incarnation(a),
  peers: [c, a, b],
  random: () => 0,
  mintClusterId: () => clusterId,
};

describe('options', () => {
  it('have these defaults', () => {
    expect(resolveRaftOptions(input)).toMatchObject({
      peers: [a, b, c],
      heartbeatMs: 100,
      electionTimeoutMinMs: 1_000,
      electionTimeoutMaxMs: 2_000,
      leaseMs: 800,
      driftBound: 0.05,
      rankStepMs: 10,
      logBytesMax: 256 * 1024 * 1024,
    });
  });

  it.each<[string, Partial<RaftOptionsInput>]>([
    ['a lease beyond 0.8 of the election timeout', { leaseMs: 801 }],
    ['a lease within a heartbeat', { leaseMs: 100 }],
    ['a lease that every late heartbeat would end', { leaseMs: 199 }],
    ['a heartbeat above half of the election timeout', { heartbeatMs: 501 }],
    ['a heartbeat of 0', { heartbeatMs: 0 }],
    ['NaN', { heartbeatMs: Number.NaN }],
    ['no room for chance in the election timeout', { electionTimeoutMaxMs: 1_000 }],
    ['a drift of a half and more', { driftBound: 0.51 }],
    ['a rank step above the heartbeat', { rankStepMs: 101 }],
    ['an append above the window', { appendBytesMax: 9, inflightBytesMax: 8 }],
    ['a fraction of a read', { readsMax: 1.5 }],
    ['peers without itself', { peers: [b, c] }],
    ['a peer twice', { peers: [a, b, b] }],
    ['an id with a space', { id: 'a b' as typeof a, peers: ['a b' as typeof a] }],
  ])('%s is an InvalidOptionError', (_name, wrong) => {
    expect(() => resolveRaftOptions({ ...input, ...wrong })).toThrow(InvalidOptionError);
  });
});

describe('entry 1', () => {
  const bootstrap = { clusterId, members: setOf([a, b, c]) };
  const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);

  it('is read back as it was written', () => {
    expect(decodeBootstrap(encodeBootstrap(bootstrap))).toEqual(bootstrap);
  });

  it.each([
    '',
    '{}',
    'null',
    '[]',
    `{"clusterId":"${clusterId}","members":[]}`,
    `{"clusterId":"xx","members":[{"id":"a","incarnation":"${incarnation(a)}"}]}`,
    `{"clusterId":"${clusterId}","members":[{"id":"a","incarnation":"1"}]}`,
    `{"clusterId":"${clusterId}","members":[{"id":"a","incarnation":"${incarnation(a)}"}],"more":1}`,
    `{ "clusterId":"${clusterId}","members":[{"id":"a","incarnation":"${incarnation(a)}"}]}`,
    `{"clusterId":"${clusterId}","members":[{"id":"b","incarnation":"${incarnation(b)}"},{"id":"a","incarnation":"${incarnation(a)}"}]}`,
  ])('is not %s', (text) => {
    expect(decodeBootstrap(bytes(text))).toBeUndefined();
  });

  it('is not a text that is no UTF-8', () => {
    expect(decodeBootstrap(Uint8Array.of(0xff, 0xfe))).toBeUndefined();
  });
});

describe('a quorum', () => {
  it('is a majority of every configuration in force (pitfall 31)', () => {
    const joint = [
      [a, b, c],
      [c, d, e],
    ];
    const have = (...ids: readonly string[]) => hasQuorum(joint, (id) => ids.includes(id));
    expect(have('a', 'b', 'd')).toBe(false);
    expect(have('a', 'c', 'd')).toBe(true);
    expect(have('d', 'e', 'c')).toBe(false);
    const values: Record<string, number> = { a: 9, b: 7, c: 5, d: 3, e: 1 };
    expect(quorumValue(joint, (id) => values[id]!)).toBe(3);
    expect(quorumValue([[a, b]], (id) => values[id]!)).toBe(7);
  });
});

describe('the view', () => {
  it('is the same object while nothing changed', () => {
    const node = new Probe().reign();
    const before = node.view;
    node.step({ type: 'applied', index: 1 });
    node.step({ type: 'deadline' });
    expect(node.view).toBe(before);
  });

  it('an applied index beyond the commit ends the node (I9)', () => {
    expect(new Probe().step({ type: 'applied', index: 1 }).view.failed).toContain('I9');
  });
});
