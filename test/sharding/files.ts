import type { ShardDirectory } from '../../src/sharding/shard-directory.ts';
import { parseShardFile } from '../../src/sharding/shard-file.ts';

/** One shard of a file under test; what is left out is made up from its number. */
export interface ShardForm {
  readonly [key: string]: unknown;
}

export function shardForm(number: number, more: ShardForm = {}): ShardForm {
  const port = 7_000 + (number % 1_000) * 10;
  const nodes = { a: `ws://127.0.0.1:${port}`, b: `ws://127.0.0.1:${port + 1}` };
  return { number, cluster: `cluster-${number}`, nodes, ...more };
}

/** A file of one namespace, `tokens`, with 100 buckets unless it says otherwise. */
export function fileForm(
  shards: Readonly<Record<string, ShardForm>>,
  { version = 1, ...namespace }: { readonly version?: number; readonly [key: string]: unknown } = {},
): object {
  return { version, namespaces: { tokens: { bucketCount: 100, ...namespace, shards } } };
}

export function directoryOf(form: object): ShardDirectory {
  return parseShardFile(JSON.stringify(form));
}

/** Two shards, half of 100 buckets each. */
export const twoShards: { readonly one: ShardForm; readonly two: ShardForm } = {
  one: shardForm(1, { buckets: ['0-49'] }),
  two: shardForm(2, { buckets: ['50-99'] }),
};
