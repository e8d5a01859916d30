import { crc32 } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { InvalidArgumentError } from '../../src/base/errors.ts';
import { canonicalText, ShardMap } from '../../src/sharding/shard-map.ts';
import type { Shard } from '../../src/sharding/types.ts';
import { directoryOf, fileForm, shardForm, twoShards } from './files.ts';

function tokens(form: object): ShardMap {
  const map = directoryOf(form).namespaces.get('tokens');
  if (map === undefined) throw new Error('no tokens');
  return map;
}

const shard = (number: number): Shard => ({
  name: `s${number}`,
  number,
  namespace: 'tokens',
  cluster: 'c',
  group: `g${number}`,
  nodes: new Map(),
});
const partition = { namespace: 'tokens', version: 1, partitioner: 'buckets', bucketCount: 10 } as const;

describe('a shard map', () => {
  it('gives every key the owner of its bucket', () => {
    const map = tokens(fileForm(twoShards));
    for (const key of ['a', 'user:7', '{7}:x', 'ключ']) {
      expect(map.shardOf(key)).toBe(map.ownerOf(map.bucketOf(key)));
      expect(map.shardOf(Buffer.from(key))).toBe(map.shardOf(key));
    }
    expect(map.ownerOf(49).name).toBe('one');
    expect(map.ownerOf(50).name).toBe('two');
    expect(map.rangesOf('two')).toEqual([{ from: 50, to: 99 }]);
    expect(map.rangesOf('nobody')).toEqual([]);
    expect(map.shards.map(({ name }) => name)).toEqual(['one', 'two']);
  });

  it('joins ranges that touch', () => {
    const map = tokens(
      fileForm({
        one: shardForm(1, { buckets: ['10-49', 0, '1-9', '60-99'] }),
        two: shardForm(2, { buckets: ['50-59'] }),
      }),
    );
    expect(map.owners).toEqual([
      { from: 0, to: 49, number: 1 },
      { from: 50, to: 59, number: 2 },
      { from: 60, to: 99, number: 1 },
    ]);
  });

  it('gives each shard one bucket, by number, where a function deals keys to shards', () => {
    const shards = { z: shardForm(30), m: shardForm(10), a: shardForm(20) };
    const map = tokens({ version: 1, namespaces: { tokens: { partitioner: 'crc32', shards } } });
    expect(map.bucketCount).toBe(3);
    expect([0, 1, 2].map((bucket) => map.ownerOf(bucket).name)).toEqual(['m', 'a', 'z']);
    expect(map.shardOf('user:1').name).toBe(['m', 'a', 'z'][crc32('user:1') % 3]);
  });

  it('is named by a digest that addresses, clusters and the version leave alone', () => {
    const first = tokens(fileForm(twoShards));
    const { one, two } = twoShards;
    const moved = { a: 'wss://elsewhere:1', b: 'wss://elsewhere:2' };
    const addresses = tokens(fileForm({ two: { ...two }, one: { ...one, nodes: moved } }, { version: 9 }));
    expect(first.digest).toBe(crc32(canonicalText(first)));
    expect(addresses.digest).toBe(first.digest);
    expect(addresses.name).toEqual({
      namespace: 'tokens',
      version: 9,
      digest: first.digest,
      partitioner: 'buckets',
      bucketCount: 100,
    });
    const others = [
      fileForm({ one: { ...one, buckets: ['0-48'] }, two: { ...two, buckets: ['49-99'] } }),
      fileForm({ eins: { ...one }, two: { ...two } }),
      fileForm({ one: { ...one, number: 3 }, two: { ...two } }),
      fileForm({ one: { ...one, buckets: ['0-49', 100] }, two: { ...two } }, { bucketCount: 101 }),
    ];
    expect(new Set([first.digest, ...others.map((form) => tokens(form).digest)]).size).toBe(5);
  });

  it('knows buckets by their number alone', () => {
    const map = tokens(fileForm(twoShards));
    expect(map.epochOf(99)).toBe(1);
    for (const bucket of [-1, 100, 1.5, Number.NaN]) {
      expect(() => map.ownerOf(bucket)).toThrow(InvalidArgumentError);
      expect(() => map.epochOf(bucket)).toThrow(InvalidArgumentError);
    }
  });

  it('is refused with a gap, an overlap, an unknown shard, a range outside, or two shards of one number', () => {
    const shards = [shard(1), shard(2)];
    const made = (owners: readonly [number, number, number][], more = {}) =>
      new ShardMap({
        ...partition,
        shards,
        owners: owners.map(([from, to, number]) => ({ from, to, number })),
        ...more,
      });
    expect(
      made([
        [0, 4, 1],
        [5, 9, 2],
      ]).rangesOf('s2'),
    ).toEqual([{ from: 5, to: 9 }]);
    expect(() =>
      made([
        [0, 4, 1],
        [6, 9, 2],
      ]),
    ).toThrow(/bucket 5 has no owner/);
    expect(() =>
      made([
        [0, 5, 1],
        [5, 9, 2],
      ]),
    ).toThrow(/two owners/);
    expect(() =>
      made([
        [0, 4, 1],
        [5, 9, 3],
      ]),
    ).toThrow(/shard 3, which is unknown/);
    expect(() =>
      made([
        [0, 4, 1],
        [5, 10, 2],
      ]),
    ).toThrow(/out of range/);
    expect(() => made([[0, 9, 1]], { shards: [shard(1), shard(1)] })).toThrow(/one number/);
    expect(() => made([[0, 9, 1]], { partitioner: 'sumbur', bucketCount: 46_341 })).toThrow(
      InvalidArgumentError,
    );
  });
});
