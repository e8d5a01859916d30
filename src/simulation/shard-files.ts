import { ShardDirectory } from '../sharding/shard-directory.ts';
import { formatShardFile } from '../sharding/shard-file.ts';
import type { OwnedRange } from '../sharding/shard-map.ts';
import { ShardMap } from '../sharding/shard-map.ts';
import type { ShardSite } from './shard-layout.ts';

/** Buckets of every namespace of a world: few, so that some are empty and some are not. */
export const worldBuckets = 16;

/** Which shard is to own each bucket, by namespace: the shard's number at the place of the bucket. */
export type Deal = ReadonlyMap<string, readonly number[]>;

/** The buckets dealt evenly, as an operator begins. */
export function evenDeal(sites: readonly ShardSite[]): Deal {
  const deal = new Map<string, readonly number[]>();
  for (const namespace of namespacesOf(sites)) {
    const numbers = sites
      .filter(({ shard }) => shard.namespace === namespace)
      .map(({ shard }) => shard.number);
    const share = Math.ceil(worldBuckets / numbers.length);
    deal.set(
      namespace,
      Array.from({ length: worldBuckets }, (_, bucket) => numbers[Math.floor(bucket / share)]!),
    );
  }
  return deal;
}

/** A deal in which some buckets of one namespace belong to another shard. */
export function withMoved(deal: Deal, namespace: string, buckets: readonly number[], to: number): Deal {
  const owners = (deal.get(namespace) ?? []).map((owner, bucket) => (buckets.includes(bucket) ? to : owner));
  return new Map([...deal, [namespace, owners]]);
}

/** The text of the shard file. */
export function shardFile(version: number, sites: readonly ShardSite[], deal: Deal): string {
  const maps = namespacesOf(sites).map(
    (namespace) =>
      new ShardMap({
        namespace,
        version,
        partitioner: 'buckets',
        bucketCount: worldBuckets,
        shards: sites.filter(({ shard }) => shard.namespace === namespace).map(({ shard }) => shard),
        owners: rangesOf(deal.get(namespace) ?? []),
      }),
  );
  return formatShardFile(new ShardDirectory(version, maps));
}

function rangesOf(owners: readonly number[]): readonly OwnedRange[] {
  return owners.map((number, bucket) => ({ from: bucket, to: bucket, number }));
}

export function namespacesOf(sites: readonly ShardSite[]): readonly string[] {
  return [...new Set(sites.map(({ shard }) => shard.namespace))];
}
