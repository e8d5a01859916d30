import { isName } from '../base/ids.ts';
import type { BucketRange, MapName } from '../sharding/types.ts';
import { queueLimits } from './limits.ts';
import type { Bucketing, PartitionerOf } from './occupancy.ts';
import type { Parts } from './parts.ts';
import { type Refusal, refuse } from './refusals.ts';
import type { Claim, QueueResult } from './types.ts';
import { invalidInteger } from './validate.ts';

type Of<Type extends Claim['type']> = Extract<Claim, { readonly type: Type }>;

const uint32Max = 0xffff_ffff;

/**
 * Changes what the group owns, wholly or not at all. Whoever gives a bucket to a shard first has every other shard of the
 * namespace disown it, then claims it there under an epoch above all that they have seen: so no two groups ever serve it at once.
 */
export function applyClaim(parts: Parts, partitionerOf: PartitionerOf, claim: Claim): QueueResult {
  const refused = invalidClaim(claim) ?? mapRefusal(parts, claim.map);
  if (refused !== undefined) return refused;
  const bucketing = partitionerOf(claim.map);
  if (bucketing === undefined) return refuse('INVALID_ARGUMENT', 'there is no such partition');
  return claim.type === 'own' ? own(parts, bucketing, claim) : disown(parts, bucketing, claim);
}

function own(parts: Parts, bucketing: Bucketing, { map, shard, ranges }: Of<'own'>): QueueResult {
  const { ownership } = parts;
  if (ownership.shard !== undefined && ownership.shard !== shard)
    return refuse('CONFLICTING_MAP', `this group is the shard ${ownership.shard}, not ${shard}`);
  const seen = firstBucket(ranges, (bucket, { epoch }) => {
    const inForce = ownership.isOwned(bucket) && ownership.epochSeen(bucket) === epoch;
    return !inForce && epoch <= ownership.epochSeen(bucket);
  });
  if (seen !== undefined) {
    const message = `bucket ${seen}: its epoch must be above ${ownership.epochSeen(seen)}, the highest seen here`;
    return refuse('CONDITION_FAILED', message);
  }
  count(parts, bucketing, map);
  const left = taskLeftOut(parts, map, ranges);
  if (left !== undefined) return left;
  ownership.adopt(map);
  ownership.own(shard, ranges, map.version);
  return { type: 'owned', version: map.version };
}

function disown(parts: Parts, bucketing: Bucketing, { map, to, ranges }: Of<'disown'>): QueueResult {
  const { ownership, occupancy } = parts;
  if (ownership.shard === to) return refuse('INVALID_ARGUMENT', `this group is the shard ${to} itself`);
  count(parts, bucketing, map);
  const inUse = firstBucket(ranges, (bucket) => occupancy.isOccupied(bucket));
  if (inUse !== undefined) return refuse('BUCKET_IN_USE', occupancy.described(inUse));
  ownership.adopt(map);
  ownership.cede(to, ranges);
  return { type: 'disowned', version: map.version, epochs: ownership.epochsOf(ranges) };
}

/** The tasks of a group that was never told of a map may be anywhere: its first claim must leave none outside. */
function taskLeftOut(parts: Parts, map: MapName, ranges: readonly BucketRange[]): Refusal | undefined {
  const { ownership, occupancy } = parts;
  const claimed = new Uint8Array(map.bucketCount);
  for (const { from, to } of ranges) claimed.fill(1, from, to + 1);
  for (let bucket = 0; bucket < map.bucketCount; bucket += 1) {
    if (claimed[bucket] === 1 || !occupancy.hasTask(bucket) || ownership.isOwned(bucket)) continue;
    return refuse('BUCKET_IN_USE', `${occupancy.described(bucket)}, and the claim leaves it out`);
  }
  return undefined;
}

/** From the first claim on, even a refused one: who tries again must not have everything counted again. */
function count({ occupancy, tasks, clients }: Parts, bucketing: Bucketing, map: MapName): void {
  if (!occupancy.isOf(map)) occupancy.start(map, bucketing, tasks.ids(), clients.keys());
}

function mapRefusal({ ownership, occupancy }: Parts, map: MapName): Refusal | undefined {
  const known = ownership.map;
  if (known === undefined) return undefined;
  if (map.version < known.version)
    return refuse('LOWER_VERSION', `version ${known.version} of the map is in force, not ${map.version}`);
  if (map.version === known.version && map.digest !== known.digest)
    return refuse('CONFLICTING_MAP', `another map of version ${map.version} is in force`);
  if (ownership.isOf(map) || (ownership.shard === undefined && occupancy.total === 0)) return undefined;
  const { namespace, partitioner, bucketCount } = known;
  return refuse(
    'CONFLICTING_MAP',
    `this group belongs to ${namespace}, ${bucketCount} ${partitioner} buckets`,
  );
}

/** @returns why the claim cannot be meant, whatever the state. */
function invalidClaim(claim: Claim): Refusal | undefined {
  const { namespace, version, digest, bucketCount } = claim.map;
  const shard = claim.type === 'own' ? claim.shard : claim.to;
  if (!isName(namespace) || !isName(shard))
    return refuse('INVALID_ARGUMENT', 'a namespace or shard has 1 to 64 characters of A-Z a-z 0-9 . _ -');
  return (
    invalidInteger(version, 'version', 1, uint32Max) ??
    invalidInteger(digest, 'digest', 0, uint32Max) ??
    invalidInteger(bucketCount, 'bucketCount', 1, queueLimits.bucketsMax) ??
    invalidRanges(claim.ranges, bucketCount) ??
    (claim.type === 'own' ? invalidEpochs(claim) : undefined)
  );
}

function invalidRanges(ranges: readonly BucketRange[], bucketCount: number): Refusal | undefined {
  let next = 0;
  for (const { from, to } of ranges) {
    if (!(Number.isInteger(from) && Number.isInteger(to) && from >= next && to >= from && to < bucketCount))
      return refuse('INVALID_ARGUMENT', `ranges must ascend, be disjoint and end before ${bucketCount}`);
    next = to + 1;
  }
  return undefined;
}

function invalidEpochs({ ranges }: Of<'own'>): Refusal | undefined {
  for (const { epoch } of ranges) {
    const refused = invalidInteger(epoch, 'epoch', 1, queueLimits.epochMax);
    if (refused !== undefined) return refused;
  }
  return undefined;
}

function firstBucket<Range extends BucketRange>(
  ranges: readonly Range[],
  isIt: (bucket: number, range: Range) => boolean,
): number | undefined {
  for (const range of ranges)
    for (let bucket = range.from; bucket <= range.to; bucket += 1) if (isIt(bucket, range)) return bucket;
  return undefined;
}
