import { InvalidArgumentError, isRaftsmanError, ProtocolError } from '../base/errors.ts';
import { createPartitioner, type Partitioner } from '../sharding/partitioner.ts';
import { defaultNamespace } from '../sharding/shard-directory.ts';
import { noBucket } from '../wire/client-header.ts';
import type { NamespaceTable, ShardTable } from '../wire/shard-frames.ts';

/** Where a request goes; fixed when it gets its id, for the cluster remembers its answer there. */
export interface Place {
  /** The number of the shard; 0 without shards. */
  readonly shard: number;
  readonly bucket: number;
  /** By which version of the map it is sent: one that the log of the bucket's group is known to hold. */
  readonly mapVersion: number;
}

/** A shard as a client knows it. */
export interface ShardRef {
  readonly name: string;
  readonly number: number;
}

/** Where the calls on one queue go. */
export interface QueueRoutes {
  /** Undefined without shards. */
  readonly namespace: string | undefined;
  readonly mapVersion: number;
  readonly shards: readonly ShardRef[];
  /** @throws InvalidArgumentError or TooLargeError for what is no key. */
  ofKey(key: string): Place;
  /** A call on a whole shard. */
  ofShard(number: number): Place;
  /**
   * A shard has told who owns a bucket as of a version of the map.
   *
   * @returns true if it spoke of itself: then its log holds that version, and requests may be sent by it.
   */
  told(bucket: number, by: number, owner: string | undefined, version: number): boolean;
  /** By which version a request for the bucket is sent now. */
  versionOf(bucket: number): number;
}

/** What a client knows of shards. Immutable; a change of the map makes another. */
export interface Routes {
  /** 0 without shards. */
  readonly version: number;
  readonly isSharded: boolean;
  /** Some namespace holds the queue. */
  has(queue: string): boolean;
  /** @throws InvalidArgumentError if no namespace holds the queue. */
  ofQueue(queue: string): QueueRoutes;
}

/** The one group of a cluster without shards. */
export const wholeCluster = 0;
const everywhere: Place = { shard: wholeCluster, bucket: 0, mapVersion: 0 };
const unshardedQueue: QueueRoutes = {
  namespace: undefined,
  mapVersion: 0,
  shards: [{ name: 'main', number: wholeCluster }],
  ofKey: () => everywhere,
  ofShard: () => everywhere,
  told: () => false,
  versionOf: () => 0,
};

/** A client that talks to a node: one group serves every key. */
export const unsharded: Routes = {
  version: 0,
  isSharded: false,
  has: () => true,
  ofQueue: () => unshardedQueue,
};

/**
 * The map versions by which owners have told that they own a bucket. A table is only what somebody loaded: a copy of a request
 * that is sent by a version which no log holds yet could run after its twin, once one does. Every owner of a bucket that never
 * moved takes the first version; another says once which it wants.
 */
export class ToldVersions {
  readonly #byNamespace = new Map<string, Map<number, number>>();

  of(namespace: string): Map<number, number> {
    const known = this.#byNamespace.get(namespace) ?? new Map<number, number>();
    this.#byNamespace.set(namespace, known);
    return known;
  }
}

/** By which every owner takes requests for a bucket that never moved. */
export const firstVersion = 1;

/** The routes of a pushed table. */
export class ShardRoutes implements Routes {
  readonly version: number;
  readonly isSharded = true;
  readonly #namespaces: ReadonlyMap<string, NamespaceRoutes>;

  /** @throws ProtocolError unless every bucket of every namespace has one of its shards. */
  constructor(table: ShardTable, told: ToldVersions) {
    this.version = table.version;
    this.#namespaces = new Map(
      table.namespaces.map((each) => [each.namespace, new NamespaceRoutes(each, told.of(each.namespace))]),
    );
  }

  has(queue: string): boolean {
    return this.#find(queue) !== undefined;
  }

  ofQueue(queue: string): QueueRoutes {
    const found = this.#find(queue);
    if (found !== undefined) return found;
    const names = [...this.#namespaces.keys()].join(', ');
    throw new InvalidArgumentError(`no namespace holds the queue ${queue}; there is ${names || 'none'}`);
  }

  #find(queue: string): NamespaceRoutes | undefined {
    return this.#namespaces.get(queue) ?? this.#namespaces.get(defaultNamespace);
  }
}

/** One namespace: a table from bucket to shard. */
class NamespaceRoutes implements QueueRoutes {
  readonly namespace: string;
  readonly mapVersion: number;
  readonly shards: readonly ShardRef[];
  readonly #partitioner: Partitioner;
  readonly #owners: Uint16Array;
  readonly #told: Map<number, number>;

  constructor(table: NamespaceTable, told: Map<number, number>) {
    this.#told = told;
    this.namespace = table.namespace;
    this.mapVersion = table.version;
    this.shards = table.shards;
    this.#partitioner = partitionerOf(table);
    this.#owners = ownersOf(table);
  }

  ofKey(key: string): Place {
    const bucket = this.#partitioner.bucketOf(key);
    return { shard: this.#owners[bucket]!, bucket, mapVersion: this.versionOf(bucket) };
  }

  told(bucket: number, by: number, owner: string | undefined, version: number): boolean {
    if (owner === undefined || this.shards.find(({ number }) => number === by)?.name !== owner) return false;
    if (version > this.versionOf(bucket)) this.#told.set(bucket, version);
    return true;
  }

  versionOf(bucket: number): number {
    return this.#told.get(bucket) ?? firstVersion;
  }

  ofShard(number: number): Place {
    return { shard: number, bucket: noBucket, mapVersion: this.mapVersion };
  }
}

function partitionerOf(table: NamespaceTable): Partitioner {
  try {
    return createPartitioner(table);
  } catch (error) {
    if (!isRaftsmanError(error)) throw error;
    throw new ProtocolError(`shards: ${error.message}`);
  }
}

function ownersOf({ namespace, bucketCount, shards, owners }: NamespaceTable): Uint16Array {
  const numbers = new Set(shards.map(({ number }) => number));
  const table = new Uint16Array(bucketCount);
  let next = 0;
  for (const { from, to, number } of owners) {
    if (from !== next || to >= bucketCount || !numbers.has(number))
      throw new ProtocolError(`shards: the owners of ${namespace} are not every bucket once`);
    table.fill(number, from, to + 1);
    next = to + 1;
  }
  if (next !== bucketCount) throw new ProtocolError(`shards: ${namespace} has buckets without an owner`);
  return table;
}
