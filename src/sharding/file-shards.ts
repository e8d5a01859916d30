import { Fields, isArray, isObject, type Problems, pathOf, shown } from './file-fields.ts';
import type { JsonValue } from './json-text.ts';
import { bucketCountMax } from './partitioner.ts';
import type { BucketRange, PartitionerName, Shard } from './types.ts';

/** A shard as the file says it, with what the later checks need. */
export interface ParsedShard {
  readonly path: string;
  readonly shard: Shard;
  readonly ranges: readonly BucketRange[];
}

export interface ShardReading {
  readonly path: string;
  readonly name: string;
  readonly namespace: string;
  readonly value: JsonValue;
  readonly partitioner: PartitionerName | undefined;
  readonly problems: Problems;
  readonly isAddress: (address: string) => boolean;
}

/** What to do about a table where there cannot be one. */
export const noTable = 'remove it, or choose partitioner buckets';
const shardNumberMax = 65_535;
const nodesMax = 63;
const mainName = 'main';

/** Reads one shard; undefined if it lacks something that the later checks need. */
export function readShard(reading: ShardReading): ParsedShard | undefined {
  const { path, name, namespace, value, partitioner, problems } = reading;
  // An unknown partitioner is reported already; the rest is read as if it were the default.
  const hasTable = partitioner === undefined || partitioner === 'buckets';
  if (!isObject(value)) {
    problems.add(path, 'must be an object with number, cluster and nodes');
    return undefined;
  }
  const fields = new Fields(path, value, problems);
  const known = ['number', 'cluster', 'group', 'nodes'];
  fields.only(
    hasTable ? [...known, 'buckets'] : known,
    hasTable ? {} : { buckets: `${partitioner} deals keys by a function; ${noTable}` },
  );
  const number = fields.integer('number', 1, shardNumberMax);
  const cluster = fields.name('cluster');
  const group = fields.name('group', mainName);
  const nodes = readNodes(fields, reading);
  const ranges = hasTable ? readRanges(fields, problems) : [];
  if (number === undefined || cluster === undefined || group === undefined) return undefined;
  return { path, ranges, shard: { name, number, namespace, cluster, group, nodes } };
}

function readNodes(fields: Fields, { problems, isAddress }: ShardReading): ReadonlyMap<string, string> {
  const nodes = new Map<string, string>();
  for (const [id, address] of fields.members('nodes', 'node', nodesMax)) {
    if (typeof address === 'string' && isAddress(address)) nodes.set(id, address);
    // The value is not shown: somebody may have put a password into it.
    else
      problems.add(
        pathOf(`${fields.path}.nodes`, id),
        'must be an address, ws://host:port or wss://host:port, without user or fragment',
      );
  }
  return nodes;
}

function readRanges(fields: Fields, problems: Problems): readonly BucketRange[] {
  const items = fields.array('buckets') ?? [];
  return items.flatMap((item, index) => {
    const range = rangeOf(item);
    if (range !== undefined) return [range];
    const path = `${fields.path}.buckets[${index}]`;
    problems.add(
      path,
      `must be a bucket (9000) or a range ("0-8191"), got ${isArray(item) ? 'a list' : shown(item)}`,
    );
    return [];
  });
}

const rangePattern = /^(0|[1-9][0-9]{0,4})-(0|[1-9][0-9]{0,4})$/;

function rangeOf(item: JsonValue): BucketRange | undefined {
  if (typeof item === 'number')
    return Number.isInteger(item) && item >= 0 && item < bucketCountMax
      ? { from: item, to: item }
      : undefined;
  const [, from, to] = (typeof item === 'string' && rangePattern.exec(item)) || [];
  const range = { from: Number(from), to: Number(to) };
  return range.from <= range.to ? range : undefined;
}

/** What must be unique, and what must be said the same way, in all namespaces together. */
export function checkAddresses(shards: readonly ParsedShard[], problems: Problems): void {
  const names = new Map<string, string>();
  const numbers = new Map<number, string>();
  const groups = new Map<string, string>();
  const nodeAt = new Map<string, string>();
  const addressOf = new Map<string, string>();
  for (const { path, shard } of shards) {
    const { name, number, cluster, group } = shard;
    once(names, name, path, (other) =>
      problems.add(path, `another shard has this name: ${other}; names are unique in the file`),
    );
    once(numbers, number, path, (other) =>
      problems.add(`${path}.number`, `${number} is the number of ${other}; give each shard one of its own`),
    );
    once(groups, `${cluster} ${group}`, path, (other) =>
      problems.add(
        `${path}.group`,
        `group ${group} of cluster ${cluster} is ${other} already; two shards cannot be one group`,
      ),
    );
    for (const [id, address] of shard.nodes) {
      const at = pathOf(`${path}.nodes`, id);
      const node = `node ${id} of cluster ${cluster}`;
      const before = nodeAt.get(address) ?? node;
      nodeAt.set(address, before);
      if (before !== node) problems.add(at, `has the address of ${before}; each node has one of its own`);
      const said = addressOf.get(node) ?? address;
      addressOf.set(node, said);
      if (said !== address)
        problems.add(at, `${node} has another address elsewhere in the file; say the same one`);
    }
  }
}

function once<K>(seen: Map<K, string>, key: K, path: string, onTwice: (other: string) => void): void {
  const other = seen.get(key);
  if (other === undefined) seen.set(key, path);
  else onTwice(other);
}
