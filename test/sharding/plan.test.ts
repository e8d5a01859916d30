import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { InvalidArgumentError } from '../../src/base/errors.ts';
import { balance, growMap, planMoves } from '../../src/sharding/plan.ts';
import { ShardDirectory } from '../../src/sharding/shard-directory.ts';
import { type OwnedRange, ShardMap } from '../../src/sharding/shard-map.ts';
import type { Shard } from '../../src/sharding/types.ts';
import { directoryOf, fileForm, shardForm, twoShards } from './files.ts';

const shard = (number: number): Shard => ({
  name: `s${number}`,
  number,
  namespace: 'tokens',
  cluster: `c${number}`,
  group: 'main',
  nodes: new Map([['a', `ws://127.0.0.1:${number}`]]),
});

function mapOf(owners: readonly number[], shardCount: number): ShardMap {
  const shards = Array.from({ length: shardCount }, (_, at) => shard(at + 1));
  return new ShardMap({
    namespace: 'tokens',
    version: 1,
    partitioner: 'buckets',
    bucketCount: owners.length,
    shards,
    owners: owners.map((number, bucket) => ({ from: bucket, to: bucket, number })),
  });
}

const numbersOf = (map: ShardMap) => map.shards.map(({ number }) => number);
const ownersOf = (ranges: readonly OwnedRange[]) =>
  ranges.flatMap(({ from, to, number }) => Array.from({ length: to - from + 1 }, () => number));
const ownerList = (map: ShardMap) => ownersOf(map.owners);
const count = (owners: readonly number[], number: number) =>
  owners.filter((owner) => owner === number).length;

/** Any dealing of 1 to 200 buckets to 1 to 8 shards, with some buckets pinned. */
const dealt = fc.integer({ min: 1, max: 8 }).chain((shardCount) =>
  fc.record({
    shardCount: fc.constant(shardCount),
    owners: fc.array(fc.integer({ min: 1, max: shardCount }), { minLength: 1, maxLength: 200 }),
    pinned: fc.uniqueArray(fc.nat(199), { maxLength: 40 }).map((buckets) => new Set(buckets)),
  }),
);

describe('growing a map', () => {
  it('of n even shards moves B / (n + 1) buckets, all of them to the new one, the same from each', () => {
    for (let shardCount = 1; shardCount <= 20; shardCount++) {
      const bucketCount = 16_384;
      const even = mapOf(
        Array.from(
          { length: bucketCount },
          (_, bucket) => Math.floor((bucket * shardCount) / bucketCount) + 1,
        ),
        shardCount,
      );
      const grown = growMap(even, shard(shardCount + 1));
      const moves = planMoves(new ShardDirectory(1, [even]), new ShardDirectory(2, [grown]));
      const sizes = moves.map(({ ranges }) => ranges.reduce((sum, { from, to }) => sum + to - from + 1, 0));
      expect(new Set(moves.map(({ to }) => to))).toEqual(new Set([`s${shardCount + 1}`]));
      expect(sizes.reduce((a, b) => a + b, 0)).toBe(Math.floor(bucketCount / (shardCount + 1)));
      expect(Math.max(...sizes) - Math.min(...sizes)).toBeLessThanOrEqual(1);
      expect(moves.every(({ ranges }) => ranges.length === 1)).toBe(true);
      expect(grown.version).toBe(2);
    }
  });

  it('keeps what is pinned, and takes it from the others instead', () => {
    const even = mapOf(
      Array.from({ length: 90 }, (_, bucket) => (bucket < 45 ? 1 : 2)),
      2,
    );
    const pinned = new Set(Array.from({ length: 40 }, (_, at) => at));
    const owners = ownerList(growMap(even, shard(3), pinned));
    expect([1, 2, 3].map((number) => count(owners, number))).toEqual([40, 25, 25]);
    expect(owners.slice(0, 40).every((owner) => owner === 1)).toBe(true);
  });
});

describe('balancing', () => {
  it('is even, moves as little as can be, keeps what is pinned and moves nothing between even shards', () => {
    fc.assert(
      fc.property(dealt, ({ shardCount, owners, pinned }) => {
        const map = mapOf(owners, shardCount);
        const numbers = numbersOf(map);
        const after = ownersOf(balance(map, { numbers, pinned }));
        for (const bucket of pinned) expect(after[bucket]).toBe(owners[bucket]);
        const moved = after.filter((owner, bucket) => owner !== owners[bucket]).length;
        expect(moved).toBe(leastMoves(owners, numbers, pinned));
        const free = numbers.filter((number) => count(after, number) > pinnedTo(owners, pinned, number));
        const sizes = free.map((number) => count(after, number));
        if (sizes.length > 0) expect(Math.max(...sizes) - Math.min(...sizes)).toBeLessThanOrEqual(1);
        expect(ownersOf(balance(mapOf(after, shardCount), { numbers, pinned }))).toEqual(after);
      }),
      { numRuns: 300 },
    );
  });

  it('drains a shard into the others evenly, apart from what is pinned there', () => {
    fc.assert(
      fc.property(dealt, fc.nat(7), ({ shardCount, owners, pinned }, at) => {
        fc.pre(shardCount > 1);
        const leaving = (at % shardCount) + 1;
        const map = mapOf(owners, shardCount);
        const numbers = numbersOf(map).filter((number) => number !== leaving);
        const even = mapOf(ownersOf(balance(map, { numbers: numbersOf(map) })), shardCount);
        const before = ownerList(even);
        const after = ownersOf(balance(even, { numbers, pinned }));
        expect(count(after, leaving)).toBe(pinnedTo(before, pinned, leaving));
        for (const [bucket, owner] of after.entries())
          if (owner !== before[bucket] && pinned.size === 0) expect(before[bucket]).toBe(leaving);
      }),
      { numRuns: 200 },
    );
  });

  it('needs a table, known shards, and one of them to stay', () => {
    const map = mapOf([1, 2], 2);
    expect(() => balance(map, { numbers: [] })).toThrow(InvalidArgumentError);
    expect(() => balance(map, { numbers: [3] })).toThrow(/number 3/);
    const byFunction = new ShardMap({ ...map, partitioner: 'jump' });
    expect(() => balance(byFunction, { numbers: [1] })).toThrow(/jump deals keys by a function/);
  });
});

describe('a plan', () => {
  it('has one move for each pair of shards, and none for a new namespace', () => {
    const from = directoryOf(fileForm(twoShards));
    const to = directoryOf({
      version: 2,
      namespaces: {
        tokens: {
          bucketCount: 100,
          shards: {
            one: { ...twoShards.one, buckets: ['0-39', 50] },
            two: { ...twoShards.two, buckets: ['51-89'] },
            three: shardForm(3, { buckets: ['40-49', '90-99'] }),
          },
        },
        books: { bucketCount: 2, shards: { books: shardForm(4, { buckets: ['0-1'] }) } },
      },
    });
    expect(planMoves(from, to)).toEqual([
      { namespace: 'tokens', from: 'one', to: 'three', ranges: [{ from: 40, to: 49 }] },
      { namespace: 'tokens', from: 'two', to: 'one', ranges: [{ from: 50, to: 50 }] },
      { namespace: 'tokens', from: 'two', to: 'three', ranges: [{ from: 90, to: 99 }] },
    ]);
    expect(planMoves(from, from)).toEqual([]);
  });

  it('is refused between two partitions', () => {
    const [from, to] = [100, 101].map((bucketCount) =>
      directoryOf(fileForm({ one: shardForm(1, { buckets: [`0-${bucketCount - 1}`] }) }, { bucketCount })),
    );
    if (from === undefined || to === undefined) throw new Error('two');
    expect(() => planMoves(from, to)).toThrow(InvalidArgumentError);
  });
});

function pinnedTo(owners: readonly number[], pinned: ReadonlySet<number>, number: number): number {
  return owners.filter((owner, bucket) => owner === number && pinned.has(bucket)).length;
}

/** The slow way: of all even sets of sizes, pinned ones respected, the one that keeps most where it is. */
function leastMoves(
  owners: readonly number[],
  numbers: readonly number[],
  pinned: ReadonlySet<number>,
): number {
  const sizes = new Map(numbers.map((number) => [number, pinnedTo(owners, pinned, number)]));
  // Hand out the free buckets one by one, each to whoever has least; of equals to whoever may keep one of its own.
  for (let left = owners.length - [...sizes.values()].reduce((a, b) => a + b, 0); left > 0; left--) {
    const least = Math.min(...sizes.values());
    const candidates = numbers.filter((number) => sizes.get(number) === least);
    const keeping = candidates.find((number) => count(owners, number) > least) ?? candidates[0]!;
    sizes.set(keeping, least + 1);
  }
  return numbers.reduce(
    (sum, number) => sum + Math.max(0, (sizes.get(number) ?? 0) - count(owners, number)),
    0,
  );
}
