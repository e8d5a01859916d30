import { ShardFileError } from '../base/errors.ts';
import { dealBuckets } from './file-buckets.ts';
import { Fields, isObject, Problems, pathOf } from './file-fields.ts';
import { checkAddresses, noTable, type ParsedShard, readShard } from './file-shards.ts';
import { type JsonValue, readJson } from './json-text.ts';
import { bucketCountMax, defaultBucketCount } from './partitioner.ts';
import { ShardDirectory } from './shard-directory.ts';
import { ShardMap, type ShardMapParts } from './shard-map.ts';
import { partitionerNames } from './types.ts';

/** Bounds of one shard file. */
export const shardFileLimits = {
  charactersMax: 1_048_576,
  namespacesMax: 64,
  /** In all namespaces together. */
  shardsMax: 4_096,
  versionMax: 0xffff_ffff,
} as const;

/** Where an editor finds the schema of the file when raftsman is installed beside it. */
export const shardFileSchema = './node_modules/raftsman/shard-file.schema.json';

export interface ShardFileOptions {
  /** What may stand as an address; by default `ws://` and `wss://` URLs with a host. */
  readonly isAddress?: ((address: string) => boolean) | undefined;
}

/**
 * Reads a shard file whole: it is either entirely good or not used at all.
 *
 * @throws ShardFileError with every problem found, each with its path and what to do about it.
 */
export function parseShardFile(text: string, options: ShardFileOptions = {}): ShardDirectory {
  const { isAddress = isWebSocketAddress } = options;
  const problems = new Problems();
  const file = readFile(textOf(text), problems);
  const parsed = readNamespaces(file, problems, isAddress);
  const version = file.integer('version', 1, shardFileLimits.versionMax);
  if (problems.count > 0 || version === undefined) throw new ShardFileError(problems.list);
  return new ShardDirectory(
    version,
    parsed.flatMap((read) => (read === undefined ? [] : [new ShardMap({ ...read, version })])),
  );
}

/** @returns true for `ws://host:port` and `wss://host:port`, with a path if need be, and nothing that could be a secret. */
export function isWebSocketAddress(address: string): boolean {
  if (!URL.canParse(address)) return false;
  const { protocol, hostname, port, hash, username, password } = new URL(address);
  if (protocol !== 'ws:' && protocol !== 'wss:') return false;
  return hostname !== '' && port !== '0' && `${hash}${username}${password}` === '';
}

function textOf(text: unknown): string {
  if (typeof text !== 'string') throw single('a shard file is read from a string');
  if (text.length > shardFileLimits.charactersMax)
    throw single(`the file has ${text.length} characters; at most ${shardFileLimits.charactersMax} are read`);
  if (text.startsWith('\uFEFF'))
    throw single('the file begins with a byte order mark; save it as UTF-8 without one');
  if (text.trim() === '') throw single('the file is empty; restore it from your last version');
  return text;
}

function readFile(text: string, problems: Problems): Fields {
  const result = readJson(text);
  if ('fault' in result)
    throw single(
      `line ${result.fault.line}, column ${result.fault.column}: not JSON: ${result.fault.message}`,
    );
  for (const { line, column, message } of result.twice)
    problems.add('', `line ${line}, column ${column}: ${message}; keep one`);
  if (!isObject(result.value)) throw single('the file must hold one object with version and namespaces');
  const file = new Fields('', result.value, problems);
  file.only(['$schema', 'version', 'namespaces']);
  if (file.has('$schema') && typeof file.get('$schema') !== 'string')
    problems.add('$schema', 'must be a string: the path or address of the schema');
  return file;
}

function single(message: string): ShardFileError {
  return new ShardFileError([{ path: '', message }]);
}

function readNamespaces(
  file: Fields,
  problems: Problems,
  isAddress: (address: string) => boolean,
): readonly (ShardMapParts | undefined)[] {
  const shards: ParsedShard[] = [];
  const read = file
    .members('namespaces', 'namespace', shardFileLimits.namespacesMax)
    .map(([name, value]) => readNamespace(name, value, { problems, isAddress, shards }));
  if (shards.length > shardFileLimits.shardsMax)
    problems.add(
      'namespaces',
      `have ${shards.length} shards; at most ${shardFileLimits.shardsMax} fit into one file`,
    );
  checkAddresses(shards, problems);
  return read;
}

interface Reading {
  readonly problems: Problems;
  readonly isAddress: (address: string) => boolean;
  /** Those read so far, of all namespaces. */
  readonly shards: ParsedShard[];
}

function readNamespace(namespace: string, value: JsonValue, reading: Reading): ShardMapParts | undefined {
  const { problems, isAddress } = reading;
  const path = pathOf('namespaces', namespace);
  if (!isObject(value)) {
    problems.add(path, 'must be an object with shards');
    return undefined;
  }
  const fields = new Fields(path, value, problems);
  const partitioner = fields.oneOf('partitioner', partitionerNames, 'buckets');
  const hasTable = partitioner === undefined || partitioner === 'buckets';
  fields.only(
    hasTable ? ['partitioner', 'bucketCount', 'shards'] : ['partitioner', 'shards'],
    hasTable ? {} : { bucketCount: `${partitioner} has one bucket for each shard; ${noTable}` },
  );
  const shards = fields.members('shards', 'shard', shardFileLimits.shardsMax).map(([name, shard]) =>
    readShard({
      path: pathOf(`${path}.shards`, name),
      name,
      namespace,
      value: shard,
      partitioner,
      problems,
      isAddress,
    }),
  );
  const good = shards.filter((shard) => shard !== undefined);
  reading.shards.push(...good);
  const bucketCount = hasTable
    ? fields.integer('bucketCount', 1, bucketCountMax, defaultBucketCount)
    : shards.length;
  if (partitioner === undefined || bucketCount === undefined) return undefined;
  const owners = dealBuckets({
    path: `${path}.shards`,
    shards: good,
    bucketCount,
    hasTable,
    whole: shards.length > 0 && good.length === shards.length,
    problems,
  });
  return { namespace, version: 1, partitioner, bucketCount, shards: good.map(({ shard }) => shard), owners };
}

/**
 * The file of a directory in its canonical form: namespaces by name, shards by number, a fixed order of keys, and as few ranges as
 * there can be. Equal directories have equal files.
 */
export function formatShardFile(directory: ShardDirectory): string {
  const maps = [...directory.namespaces.values()].sort((a, b) => (a.namespace < b.namespace ? -1 : 1));
  const namespaces = maps.map((map) => [map.namespace, formOf(map)]);
  const file = {
    $schema: shardFileSchema,
    version: directory.version,
    namespaces: Object.fromEntries(namespaces),
  };
  const text = JSON.stringify(file, null, 2);
  // Lists hold buckets only; one to a line is no help to a reader.
  return `${text.replace(/\[[^\]]*\]/g, (list) => list.replace(/\n\s*/g, ' ').replace(/\[ | \]/g, (end) => end.trim()))}\n`;
}

function formOf(map: ShardMap): object {
  const hasTable = map.partitioner === 'buckets';
  const shards = map.shards.map((shard) => {
    const { number, cluster, group } = shard;
    const form = { number, cluster, group, nodes: Object.fromEntries(shard.nodes) };
    const buckets = map.rangesOf(shard.name).map(({ from, to }) => (from === to ? from : `${from}-${to}`));
    return [shard.name, hasTable ? { ...form, buckets } : form];
  });
  const { partitioner, bucketCount } = map;
  return { partitioner, ...(hasTable ? { bucketCount } : {}), shards: Object.fromEntries(shards) };
}
