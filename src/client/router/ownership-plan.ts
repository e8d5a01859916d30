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

export interface Plan {
  readonly gains: readonly Gain[];
  /** Why some buckets stay where they are although the map gives them away. */
  readonly stays: readonly string[];
}

/**
 * What has to change hands until the groups own what the map says. Once a group knows the map, the change has begun and is carried
 * through: what is in use stays, and everything else must come to its owner.
 *
 * @throws LowerVersionError or ConflictingMapError when a group knows a newer or another map, or a shard that the map lacks has buckets,
 * so that nobody could ask it to give them up; BucketInUseError when a bucket that would have to go holds something and nothing
 * has begun. Nothing may be claimed then.
 */
export function planGains(map: ShardMap, reports: readonly Report[]): Plan {
  for (const report of reports) checkMap(map, report);
  checkGone(map, reports);
  const inUse = reports.flatMap((report) => inUseOf(map, report));
  const [first] = inUse;
  if (first !== undefined && !reports.some(({ body }) => body.map?.version === map.version))
    throw new BucketInUseError(first.why);
  const kept = new Set(inUse.map(({ bucket }) => bucket));
  const gains = reports.map(({ shard, body }) => {
    const owned = flagsOf(map, body.owned);
    const isGained = (bucket: number): boolean =>
      map.ownerOf(bucket).number === shard.number && owned[bucket] === 0 && !kept.has(bucket);
    return { shard, ranges: rangesWhere(map, isGained) };
  });
  return { gains: gains.filter(({ ranges }) => ranges.length > 0), stays: inUse.map(({ why }) => why) };
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
}

/** A bucket that was promised to a shard which this map lacks, and that nobody here owns, is served there. */
function checkGone(map: ShardMap, reports: readonly Report[]): void {
  const names = new Set(map.shards.map(({ name }) => name));
  const elsewhere = reports.flatMap(({ shard, body }) =>
    body.ceded.filter(({ owner }) => !names.has(owner)).map((range) => ({ ...range, by: shard.name })),
  );
  const owned = reports.flatMap(({ body }) => body.owned);
  const gone = elsewhere.find((range) => without(map, [range], owned).length > 0);
  if (gone !== undefined)
    throw new ConflictingMapError(
      `shard ${gone.by} gave buckets to shard ${gone.owner}, which this map does not have: it serves them still`,
    );
}

/** Buckets that hold something and belong to another shard by this map. */
function inUseOf(
  map: ShardMap,
  { shard, body }: Report,
): readonly { readonly bucket: number; readonly why: string }[] {
  const occupied = flagsOf(map, body.occupied);
  const found: { bucket: number; why: string }[] = [];
  for (const [bucket, isOccupied] of occupied.entries()) {
    const { name } = map.ownerOf(bucket);
    if (isOccupied === 0 || name === shard.name) continue;
    const why = `bucket ${bucket} of ${map.namespace} cannot go from ${shard.name} to ${name}`;
    found.push({ bucket, why: `${why}: it holds a task, a lease or a remembered answer` });
  }
  return found;
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
