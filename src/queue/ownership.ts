import type { BucketRange, EpochRange, MapName } from '../sharding/types.ts';
import type { Occupancy } from './occupancy.ts';
import type { OwnershipView, QueueResult } from './types.ts';

export type Redirected = Extract<QueueResult, { readonly type: 'redirected' }>;

const unrecorded = 0;
const owned = 1;
const ceded = 2;

/** With `epochMax` epochs above it a fence is a safe integer still. */
const fencesPerEpoch = 2 ** 40;

/**
 * Which buckets the group serves, as the claims in its log say. Requests are judged by this alone, never by a file. A group
 * without any claim serves every key of whoever knows no shards.
 */
export class Ownership {
  readonly #occupancy: Occupancy;
  #map: MapName | undefined;
  #shard: string | undefined;
  #state = new Uint8Array(0);
  /** The highest epoch seen of the bucket, whoever owns it now. */
  #epoch = new Uint32Array(0);
  /** Map version at which the bucket came here: requests of older maps may have run where it was before. */
  #since = new Uint32Array(0);
  #cededTo: (string | undefined)[] = [];

  constructor(occupancy: Occupancy) {
    this.#occupancy = occupancy;
  }

  /** The newest map of an accepted claim. */
  get map(): MapName | undefined {
    return this.#map;
  }

  /** The shard that this group is, once it owned something or was told that it may. */
  get shard(): string | undefined {
    return this.#shard;
  }

  /** @returns where a request for this key belongs; undefined if it is served here. */
  judge(key: string, mapVersion: number): Redirected | undefined {
    if (this.#map === undefined) return mapVersion === 0 ? undefined : redirected('frozen', undefined, 0);
    const { version } = this.#map;
    const bucket = this.#occupancy.bucketOf(key);
    const state = this.#state[bucket];
    if (state === ceded) return redirected('wrongShard', this.#cededTo[bucket], version);
    if (state === owned) {
      // Told is the bucket's own version: no later owner takes it for fresh, while this group's newest may be a later owner's first.
      const since = this.#since[bucket]!;
      return mapVersion >= since ? undefined : redirected('wrongShard', this.#shard, since);
    }
    return redirected(mapVersion > version ? 'frozen' : 'wrongShard', undefined, version);
  }

  /** Makes a fence of a task rise with each owner of its bucket, too: whatever it guards lives longer than a group's counter. */
  fence(id: string, counter: number): number {
    if (this.#map === undefined) return counter;
    const epoch = this.#epoch[this.#occupancy.bucketOf(id)]!;
    return epoch > 1 ? (epoch - 1) * fencesPerEpoch + counter : counter;
  }

  isOwned(bucket: number): boolean {
    return this.#state[bucket] === owned;
  }

  epochSeen(bucket: number): number {
    return this.#epoch[bucket] ?? 0;
  }

  /** True if the claims so far were about this namespace and partition. */
  isOf({ namespace, partitioner, bucketCount }: MapName): boolean {
    const known = this.#map;
    return (
      known?.namespace === namespace && known.partitioner === partitioner && known.bucketCount === bucketCount
    );
  }

  /** What every accepted claim begins with. Another namespace or partition starts from nothing. */
  adopt(map: MapName): void {
    const { namespace, version, digest, partitioner, bucketCount } = map;
    if (!this.isOf(map)) {
      this.#state = new Uint8Array(bucketCount);
      this.#epoch = new Uint32Array(bucketCount);
      this.#since = new Uint32Array(bucketCount);
      this.#cededTo = new Array<string | undefined>(bucketCount).fill(undefined);
    }
    this.#map = { namespace, version, digest, partitioner, bucketCount };
  }

  /** A bucket that nobody owned before has no copies of requests elsewhere; any other is served to newer maps only. */
  own(shard: string, ranges: readonly EpochRange[], version: number): void {
    this.#shard = shard;
    for (const { from, to, epoch } of ranges) {
      for (let bucket = from; bucket <= to; bucket += 1) {
        if (this.#state[bucket] === owned && this.#epoch[bucket] === epoch) continue;
        this.#state[bucket] = owned;
        this.#epoch[bucket] = epoch;
        this.#since[bucket] = epoch === 1 ? 0 : version;
        this.#cededTo[bucket] = undefined;
      }
    }
  }

  cede(owner: string, ranges: readonly BucketRange[]): void {
    for (const { from, to } of ranges) {
      this.#state.fill(ceded, from, to + 1);
      this.#since.fill(0, from, to + 1);
      this.#cededTo.fill(owner, from, to + 1);
    }
  }

  /** The highest epochs seen of these buckets. */
  epochsOf(ranges: readonly BucketRange[]): readonly EpochRange[] {
    return ranges.flatMap(({ from, to }) =>
      runs(from, to, (one, other) => this.#epoch[one] === this.#epoch[other]).map((range) => ({
        ...range,
        epoch: this.#epoch[range.from]!,
      })),
    );
  }

  view(): OwnershipView {
    const ranges = this.#ranges(() => 0);
    const epochOf = ({ from }: BucketRange): number => this.#epoch[from]!;
    return {
      map: this.#map,
      shard: this.#shard,
      owned: ranges
        .filter(({ from }) => this.#state[from] === owned)
        .map((range) => ({ ...range, epoch: epochOf(range) })),
      ceded: ranges
        .filter(({ from }) => this.#state[from] === ceded)
        .map((range) => ({ ...range, epoch: epochOf(range), owner: this.#cededTo[range.from] ?? '' })),
      occupied: this.#map === undefined ? [] : this.#occupied(),
    };
  }

  /** Everything replicated, as plain data. */
  facts(): readonly unknown[] {
    const rows = this.#ranges((bucket) => this.#since[bucket]!).map(({ from, to }) => {
      const row = [from, to, this.#state[from], this.#epoch[from], this.#since[from]];
      return [...row, this.#cededTo[from]];
    });
    return [this.#map, this.#shard, rows];
  }

  #ranges(also: (bucket: number) => number): readonly BucketRange[] {
    const isSame = (one: number, other: number): boolean =>
      this.#state[one] === this.#state[other] &&
      this.#epoch[one] === this.#epoch[other] &&
      also(one) === also(other) &&
      this.#cededTo[one] === this.#cededTo[other];
    return runs(0, this.#state.length - 1, isSame).filter(({ from }) => this.#state[from] !== unrecorded);
  }

  #occupied(): readonly BucketRange[] {
    const isOccupied = (bucket: number): boolean => this.#occupancy.isOccupied(bucket);
    const isSame = (one: number, other: number): boolean => isOccupied(one) === isOccupied(other);
    return runs(0, this.#state.length - 1, isSame).filter(({ from }) => isOccupied(from));
  }
}

function redirected(why: Redirected['why'], owner: string | undefined, version: number): Redirected {
  return { type: 'redirected', why, owner, version };
}

/** Cuts the buckets from `first` to `last` where neighbours differ. */
function runs(
  first: number,
  last: number,
  isSame: (one: number, other: number) => boolean,
): readonly BucketRange[] {
  const found: BucketRange[] = [];
  let from = first;
  for (let bucket = first; bucket <= last; bucket += 1) {
    if (bucket < last && isSame(bucket, bucket + 1)) continue;
    found.push({ from, to: bucket });
    from = bucket + 1;
  }
  return found;
}
