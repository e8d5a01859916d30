import { readFileSync } from 'node:fs';
import { Ajv } from 'ajv';
import { describe, expect, it } from 'vitest';
import { ShardFileError } from '../../src/base/errors.ts';
import { bucketCountMax, defaultBucketCount } from '../../src/sharding/partitioner.ts';
import { formatShardFile, parseShardFile, shardFileLimits } from '../../src/sharding/shard-file.ts';
import { partitionerNames } from '../../src/sharding/types.ts';
import { directoryOf, fileForm, type ShardForm, shardForm, twoShards } from './files.ts';

const schema = JSON.parse(readFileSync(new URL('../../shard-file.schema.json', import.meta.url), 'utf8'));
const validate = new Ajv({ allErrors: true, strict: true, strictRequired: false }).compile(schema);
const { one, two } = twoShards;

function parserTakes(form: object): boolean {
  try {
    parseShardFile(JSON.stringify(form));
    return true;
  } catch (error) {
    if (error instanceof ShardFileError) return false;
    throw error;
  }
}

const byFunction = (partitioner: string, more: object = {}) => ({
  version: 1,
  namespaces: {
    tokens: { partitioner, shards: { one: shardForm(1), two: shardForm(2, { group: 'g' }) }, ...more },
  },
});
const withShard = (more: ShardForm) => fileForm({ one: { ...one, ...more }, two });

const good: readonly object[] = [
  fileForm({ one, two }),
  { $schema: 'x', ...fileForm({ one, two }) },
  fileForm({ one: { ...one, buckets: ['0-48', 49] }, two, three: shardForm(3, { buckets: [] }) }),
  withShard({ nodes: { a: 'wss://h.example' }, group: 'g' }),
  withShard({ nodes: { a: 'ws://[::1]:7000/path?x=1' } }),
  fileForm(
    { one: shardForm(65_535, { buckets: ['0-65535'] }) },
    { bucketCount: 65_536, partitioner: 'buckets' },
  ),
  ...partitionerNames.filter((name) => name !== 'buckets').map((name) => byFunction(name)),
];

/** What the schema can see too. */
const bad: readonly object[] = [
  [],
  {},
  { version: 1 },
  { version: 1, namespaces: {} },
  { version: 1, namespaces: [] },
  { version: 1, namespaces: { tokens: {} } },
  { version: 1, namespaces: { tokens: { shards: {} } } },
  { version: 1, namespaces: { tokens: { shards: { one: 7 } } } },
  ...[0, -1, 1.5, '1', null, 4_294_967_296].map((version) => ({ ...fileForm({ one, two }), version })),
  { ...fileForm({ one, two }), comment: 'x' },
  { ...fileForm({ one, two }), $schema: 1 },
  ...[0, 65_537, 1.5, '100', null].map((bucketCount) => fileForm({ one, two }, { bucketCount })),
  fileForm({ one, two }, { partitioner: 'md5' }),
  fileForm({ one, two }, { partitoner: 'buckets' }),
  fileForm({ 'o ne': { ...one }, two }),
  ...[0, 65_536, 1.5, '1'].map((number) => withShard({ number })),
  ...['', 'a b', 7, null, 'x'.repeat(65)].flatMap((name) => [
    withShard({ cluster: name }),
    withShard({ group: name }),
  ]),
  ...[{}, [], 'ws://h:1', { 'a b': 'ws://h:1' }].map((nodes) => withShard({ nodes })),
  ...['', 'h:1', 'http://h:1', 'ws://', 'ws://u:p@h:1', 'ws://h:1#x', 7].map((a) =>
    withShard({ nodes: { a } }),
  ),
  ...['0-49', [-1], [65_536], ['1'], ['01-2'], ['1-'], [0.5], [true], [[1]], [{}]].map((buckets) =>
    withShard({ buckets }),
  ),
  withShard({ owner: 'x' }),
  fileForm({ one: shardForm(1) }),
  byFunction('crc32', { bucketCount: 2 }),
  byFunction('crc32', { shards: { one } }),
];

/** What takes arithmetic, or a look at two places. */
const badInRelation: readonly object[] = [
  fileForm({ one }),
  fileForm({ one, two: { ...two, buckets: ['49-99'] } }),
  fileForm({ one, two: { ...two, buckets: ['50-100'] } }),
  fileForm({ one, two: { ...two, buckets: ['50-99', '99-60'] } }),
  fileForm({ one, two: { ...two, number: 1 } }),
  fileForm({ one, two: { ...two, nodes: one.nodes } }),
  withShard({ nodes: { a: 'ws://h:0' } }),
];

describe('the published schema', () => {
  it.each(good.map((form) => [JSON.stringify(form), form] as const))(
    'takes what the parser takes: %s',
    (_, form) => {
      expect(validate(form), JSON.stringify(validate.errors)).toBe(true);
      expect(parserTakes(form)).toBe(true);
      expect(validate(JSON.parse(formatShardFile(directoryOf(form))))).toBe(true);
    },
  );

  it.each(bad.map((form) => [JSON.stringify(form), form] as const))(
    'refuses what the parser refuses: %s',
    (_, form) => {
      expect(validate(form)).toBe(false);
      expect(parserTakes(form)).toBe(false);
    },
  );

  it('cannot see what only the parser can: gaps, overlaps, what stands twice', () => {
    for (const form of badInRelation) {
      expect(validate(form), JSON.stringify(validate.errors)).toBe(true);
      expect(parserTakes(form), JSON.stringify(form)).toBe(false);
    }
  });

  it('has the names, defaults and bounds of the code', () => {
    const { namespace, shard } = schema.definitions;
    expect(namespace.properties.partitioner.enum).toEqual(partitionerNames);
    expect(namespace.properties.bucketCount).toMatchObject({
      default: defaultBucketCount,
      maximum: bucketCountMax,
    });
    expect(namespace.properties.shards.maxProperties).toBe(shardFileLimits.shardsMax);
    expect(schema.properties.namespaces.maxProperties).toBe(shardFileLimits.namespacesMax);
    expect(schema.properties.version.maximum).toBe(shardFileLimits.versionMax);
    expect(shard.properties.number.maximum).toBe(65_535);
  });
});
