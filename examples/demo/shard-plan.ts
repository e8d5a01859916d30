import { crc32 } from 'node:zlib';
import type { Cluster } from './deployment.ts';

/** The demo computes places itself: what is judged is not asked where things should be. */
export const bucketCount = 16_384;

/** How often the file changes in a run; each third time only its version does. */
export const reloadsWanted = 10;
const bucketsPerMove = 4;
/** So many buckets of each shard wander to and fro. */
const wanderersPerShard = 5;

export function bucketOf(key: string): number {
  return crc32(key) & (bucketCount - 1);
}

/** @returns the place of the cluster that holds a key which is in use: its bucket stays where the first file put it. */
export function homeOf(key: string, clusters: number): number {
  return Math.floor((bucketOf(key) * clusters) / bucketCount);
}

export function tokenId(index: number): string {
  return `token-${String(index + 1).padStart(5, '0')}`;
}

export function tokenIds(count: number): readonly string[] {
  return Array.from({ length: count }, (_, index) => tokenId(index));
}

/** @returns a key for each cluster, at home there: the front end writes it all the time. */
export function markIds(clusters: number): readonly string[] {
  return Array.from({ length: clusters }, (_, home) =>
    firstKey('mark', (key) => homeOf(key, clusters) === home),
  );
}

/** A shard file as it is written. */
export interface ShardFile {
  readonly version: number;
  readonly text: string;
  /** Buckets whose owner it changes. */
  readonly moved: number;
}

/** The files of one run. Only buckets in which no key ever was change hands, but for the bad file. */
export class ShardPlan {
  readonly #clusters: readonly Cluster[];
  readonly #used: ReadonlySet<number>;
  readonly #owners: number[];
  readonly #wanderers: readonly number[];
  #version = 1;
  #next = 0;
  #count = 0;

  /** @param keys - all that the run ever uses while the file changes. */
  constructor(clusters: readonly Cluster[], keys: readonly string[]) {
    this.#clusters = clusters;
    this.#used = new Set(keys.map(bucketOf));
    this.#owners = Array.from({ length: bucketCount }, (_, bucket) =>
      Math.floor((bucket * clusters.length) / bucketCount),
    );
    this.#wanderers = this.#chooseWanderers();
  }

  first(): ShardFile {
    return { version: this.#version, text: this.#text(this.#owners), moved: 0 };
  }

  next(): ShardFile {
    this.#version++;
    this.#count++;
    const moved = this.#count % 3 === 0 ? 0 : bucketsPerMove;
    for (let move = 0; move < moved; move++) {
      const bucket = this.#wanderers[this.#next++ % this.#wanderers.length] ?? 0;
      this.#owners[bucket] = this.#other(this.#owners[bucket] ?? 0);
    }
    return { version: this.#version, text: this.#text(this.#owners), moved };
  }

  /** It gives away the buckets of keys: the groups must refuse that, and nothing may change. */
  bad(keys: readonly string[]): ShardFile {
    this.#version++;
    const owners = [...this.#owners];
    for (const bucket of keys.map(bucketOf)) owners[bucket] = this.#other(owners[bucket] ?? 0);
    return { version: this.#version, text: this.#text(owners), moved: keys.length };
  }

  /** @returns a new key for each bucket that has wandered, with the place of the cluster that must hold it by the last file. */
  probes(): Readonly<Record<string, number>> {
    return Object.fromEntries(
      this.#wanderers.map((bucket) => [
        firstKey('probe', (key) => bucketOf(key) === bucket),
        this.#owners[bucket] ?? 0,
      ]),
    );
  }

  /** Alternately of each shard, so that each file moves buckets both ways. */
  #chooseWanderers(): readonly number[] {
    const empty = this.#clusters.map((_, owner) =>
      this.#owners.flatMap((of, bucket) => (of === owner && !this.#used.has(bucket) ? [bucket] : [])),
    );
    return Array.from({ length: wanderersPerShard }, (_, step) =>
      empty.map((buckets) => buckets[Math.floor((step * buckets.length) / wanderersPerShard)] ?? 0),
    ).flat();
  }

  #other(owner: number): number {
    return (owner + 1) % this.#clusters.length;
  }

  #text(owners: readonly number[]): string {
    const shards = this.#clusters.map(({ name, peers }, index) => [
      name,
      { number: index + 1, cluster: name, nodes: peers, buckets: rangesOf(owners, index) },
    ]);
    const namespaces = { default: { bucketCount, shards: Object.fromEntries(shards) } };
    return `${JSON.stringify({ version: this.#version, namespaces }, null, 2)}\n`;
  }
}

function rangesOf(owners: readonly number[], owner: number): readonly string[] {
  const ranges: string[] = [];
  for (let from = 0; from < owners.length; from++) {
    if (owners[from] !== owner) continue;
    let to = from;
    while (owners[to + 1] === owner) to++;
    ranges.push(`${from}-${to}`);
    from = to;
  }
  return ranges;
}

function firstKey(prefix: string, fits: (key: string) => boolean): string {
  for (let index = 0; ; index++) {
    const key = `${prefix}-${index}`;
    if (fits(key)) return key;
  }
}
