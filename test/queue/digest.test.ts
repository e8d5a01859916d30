import { describe, expect, it } from 'vitest';
import { hashOf, SetHash, StateHash } from '../../src/queue/state-hash.ts';
import { Bench, minute, putOf, queue } from './bench.ts';

describe('the digest', () => {
  /** Each changes one thing that only later commands can see. */
  const changes: readonly [string, (bench: Bench) => unknown][] = [
    ['a wish', (bench) => bench.command({ type: 'want', queue, id: 'a' })],
    ['an attachment', (bench) => bench.attach()],
    ['a worker id', (bench) => bench.attach('s1', 'c1', 'other')],
    ['a renewal', (bench) => bench.renew()],
    [
      'a remembered answer',
      (bench) => bench.requestAs({ stream: 5, seq: 1 }, { ...putOf('a', bench.nowMs), ifAbsent: true }),
    ],
    [
      'a settled mark',
      (bench) => bench.requestAs({ stream: 5, seq: 1, settledUpTo: 1 }, putOf('a', bench.nowMs)),
    ],
    ['a taken task', (bench) => bench.take(1)],
    ['its share', (bench) => bench.take(2)],
    ['a session', (bench) => bench.attach('s2')],
    ['a floor', (bench) => bench.opened()],
    ['a policy', (bench) => bench.setPolicy({})],
    ['a provider', (bench) => bench.setProvider('acme', { graceMs: 1 })],
    ['a back-off', (bench) => bench.release(bench.takeOne(), { scope: 'provider', delayMs: 1 })],
    ['time', (bench) => bench.pass(1)],
  ];

  it('differs after every kind of change', () => {
    const digests = changes.map(([name, change]) => {
      const bench = new Bench();
      bench.put('a');
      bench.put('b', { expiresAtMs: bench.nowMs - 1 });
      bench.nowMs += 10;
      bench.tick();
      const before = bench.state.digest();
      change(bench);
      expect(bench.state.digest(), name).not.toBe(before);
      return bench.state.digest();
    });
    expect(new Set(digests).size).toBe(changes.length);
  });

  it('does not depend on slots: the same state by way of a freed slot is the same', () => {
    const [one, other] = [new Bench(), new Bench()];
    for (const bench of [one, other]) {
      bench.put('x');
      bench.put('y');
      const [x, y] = bench.take(2);
      const order = bench === one ? [x!, y!] : [y!, x!];
      for (const task of order) bench.ackDone(task);
      bench.put('a', { expiresAtMs: bench.nowMs + 60 * minute });
      bench.put('b');
      bench.requestAs({ seq: 999, settledUpTo: 998 }, putOf('b', bench.nowMs));
    }
    expect(one.state.digest()).toBe(other.state.digest());
  });

  it('differs by the share alone', () => {
    const digests = [30_000, -1].map((secondExpiresInMs) => {
      const bench = new Bench();
      bench.put('a');
      bench.put('b', { expiresAtMs: bench.nowMs + secondExpiresInMs });
      for (const task of bench.take(2)) bench.ackDone(task);
      bench.requestAs({ seq: 999, settledUpTo: 998 }, putOf('c', bench.nowMs));
      return bench.state.digest();
    });
    expect(digests[0]).not.toBe(digests[1]);
  });

  it('reading it changes nothing', () => {
    const bench = new Bench();
    bench.put('a');
    const digest = bench.state.digest();
    bench.state.takeEvents();
    bench.state.stats(queue);
    bench.state.get(queue, 'a');
    expect(bench.state.digest()).toBe(digest);
  });
});

describe('the hash of values', () => {
  it('ignores the order of keys and keys without a value, and nothing else', () => {
    expect(hashOf({ a: 1, b: 'x' })).toBe(hashOf({ b: 'x', c: undefined, a: 1 }));
    const values = [
      '',
      'a',
      'b',
      0,
      1,
      -1,
      2 ** 32,
      2 ** 33,
      2 ** 53 - 1,
      true,
      false,
      undefined,
      [],
      [[]],
      {},
      { a: 1 },
    ];
    const bytes = [0, 1, 2, 3, 4, 5].map((length) => new Uint8Array(length));
    expect(new Set([...values, ...bytes, Uint8Array.of(1), Uint8Array.of(0, 1)].map(hashOf)).size).toBe(
      values.length + bytes.length + 2,
    );
  });

  it('of a set ignores the order of its members', () => {
    const [one, other] = [new SetHash(), new SetHash()];
    for (const value of [1, 2, 3]) one.add(new StateHash().value(value));
    for (const value of [3, 1, 2]) other.add(new StateHash().value(value));
    expect(one.hex()).toBe(other.hex());
  });

  it('collides for none of 100,000 similar ids', () => {
    const hashes = new Set<string>();
    for (let at = 0; at < 100_000; at += 1) hashes.add(hashOf(`token-${at}`));
    expect(hashes.size).toBe(100_000);
  });
});
