import { describe, expect, it } from 'vitest';
import type { Cluster } from '../../examples/demo/deployment.ts';
import {
  bucketOf,
  homeOf,
  markIds,
  reloadsWanted,
  ShardPlan,
  tokenIds,
} from '../../examples/demo/shard-plan.ts';
import { createPartitioner } from '../../src/sharding/partitioner.ts';
import type { ShardDirectory } from '../../src/sharding/shard-directory.ts';
import { parseShardFile } from '../../src/sharding/shard-file.ts';

const clusters: readonly Cluster[] = ['one', 'two'].map((name, index) => ({
  name,
  peers: { [name]: `ws://127.0.0.1:${index + 1}` },
  ports: {},
  peerSecret: '',
}));
const keys = [...tokenIds(1_000), ...markIds(2)];
const shardOf = (directory: ShardDirectory, key: string): string | undefined => {
  const map = directory.namespaceOf('tokens');
  return map?.ownerOf(bucketOf(key)).name;
};

describe('the files of the demo', () => {
  it('put keys where the library puts them', () => {
    const { bucketOf: bucketOfKey } = createPartitioner({ partitioner: 'buckets', bucketCount: 16_384 });
    for (const key of keys) expect(bucketOf(key)).toBe(bucketOfKey(key));
    const directory = parseShardFile(new ShardPlan(clusters, keys).first().text);
    for (const key of keys) expect(shardOf(directory, key)).toBe(homeOf(key, 2) === 0 ? 'one' : 'two');
  });

  it('follow each other, move empty buckets both ways, and sometimes nothing but the version', () => {
    const plan = new ShardPlan(clusters, keys);
    let before = parseShardFile(plan.first().text);
    const moved: number[] = [];
    for (let count = 0; count < reloadsWanted; count++) {
      const file = plan.next();
      const next = parseShardFile(file.text);
      before.successor(next);
      for (const key of keys) expect(shardOf(next, key)).toBe(shardOf(before, key));
      moved.push(file.moved);
      before = next;
    }
    expect(moved).toEqual([4, 4, 0, 4, 4, 0, 4, 4, 0, 4]);
  });

  it('name a probe in each bucket that wandered, also some that are not where they began', () => {
    const plan = new ShardPlan(clusters, keys);
    let last = parseShardFile(plan.first().text);
    for (let count = 0; count < reloadsWanted; count++) last = parseShardFile(plan.next().text);
    const probes = Object.entries(plan.probes());
    for (const [key, home] of probes) expect(shardOf(last, key)).toBe(clusters[home]?.name);
    expect(probes.filter(([key, home]) => homeOf(key, 2) !== home).length).toBeGreaterThan(0);
    expect(new Set(probes.map(([, home]) => home)).size).toBe(2);
  });

  it('include a bad one, which gives keys away and is forgotten', () => {
    const plan = new ShardPlan(clusters, keys);
    const [key = ''] = keys;
    const before = parseShardFile(plan.first().text);
    expect(shardOf(parseShardFile(plan.bad([key]).text), key)).not.toBe(shardOf(before, key));
    const next = plan.next();
    expect(next.version).toBe(3);
    expect(shardOf(parseShardFile(next.text), key)).toBe(shardOf(before, key));
  });
});
