import { describe, expect, it } from 'vitest';
import { textCrc32 } from '../../src/sharding/crc32.ts';
import { jumpHash } from '../../src/sharding/jump.ts';
import { createPartitioner } from '../../src/sharding/partitioner.ts';
import { growMap } from '../../src/sharding/plan.ts';
import { ShardMap } from '../../src/sharding/shard-map.ts';
import { sumbur } from '../../src/sharding/sumbur.ts';
import type { PartitionerName } from '../../src/sharding/types.ts';

const keyCount = 200_000;
/** Independent of each other, which is what the bounds below suppose; the same in every run. */
const keys = Array.from({ length: keyCount }, (_, at) => `${scrambled(at)}-${scrambled(at + keyCount)}`);

function scrambled(at: number): string {
  let word = Math.imul(at + 1, 0x9e37_79b1);
  word = Math.imul(word ^ (word >>> 15), 0x85eb_ca6b);
  word = Math.imul(word ^ (word >>> 13), 0xc2b2_ae35);
  return ((word ^ (word >>> 16)) >>> 0).toString(36);
}

/** A perfect function is this far from even by chance: one shard in 700 is 3 deviations above, so the fullest of 100 often is; not 4. */
const noise = (shards: number) => 1 + 4 * Math.sqrt(shards / keyCount);
/** The same for a share of the keys. */
const shareNoise = (share: number) => 3 * Math.sqrt((share * (1 - share)) / keyCount);

type Placed = Uint16Array | Uint32Array;

const rounded = (value: number) => Math.round(value * 10_000) / 10_000;

function placed(bucketOf: (key: string) => number): Placed {
  return Uint16Array.from(keys, bucketOf);
}

function maxOverMean(places: Placed, shards: number): number {
  const counts = new Uint32Array(shards);
  for (const shard of places) counts[shard]!++;
  return Math.max(...counts) / (places.length / shards);
}

interface Movement {
  readonly moved: number;
  readonly betweenOld: number;
}

function movement(before: Placed, after: Placed, oldShards: number): Movement {
  let moved = 0;
  let betweenOld = 0;
  for (const [at, shard] of after.entries()) {
    if (shard === before[at]) continue;
    moved++;
    if (shard < oldShards) betweenOld++;
  }
  return { moved: moved / after.length, betweenOld: betweenOld / after.length };
}

/** Tables that start with one shard and grow by one at a time, as the file of a growing service does. */
function grownTables(sizes: readonly number[], bucketCount: number): (shards: number) => Placed {
  const shard = (number: number) => ({
    name: `s${number}`,
    number,
    namespace: 'tokens',
    cluster: `c${number}`,
    group: 'main',
    nodes: new Map<string, string>(),
  });
  let map = new ShardMap({
    namespace: 'tokens',
    version: 1,
    partitioner: 'buckets',
    bucketCount,
    shards: [shard(1)],
    owners: [{ from: 0, to: bucketCount - 1, number: 1 }],
  });
  const tables = new Map<number, Placed>();
  const buckets = placed((key) => map.bucketOf(key));
  for (let size = 1; size <= Math.max(...sizes); size++) {
    if (size > 1) map = growMap(map, shard(size));
    if (sizes.includes(size)) {
      const owners = Uint16Array.from({ length: bucketCount }, (_, bucket) => map.ownerOf(bucket).number - 1);
      tables.set(
        size,
        Uint16Array.from(buckets, (bucket) => owners[bucket] ?? 0),
      );
    }
  }
  return (shards) => tables.get(shards) ?? new Uint16Array(0);
}

const steps = [2, 3, 8, 100] as const;
const sizes = [2, 3, 4, 8, 9, 16, 100, 101];

function functionOf(partitioner: PartitionerName): (shards: number) => Placed {
  const cache = new Map<number, Placed>();
  return (shards) => {
    const known =
      cache.get(shards) ?? placed(createPartitioner({ partitioner, bucketCount: shards }).bucketOf);
    cache.set(shards, known);
    return known;
  };
}

const minimal: readonly (readonly [string, (shards: number) => Placed, number])[] = [
  ['sumbur', functionOf('sumbur'), 1],
  ['jump, which is guava', functionOf('jump'), 1],
  ['tarantoolGuava', functionOf('tarantoolGuava'), 1],
  // A shard more than the buckets divide by has a bucket more: at n shards up to n / 16384 above the mean.
  ['buckets, dealt by minimal moves', grownTables(sizes, 16_384), 1 + 100 / 16_384],
];

describe('keys over shards, as the table in test/vectors/README.md has it', () => {
  it.each(minimal)(
    '%s: even, and a new shard takes 1 / (n + 1), nothing of it between old ones',
    (_, of, unevenness) => {
      for (const shards of [3, 16, 100])
        expect(maxOverMean(of(shards), shards), `${shards} shards`).toBeLessThanOrEqual(
          noise(shards) * unevenness,
        );
      for (const shards of steps) {
        const { moved, betweenOld } = movement(of(shards), of(shards + 1), shards);
        const ideal = 1 / (shards + 1);
        // A table moves whole buckets.
        const grain = unevenness > 1 ? 1 / 16_384 : 0;
        expect(Math.abs(moved - ideal), `${shards} to ${shards + 1}`).toBeLessThanOrEqual(
          shareNoise(ideal) + grain,
        );
        expect(betweenOld).toBe(0);
      }
    },
  );

  it('crc32 by remainder: as even, but nearly everything moves, most of it between old shards', () => {
    const of = functionOf('crc32');
    for (const shards of [3, 16, 100])
      expect(maxOverMean(of(shards), shards)).toBeLessThanOrEqual(noise(shards));
    for (const [shards, moved] of [
      [2, 2 / 3],
      [3, 3 / 4],
      [8, 8 / 9],
      [100, 100 / 101],
    ] as const) {
      const found = movement(of(shards), of(shards + 1), shards);
      expect(Math.abs(found.moved - moved)).toBeLessThanOrEqual(shareNoise(moved));
    }
    expect(movement(of(3), of(4), 3).betweenOld).toBeCloseTo(0.5, 2);
  });

  it('and to the digit, with the same 1,000,000 sequential e-mail keys', () => {
    const hashes = Uint32Array.from({ length: 1_000_000 }, (_, at) => {
      const key = `user${at}@mail.ru`;
      return textCrc32(key, 0, key.length);
    });
    const functions = {
      crc32: (hash: number, shards: number) => hash % shards,
      sumbur,
      jump: (hash: number, shards: number) => jumpHash(hash, shards),
    };
    const rows = Object.entries(functions).map(([name, shardOf]) => {
      const of = (shards: number) => hashes.map((hash) => shardOf(hash, shards));
      const [three, four] = [of(3), of(4)];
      return [
        name,
        ...[three, of(16), of(100)].map((places, at) => rounded(maxOverMean(places, [3, 16, 100][at] ?? 0))),
        rounded(movement(three, four, 3).moved),
        rounded(movement(three, four, 3).betweenOld),
      ];
    });
    expect(rows).toEqual([
      ['crc32', 1.0009, 1.0002, 1.0298, 0.7501, 0.5001],
      ['sumbur', 1.0001, 1.0016, 1.0223, 0.25, 0],
      ['jump', 1.0011, 1.0064, 1.0255, 0.2501, 0],
    ]);
  });
});
