import type { Partition } from '../sharding/types.ts';

/** Finds the bucket of a key; total over everything that may be the id of a task. */
export interface Bucketing {
  bucketOf(key: string): number;
}

/** @returns undefined for a partition that there cannot be. */
export type PartitionerOf = (partition: Partition) => Bucketing | undefined;

/**
 * How many tasks and remembered answers each bucket holds: a bucket with either cannot change its owner. Kept from the first
 * claim on, counted once then; a group that was never told of a map pays one branch.
 */
export class Occupancy {
  #partition: Partition | undefined;
  #bucketing: Bucketing | undefined;
  #tasks = new Uint32Array(0);
  #answers = new Uint32Array(0);
  #total = 0;

  get isCounting(): boolean {
    return this.#bucketing !== undefined;
  }

  /** Tasks and remembered answers of all buckets. */
  get total(): number {
    return this.#total;
  }

  isOf({ partitioner, bucketCount }: Partition): boolean {
    return this.#partition?.partitioner === partitioner && this.#partition.bucketCount === bucketCount;
  }

  /** Counts anew by this partition. */
  start(partition: Partition, bucketing: Bucketing, ids: Iterable<string>, keys: Iterable<string>): void {
    const { partitioner, bucketCount } = partition;
    this.#partition = { partitioner, bucketCount };
    this.#bucketing = bucketing;
    this.#tasks = new Uint32Array(bucketCount);
    this.#answers = new Uint32Array(bucketCount);
    this.#total = 0;
    for (const id of ids) this.taskAdded(id);
    for (const key of keys) this.answerAdded(key);
  }

  bucketOf(key: string): number {
    return this.#bucketing?.bucketOf(key) ?? 0;
  }

  taskAdded(id: string): void {
    if (this.#bucketing !== undefined) this.#add(this.#tasks, this.#bucketing, id, 1);
  }

  taskRemoved(id: string): void {
    if (this.#bucketing !== undefined) this.#add(this.#tasks, this.#bucketing, id, -1);
  }

  /** A request without a key belongs to no bucket. */
  answerAdded(key: string | undefined): void {
    if (this.#bucketing !== undefined && key !== undefined) this.#add(this.#answers, this.#bucketing, key, 1);
  }

  answerRemoved(key: string | undefined): void {
    if (this.#bucketing !== undefined && key !== undefined)
      this.#add(this.#answers, this.#bucketing, key, -1);
  }

  hasTask(bucket: number): boolean {
    return this.#tasks[bucket]! > 0;
  }

  isOccupied(bucket: number): boolean {
    return this.#tasks[bucket]! > 0 || this.#answers[bucket]! > 0;
  }

  /** What keeps the bucket here, in words. */
  described(bucket: number): string {
    return `bucket ${bucket} holds ${this.#tasks[bucket]} tasks and ${this.#answers[bucket]} remembered answers`;
  }

  #add(counts: Uint32Array, bucketing: Bucketing, key: string, by: 1 | -1): void {
    counts[bucketing.bucketOf(key)]! += by;
    this.#total += by;
  }
}
