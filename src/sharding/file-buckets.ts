import type { Problems } from './file-fields.ts';
import type { ParsedShard } from './file-shards.ts';
import type { OwnedRange } from './shard-map.ts';

export interface Dealing {
  /** Path of the shards. */
  readonly path: string;
  readonly shards: readonly ParsedShard[];
  readonly bucketCount: number;
  readonly hasTable: boolean;
  /** False if there is no shard, or one could not be read: then a gap says nothing. */
  readonly whole: boolean;
  readonly problems: Problems;
}

/** Gives every bucket its owner, and says which have none or two. */
export function dealBuckets(dealing: Dealing): readonly OwnedRange[] {
  if (!dealing.hasTable) return byOrder(dealing.shards);
  const places = new Int32Array(dealing.bucketCount).fill(-1);
  const clashes = claimBuckets(dealing, places);
  for (const { path, before, name, buckets } of clashes) {
    const whose = before === name ? 'are listed twice' : `belong to ${before} already; give them to one`;
    dealing.problems.add(`${path}.buckets`, `buckets ${spans(buckets)} ${whose}`);
  }
  const free = [...places.keys()].filter((bucket) => places[bucket] === -1);
  if (free.length > 0 && dealing.whole)
    dealing.problems.add(dealing.path, `buckets ${spans(free)} belong to no shard; give each to one`);
  return dealing.shards.flatMap(({ shard, ranges }) =>
    ranges.map((range) => ({ ...range, number: shard.number })),
  );
}

/** Buckets that one shard lists although another has them. */
interface Clash {
  readonly path: string;
  readonly before: string;
  readonly name: string;
  readonly buckets: number[];
}

/** Enough to tell; a file of nothing but overlapping ranges would take minutes to compare. */
const clashesMax = 100_000;

function claimBuckets(dealing: Dealing, places: Int32Array): readonly Clash[] {
  const clashes = new Map<string, Clash>();
  let count = 0;
  for (const [place, { shard, path, ranges }] of dealing.shards.entries()) {
    for (const { from, to } of ranges) {
      const last = dealing.bucketCount - 1;
      if (to > last)
        dealing.problems.add(`${path}.buckets`, `${span(from, to)} is beyond the last bucket, ${last}`);
      for (let bucket = from; bucket <= Math.min(to, last) && count < clashesMax; bucket++) {
        const before = dealing.shards[places[bucket]!]?.shard.name;
        if (before === undefined) places[bucket] = place;
        else {
          count++;
          const clash = clashes.get(`${before} ${place}`) ?? { path, before, name: shard.name, buckets: [] };
          clashes.set(`${before} ${place}`, clash);
          clash.buckets.push(bucket);
        }
      }
    }
  }
  return [...clashes.values()];
}

/** One bucket for each shard, in order of their numbers: the order of the keys in a file is too easily lost. */
function byOrder(shards: readonly ParsedShard[]): readonly OwnedRange[] {
  return shards
    .map(({ shard }) => shard.number)
    .sort((a, b) => a - b)
    .map((number, bucket) => ({ from: bucket, to: bucket, number }));
}

const spansMax = 5;

/** Buckets as few ranges, the first of them: `0-99, 200 and 3 more ranges`. */
function spans(unsorted: readonly number[]): string {
  const buckets = [...new Set(unsorted)].sort((a, b) => a - b);
  const found: string[] = [];
  let from = 0;
  for (let at = 1; at <= buckets.length; at++) {
    if (buckets[at] === buckets[at - 1]! + 1) continue;
    found.push(span(buckets[from]!, buckets[at - 1]!));
    from = at;
  }
  const more = found.length - spansMax;
  return `${found.slice(0, spansMax).join(', ')}${more > 0 ? ` and ${more} more ranges` : ''}`;
}

function span(from: number, to: number): string {
  return from === to ? `${from}` : `${from}-${to}`;
}
