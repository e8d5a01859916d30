import { InvalidArgumentError } from '../base/errors.ts';
import type { ShardDirectory } from './shard-directory.ts';
import { type OwnedRange, ShardMap } from './shard-map.ts';
import type { BucketRange, Shard } from './types.ts';

/** Buckets that go from one shard to another. */
export interface Move {
  readonly namespace: string;
  /** Name of the shard that loses them. */
  readonly from: string;
  /** Name of the shard that gains them. */
  readonly to: string;
  readonly ranges: readonly BucketRange[];
}

/** What changes hands between two versions: one move per pair of shards, none for a namespace that is new. */
export function planMoves(from: ShardDirectory, to: ShardDirectory): readonly Move[] {
  return [...to.namespaces.values()].flatMap((map) => {
    const before = from.namespaces.get(map.namespace);
    return before === undefined ? [] : movesBetween(before, map);
  });
}

function movesBetween(before: ShardMap, after: ShardMap): readonly Move[] {
  if (before.bucketCount !== after.bucketCount || before.partitioner !== after.partitioner)
    throw new InvalidArgumentError(
      `${after.namespace} has another partition: no bucket is the same, so none can move`,
    );
  const pairs = new Map<string, { from: string; to: string; buckets: number[] }>();
  for (let bucket = 0; bucket < after.bucketCount; bucket++) {
    const from = before.ownerOf(bucket).name;
    const to = after.ownerOf(bucket).name;
    if (from === to) continue;
    const pair = pairs.get(`${from} ${to}`) ?? { from, to, buckets: [] };
    pairs.set(`${from} ${to}`, pair);
    pair.buckets.push(bucket);
  }
  return [...pairs.values()].map(({ from, to, buckets }) => ({
    namespace: after.namespace,
    from,
    to,
    ranges: rangesOf(buckets),
  }));
}

/** Ascending buckets as few ranges. */
function rangesOf(buckets: readonly number[]): readonly BucketRange[] {
  const ranges: { from: number; to: number }[] = [];
  for (const bucket of buckets) {
    const last = ranges.at(-1);
    if (last?.to === bucket - 1) last.to = bucket;
    else ranges.push({ from: bucket, to: bucket });
  }
  return ranges;
}

export interface BalanceOptions {
  /** The shards that share the buckets afterwards, by number, of those in the map; those left out are drained. */
  readonly numbers: readonly number[];
  /** Buckets that must stay where they are. */
  readonly pinned?: ReadonlySet<number> | undefined;
}

/**
 * The map after this one with a shard more, which gets its even part from the others in equal shares; nothing moves between those.
 *
 * @throws InvalidArgumentError for a partitioner other than `buckets`: a function cannot be told who owns what.
 */
export function growMap(map: ShardMap, shard: Shard, pinned?: ReadonlySet<number>): ShardMap {
  const grown = new ShardMap({ ...map, version: map.version + 1, shards: [...map.shards, shard] });
  const numbers = grown.shards.map(({ number }) => number);
  return new ShardMap({ ...grown, owners: balance(grown, { numbers, pinned }) });
}

/**
 * Deals the buckets evenly (to one, apart from what is pinned) with as few moves as there can be.
 *
 * @throws InvalidArgumentError for a partitioner other than `buckets`, an unknown number, or none.
 */
export function balance(map: ShardMap, options: BalanceOptions): readonly OwnedRange[] {
  const { numbers, pinned = new Set() } = options;
  if (map.partitioner !== 'buckets')
    throw new InvalidArgumentError(
      `${map.partitioner} deals keys by a function; only buckets has owners to choose`,
    );
  const known = new Set(map.shards.map(({ number }) => number));
  const staying = [...new Set(numbers)].sort((a, b) => a - b);
  if (staying.length === 0) throw new InvalidArgumentError('at least one shard must stay');
  for (const number of staying)
    if (!known.has(number))
      throw new InvalidArgumentError(`no shard of ${map.namespace} has the number ${number}`);
  const owners = Array.from({ length: map.bucketCount }, (_, bucket) => map.ownerOf(bucket).number);
  const quotas = quotasOf(owners, staying, pinned);
  deal(owners, quotas, pinned);
  return owners.map((number, bucket) => ({ from: bucket, to: bucket, number }));
}

/** How many buckets each shard has afterwards: even, but never below what is pinned to it. */
function quotasOf(
  owners: readonly number[],
  staying: readonly number[],
  pinned: ReadonlySet<number>,
): Map<number, number> {
  const held = countsOf(owners);
  const fixed = countsOf(owners.filter((_, bucket) => pinned.has(bucket)));
  const quotas = new Map<number, number>();
  for (const number of held.keys()) if (!staying.includes(number)) quotas.set(number, fixed.get(number) ?? 0);
  let open = [...staying];
  for (;;) {
    const taken = [...quotas.values()].reduce((sum, quota) => sum + quota, 0);
    const share = (owners.length - taken) / open.length;
    const overfull = open.filter((number) => (fixed.get(number) ?? 0) > share);
    if (overfull.length === 0) return withShares(quotas, open, owners.length - taken, held);
    for (const number of overfull) quotas.set(number, fixed.get(number) ?? 0);
    open = open.filter((number) => !overfull.includes(number));
  }
}

/** Even shares of what is left; the odd ones go to those who have most, so that they need not give them away. */
function withShares(
  quotas: Map<number, number>,
  numbers: readonly number[],
  buckets: number,
  held: ReadonlyMap<number, number>,
): Map<number, number> {
  const share = Math.floor(buckets / numbers.length);
  const odd = buckets % numbers.length;
  const byHeld = [...numbers].sort((a, b) => (held.get(b) ?? 0) - (held.get(a) ?? 0));
  for (const [place, number] of byHeld.entries()) quotas.set(number, share + (place < odd ? 1 : 0));
  return quotas;
}

/** Whoever has more than its quota gives its last buckets that are free to go; they fill up the others in order. */
function deal(owners: number[], quotas: ReadonlyMap<number, number>, pinned: ReadonlySet<number>): void {
  const held = countsOf(owners);
  const surplus = new Map([...quotas].map(([number, quota]) => [number, (held.get(number) ?? 0) - quota]));
  const given: number[] = [];
  for (let bucket = owners.length - 1; bucket >= 0; bucket--) {
    const owner = owners[bucket]!;
    const extra = surplus.get(owner) ?? 0;
    if (extra <= 0 || pinned.has(bucket)) continue;
    surplus.set(owner, extra - 1);
    given.push(bucket);
  }
  for (const [number, extra] of [...surplus].sort(([a], [b]) => a - b))
    for (let missing = -extra; missing > 0; missing--) owners[given.pop()!] = number;
}

function countsOf(numbers: readonly number[]): Map<number, number> {
  const counts = new Map<number, number>();
  for (const number of numbers) counts.set(number, (counts.get(number) ?? 0) + 1);
  return counts;
}
