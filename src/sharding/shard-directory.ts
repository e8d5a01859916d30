import { ShardFileError, type ShardFileProblem } from '../base/errors.ts';
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
    const problems = changesRefused(this, next);
    if (problems.length > 0) throw new ShardFileError(problems);
    return new ShardDirectory(
      next.version,
      [...next.namespaces.values()].map((map) => map.after(this.namespaces.get(map.namespace))),
    );
  }
}

function changesRefused(old: ShardDirectory, next: ShardDirectory): readonly ShardFileProblem[] {
  const maps = [...old.namespaces.values()].flatMap((map) => namespaceRefused(map, next));
  const shards = old.shards.flatMap((shard) => shardRefused(shard, next));
  const added = old.namespaces.has(defaultNamespace) ? namespacesAdded(old, next) : [];
  if (next.version > old.version) return [...maps, ...added, ...shards];
  const message = `${next.version} does not follow ${old.version}, the version in force; raise it with each change`;
  return [{ path: 'version', message }, ...maps, ...added, ...shards];
}

function namespaceRefused(old: ShardMap, next: ShardDirectory): readonly ShardFileProblem[] {
  const path = `namespaces.${old.namespace}`;
  const map = next.namespaces.get(old.namespace);
  if (map === undefined) return [{ path, message: 'is gone; a namespace stays in the file for ever' }];
  if (map.partitioner !== old.partitioner) {
    const message = `was ${old.partitioner}, and cannot change: every key would have another bucket; make a new namespace`;
    return [{ path: `${path}.partitioner`, message }];
  }
  if (map.bucketCount === old.bucketCount) return [];
  if (map.partitioner === 'buckets') {
    const message = `was ${old.bucketCount}, and cannot change: keys would have other buckets; make a new namespace`;
    return [{ path: `${path}.bucketCount`, message }];
  }
  const message = `${map.partitioner} deals keys to ${old.bucketCount} shards, and cannot deal them to ${map.bucketCount}; make a new namespace with partitioner buckets`;
  return [{ path: `${path}.shards`, message }];
}

/** A queue without a namespace of its own has its keys in `default`: a namespace of its name would leave them behind unseen. */
function namespacesAdded(old: ShardDirectory, next: ShardDirectory): readonly ShardFileProblem[] {
  return [...next.namespaces.keys()]
    .filter((namespace) => !old.namespaces.has(namespace))
    .map((namespace) => ({
      path: `namespaces.${namespace}`,
      message: `is new, but there is a namespace ${defaultNamespace}, where the queue ${namespace} may have keys; put its shards there instead`,
    }));
}

function shardRefused(old: Shard, next: ShardDirectory): readonly ShardFileProblem[] {
  const path = `namespaces.${old.namespace}.shards.${old.name}`;
  const shard = next.shardNamed(old.name);
  if (shard === undefined) {
    const renamed = next.shardNumbered(old.number)?.name;
    const why =
      renamed === undefined ? '' : ` (number ${old.number} is ${renamed} now, and a shard cannot be renamed)`;
    return [{ path, message: `is gone${why}; keep it in the file, with no buckets if it is to have none` }];
  }
  return (['number', 'namespace', 'cluster', 'group'] as const)
    .filter((key) => shard[key] !== old[key])
    .map((key) => ({
      path: key === 'namespace' ? path : `${path}.${key}`,
      message: `${key} was ${old[key]}, is ${shard[key]} now; a shard keeps it for ever: put it back, or add a shard with another name and number`,
    }));
}
