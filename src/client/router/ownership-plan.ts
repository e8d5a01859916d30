import { BucketInUseError, ConflictingMapError, LowerVersionError } from '../../base/errors.ts';
import type { ShardMap } from '../../sharding/shard-map.ts';
import type { BucketRange, EpochRange, Shard } from '../../sharding/types.ts';
import type { OwnershipBody } from '../../wire/shard-frames.ts';

/** What one group's log says that it owns. */
export interface Report {
  readonly shard: Shard;
  readonly body: OwnershipBody;
}

/** Buckets that the map gives to a shard whose group does not own them yet. */
export interface Gain {
  readonly shard: Shard;
  readonly ranges: readonly BucketRange[];
}

/**
 * What has to change hands until the groups own what the map says.
 *
 * @throws LowerVersionError or ConflictingMapError when a group knows a newer or another map, or a shard that the map lacks, so
 * that nobody could ask it to give up what it has; BucketInUseError when a bucket that would have to go holds something. Nothing
 * may be claimed then.
 */
export function planGains(map: ShardMap, reports: readonly Report[]): readonly Gain[] {
  for (const report of reports) checkMap(map, report);
  for (const report of reports) checkOccupied(map, report);
  return reports
    .map(({ shard, body }) => {
      const owned = flagsOf(map, body.owned);
      return {
        shard,
        ranges: rangesWhere(
          map,
          (bucket) => map.ownerOf(bucket).number === shard.number && owned[bucket] === 0,
        ),
      };
    })
    .filter(({ ranges }) => ranges.length > 0);
}

/** The ranges without the buckets of `taken`. */
export function without(
  map: ShardMap,
  ranges: readonly BucketRange[],
  taken: readonly BucketRange[],
): readonly BucketRange[] {
  const wanted = flagsOf(map, ranges);
  for (const { from, to } of taken) wanted.fill(0, from, to + 1);
  return rangesWhere(map, (bucket) => wanted[bucket] === 1);
}

/** The highest epoch that any of the lists names for each bucket. */
export function highestEpochs(map: ShardMap, lists: readonly (readonly EpochRange[])[]): Uint32Array {
  const epochs = new Uint32Array(map.bucketCount);
  for (const { from, to, epoch } of lists.flat()) {
    for (let bucket = from; bucket <= to && bucket < epochs.length; bucket++)
      epochs[bucket] = Math.max(epochs[bucket] ?? 0, epoch);
  }
  return epochs;
}

/** The ranges, each bucket under the epoch that follows its highest. */
export function nextEpochs(ranges: readonly BucketRange[], epochs: Uint32Array): readonly EpochRange[] {
  const next: EpochRange[] = [];
  for (const { from, to } of ranges) {
    let start = from;
    for (let bucket = from + 1; bucket <= to + 1; bucket++) {
      if (bucket <= to && epochs[bucket] === epochs[start]) continue;
      next.push({ from: start, to: bucket - 1, epoch: (epochs[start] ?? 0) + 1 });
      start = bucket;
    }
  }
  return next;
}

function checkMap(map: ShardMap, { shard, body }: Report): void {
  const known = body.map;
  if (known === undefined) return;
  const { namespace, version, digest, partitioner, bucketCount } = known;
  const isOther =
    namespace !== map.namespace || partitioner !== map.partitioner || bucketCount !== map.bucketCount;
  if (isOther || (body.shard !== undefined && body.shard !== shard.name)) {
    const self = `${body.shard ?? 'a shard'} of ${namespace} (${partitioner}, ${bucketCount} buckets)`;
    throw new ConflictingMapError(`the group of shard ${shard.name} is already ${self}`);
  }
  if (version > map.version)
    throw new LowerVersionError(
      `shard ${shard.name} knows map version ${version}; this one is ${map.version}`,
    );
  if (version === map.version && digest !== map.digest)
    throw new ConflictingMapError(`shard ${shard.name} knows another map of version ${version}`);
  const names = new Set(map.shards.map(({ name }) => name));
  const gone = body.ceded.find(({ owner }) => !names.has(owner))?.owner;
  if (gone !== undefined)
    throw new ConflictingMapError(
      `shard ${shard.name} gave buckets to shard ${gone}, which this map does not have: it serves them still`,
    );
}

function checkOccupied(map: ShardMap, { shard, body }: Report): void {
  for (const { from, to } of body.occupied) {
    for (let bucket = from; bucket <= to; bucket++) {
      const owner = map.ownerOf(bucket);
      if (owner.name === shard.name) continue;
      throw new BucketInUseError(
        `bucket ${bucket} of ${map.namespace} cannot go from ${shard.name} to ${owner.name}: it holds a task, a lease or a remembered answer`,
      );
    }
  }
}

function flagsOf(map: ShardMap, ranges: readonly BucketRange[]): Uint8Array {
  const flags = new Uint8Array(map.bucketCount);
  for (const { from, to } of ranges) flags.fill(1, from, to + 1);
  return flags;
}

function rangesWhere(map: ShardMap, isWanted: (bucket: number) => boolean): readonly BucketRange[] {
  const ranges: BucketRange[] = [];
  let from = -1;
  for (let bucket = 0; bucket <= map.bucketCount; bucket++) {
    const wanted = bucket < map.bucketCount && isWanted(bucket);
    if (wanted && from < 0) from = bucket;
    if (wanted || from < 0) continue;
    ranges.push({ from, to: bucket - 1 });
    from = -1;
  }
  return ranges;
}
