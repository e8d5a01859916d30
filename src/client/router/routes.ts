import type { ShardMap } from '../../sharding/shard-map.ts';
import type { BucketHolds } from './bucket-holds.ts';
import type { Lane } from './lane.ts';

/** What a shard's log told about one bucket, newer than the map or against it. */
interface Learned {
  readonly lane: Lane;
  readonly version: number;
}

/** Where the buckets of one namespace are: as the map says, and as the shards have told since. */
export class NamespaceRoutes {
  readonly holds: BucketHolds;
  #map: ShardMap;
  #byBucket: readonly Lane[];
  readonly #learned = new Map<number, Learned>();

  constructor(
    map: ShardMap,
    laneOf: (number: number) => Lane,
    holdsOf: (routes: NamespaceRoutes) => BucketHolds,
  ) {
    this.#map = map;
    this.#byBucket = tableOf(map, laneOf);
    this.holds = holdsOf(this);
  }

  get map(): ShardMap {
    return this.#map;
  }

  get version(): number {
    return this.#map.version;
  }

  /** Where requests of the bucket go; undefined for a bucket that the map does not have. */
  laneOf(bucket: number): Lane | undefined {
    if (this.#learned.size > 0) {
      const learned = this.#learned.get(bucket);
      if (learned !== undefined) return learned.lane;
    }
    return this.#byBucket[bucket];
  }

  /** What the map alone says. */
  ownerOf(bucket: number): Lane {
    return this.#byBucket[bucket]!;
  }

  /** A shard was named as the owner of the bucket under this version, and confirmed it. */
  learn(bucket: number, lane: Lane, version: number): void {
    if (lane === this.#byBucket[bucket] && version <= this.#map.version) this.#learned.delete(bucket);
    else this.#learned.set(bucket, { lane, version });
  }

  /**
   * Takes another map; what was learned under its version or an earlier one is forgotten.
   *
   * @param movesAreDone - false: nobody knows whether the groups follow yet, so the old owners are asked until they say otherwise.
   */
  replace(map: ShardMap, laneOf: (number: number) => Lane, movesAreDone: boolean): void {
    const before = this.#byBucket.map((_, bucket) => this.laneOf(bucket));
    for (const [bucket, { version }] of this.#learned)
      if (version <= map.version) this.#learned.delete(bucket);
    this.#map = map;
    this.#byBucket = tableOf(map, laneOf);
    if (movesAreDone) return;
    for (const [bucket, lane] of before.entries()) {
      if (lane === undefined || lane === this.#byBucket[bucket] || this.#learned.has(bucket)) continue;
      this.#learned.set(bucket, { lane, version: map.version });
    }
  }
}

function tableOf(map: ShardMap, laneOf: (number: number) => Lane): readonly Lane[] {
  const lanes = new Map(map.shards.map((shard) => [shard.number, laneOf(shard.number)]));
  const table: Lane[] = [];
  for (const { from, to, number } of map.owners) {
    const lane = lanes.get(number)!;
    for (let bucket = from; bucket <= to; bucket++) table.push(lane);
  }
  return table;
}
