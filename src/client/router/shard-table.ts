import type { ShardDirectory } from '../../sharding/shard-directory.ts';
import type { ShardTable } from '../../wire/shard-frames.ts';

/** What a client is told of the map: enough to find a key's shard, and no address. */
export function shardTableOf(directory: ShardDirectory): ShardTable {
  return {
    version: directory.version,
    namespaces: [...directory.namespaces.values()].map((map) => ({
      ...map.name,
      shards: map.shards.map(({ name, number }) => ({ name, number })),
      owners: map.owners,
    })),
  };
}
