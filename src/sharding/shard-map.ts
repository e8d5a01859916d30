import { InvalidArgumentError } from '../base/errors.ts';
import { crc32 } from './crc32.ts';
import { createPartitioner, type Partitioner } from './partitioner.ts';
import type { BucketRange, EpochRange, MapName, Partition, PartitionerName, Shard } from './types.ts';

/** Consecutive buckets of one shard. */
export interface OwnedRange extends BucketRange {
  /** The number of the shard that owns them. */
  readonly number: number;
}

/** Everything a map is made from. The ranges name every bucket once; the epochs say 1 where they say nothing. */
export interface ShardMapParts extends Partition {
  readonly namespace: string;
  readonly version: number;
  readonly shards: readonly Shard[];
  readonly owners: readonly OwnedRange[];
  readonly epochs?: readonly EpochRange[] | undefined;
}

/** One namespace of the shard file: which bucket a key has, and which shard owns it. Immutable. */
export class ShardMap implements Partition {
  readonly namespace: string;
  /** That of the whole file: 1 to 2^32-1. */
  readonly version: number;
  /** CRC-32 of the canonical text: partition, names and numbers of the shards, owner of each bucket. No address. */
  readonly digest: number;
  readonly partitioner: PartitionerName;
  readonly bucketCount: number;
  /** In order of their numbers. */
  readonly shards: readonly Shard[];
  /** What names this map in a group's log. */
  readonly name: MapName;
  /** Every bucket once, ascending, as few ranges as there can be. */
  readonly owners: readonly OwnedRange[];
  readonly #partitioner: Partitioner;
  readonly #places: Uint16Array;
  readonly #epochs: Uint32Array;
  readonly #rangesByName: ReadonlyMap<string, readonly BucketRange[]>;

  /** @throws InvalidArgumentError unless the ranges give every bucket to exactly one of the shards. */
  constructor(parts: ShardMapParts) {
    const { namespace, version, partitioner, bucketCount } = parts;
    this.namespace = namespace;
    this.version = version;
    this.partitioner = partitioner;
    this.bucketCount = bucketCount;
    this.shards = [...parts.shards].sort((a, b) => a.number - b.number);
    this.#partitioner = createPartitioner({ partitioner, bucketCount });
    this.#places = placesOf(parts, this.shards);
    this.#epochs = epochsOf(parts);
    this.owners = this.#ranges();
    this.#rangesByName = rangesByName(this.shards, this.owners);
    this.digest = crc32(new TextEncoder().encode(canonicalText(this)));
    this.name = { namespace, version, digest: this.digest, partitioner, bucketCount };
  }

  /** @throws InvalidArgumentError or TooLargeError for what is no key; see `Partitioner`. */
  bucketOf(key: string | Uint8Array): number {
    return this.#partitioner.bucketOf(key);
  }

  /** @throws InvalidArgumentError or TooLargeError for what is no key; see `Partitioner`. */
  shardOf(key: string | Uint8Array): Shard {
    return this.shards[this.#places[this.#partitioner.bucketOf(key)]!]!;
  }

  /** @throws InvalidArgumentError for a bucket that this map does not have. */
  ownerOf(bucket: number): Shard {
    return this.shards[this.#places[this.#checked(bucket)]!]!;
  }

  /** 1 for a bucket that never changed hands since this process first read the file; the groups' logs have the last word. */
  epochOf(bucket: number): number {
    return this.#epochs[this.#checked(bucket)]!;
  }

  /** The buckets of one shard, ascending; none for a shard of another namespace. */
  rangesOf(shardName: string): readonly BucketRange[] {
    return this.#rangesByName.get(shardName) ?? [];
  }

  /** This map with the epochs that it has as the one after `before`: raised by one where the owner changed. */
  after(before: ShardMap | undefined): ShardMap {
    if (before === undefined) return this;
    const epochs = Array.from({ length: this.bucketCount }, (_, bucket) => {
      const moved = before.ownerOf(bucket).number !== this.ownerOf(bucket).number;
      return { from: bucket, to: bucket, epoch: before.epochOf(bucket) + (moved ? 1 : 0) };
    });
    return new ShardMap({ ...this, epochs });
  }

  #checked(bucket: number): number {
    if (Number.isInteger(bucket) && bucket >= 0 && bucket < this.bucketCount) return bucket;
    throw new InvalidArgumentError(
      `a bucket of ${this.namespace} is 0 to ${this.bucketCount - 1}, got ${bucket}`,
    );
  }

  #ranges(): readonly OwnedRange[] {
    const ranges: OwnedRange[] = [];
    let from = 0;
    for (let bucket = 1; bucket <= this.bucketCount; bucket++) {
      if (this.#places[bucket] === this.#places[from]) continue;
      ranges.push({ from, to: bucket - 1, number: this.shards[this.#places[from]!]!.number });
      from = bucket;
    }
    return ranges;
  }
}

/** What clients and groups must agree on, as text: equal maps have equal texts. */
export function canonicalText(map: ShardMap): string {
  const { namespace, partitioner, bucketCount, shards, owners } = map;
  const names = shards.map(({ name, number }) => `${number}=${name}`);
  const ranges = owners.map(({ from, to, number }) => `${from}-${to}:${number}`);
  return `${namespace} ${partitioner} ${bucketCount}\n${names.join(' ')}\n${ranges.join(' ')}\n`;
}

const nobody = 0xffff;

function placesOf(parts: ShardMapParts, shards: readonly Shard[]): Uint16Array {
  const places = new Uint16Array(parts.bucketCount).fill(nobody);
  const placeOf = new Map(shards.map((shard, place) => [shard.number, place]));
  if (placeOf.size !== shards.length || shards.length >= nobody)
    throw new InvalidArgumentError('two shards have one number, or there are too many');
  for (const { from, to, number } of parts.owners) {
    const place = shards.findIndex((shard) => shard.number === number);
    if (place < 0)
      throw new InvalidArgumentError(`buckets ${from}-${to} belong to shard ${number}, which is unknown`);
    if (!(from >= 0 && from <= to && to < parts.bucketCount) || places.subarray(from, to + 1).some(isTaken))
      throw new InvalidArgumentError(`buckets ${from}-${to} are out of range or have two owners`);
    places.fill(place, from, to + 1);
  }
  const gap = places.indexOf(nobody);
  if (gap >= 0) throw new InvalidArgumentError(`bucket ${gap} has no owner`);
  return places;
}

function rangesByName(
  shards: readonly Shard[],
  owners: readonly OwnedRange[],
): ReadonlyMap<string, readonly BucketRange[]> {
  const lists = new Map(shards.map(({ number }): readonly [number, BucketRange[]] => [number, []]));
  for (const { from, to, number } of owners) lists.get(number)?.push({ from, to });
  return new Map(shards.map(({ name, number }) => [name, lists.get(number) ?? []]));
}

function isTaken(place: number): boolean {
  return place !== nobody;
}

function epochsOf(parts: ShardMapParts): Uint32Array {
  const epochs = new Uint32Array(parts.bucketCount).fill(1);
  for (const { from, to, epoch } of parts.epochs ?? []) epochs.fill(epoch, from, to + 1);
  return epochs;
}
