/** How a key finds its bucket. `buckets` hashes into many buckets that a table deals to shards; the others have one bucket per shard. */
export const partitionerNames = ['buckets', 'crc32', 'sumbur', 'guava', 'jump', 'tarantoolGuava'] as const;
export type PartitionerName = (typeof partitionerNames)[number];

/** A partitioner by name and size: equal values give equal buckets everywhere. */
export interface Partition {
  readonly partitioner: PartitionerName;
  /** 1 to 65,536; for all but `buckets` the number of shards. */
  readonly bucketCount: number;
}

/** Consecutive buckets, both ends included; 0 to `bucketCount - 1`. */
export interface BucketRange {
  readonly from: number;
  readonly to: number;
}

/** Consecutive buckets of one epoch. An epoch rises by one with each change of owner; 0 for buckets nobody has owned yet. */
export interface EpochRange extends BucketRange {
  readonly epoch: number;
}

/** One shard: a Raft group somewhere, by the name and the number that all versions of the file give it. */
export interface Shard {
  /** 1 to 64 characters of `A-Z a-z 0-9 . _ -`; unique in the file. */
  readonly name: string;
  /** 1 to 65,535; unique in the file, never given to another shard. What frames and request streams carry. */
  readonly number: number;
  readonly namespace: string;
  /** The configured name of its cluster, which its nodes prove in the handshake. */
  readonly cluster: string;
  /** The Raft group on those nodes, `main` unless said otherwise. */
  readonly group: string;
  /** Address of each node by id. */
  readonly nodes: ReadonlyMap<string, string>;
}

/** What names a map in a group's log: two files of one version differ in their digest. */
export interface MapName extends Partition {
  readonly namespace: string;
  /** 1 to 2^32-1; rises with each change. */
  readonly version: number;
  /** CRC-32 of the map's canonical text. */
  readonly digest: number;
}
