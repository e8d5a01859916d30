import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ShardFileError } from '../../src/base/errors.ts';
import { formatShardFile, parseShardFile, shardFileLimits } from '../../src/sharding/shard-file.ts';
import { fileForm, shardForm, twoShards } from './files.ts';

function problemsOf(text: string): readonly string[] {
  try {
    parseShardFile(text);
  } catch (error) {
    if (error instanceof ShardFileError)
      return error.problems.map(({ path, message }) => (path === '' ? message : `${path}: ${message}`));
    throw error;
  }
  return [];
}

const problemsIn = (form: object) => problemsOf(JSON.stringify(form));
const { one, two } = twoShards;
const shards = 'namespaces.tokens.shards';

describe('a shard file', () => {
  it('is read with its defaults', () => {
    const nodes = { a: 'ws://127.0.0.1:7101', b: 'wss://b.example:443/raft' };
    const text = JSON.stringify({
      $schema: './node_modules/raftsman/shard-file.schema.json',
      version: 4294967295,
      namespaces: { tokens: { shards: { t1: { number: 1, cluster: 'c', nodes, buckets: ['0-16383'] } } } },
    });
    const directory = parseShardFile(text);
    const map = directory.namespaces.get('tokens');
    expect(directory.version).toBe(4294967295);
    expect([map?.partitioner, map?.bucketCount]).toEqual(['buckets', 16_384]);
    expect(map?.shards).toEqual([
      {
        name: 't1',
        number: 1,
        namespace: 'tokens',
        cluster: 'c',
        group: 'main',
        nodes: new Map(Object.entries(nodes)),
      },
    ]);
  });

  it('is the same after it was written in its canonical form', () => {
    const form = {
      version: 3,
      namespaces: {
        tokens: {
          bucketCount: 100,
          shards: { two: { ...two, buckets: ['50-98', 99] }, one, none: shardForm(3, { buckets: [] }) },
        },
        books: { partitioner: 'sumbur', shards: { x: shardForm(9), y: shardForm(8, { group: 'books' }) } },
      },
    };
    const directory = parseShardFile(JSON.stringify(form));
    const text = formatShardFile(directory);
    expect(parseShardFile(text)).toEqual(directory);
    const { tokens, books } = form.namespaces;
    const turned = JSON.stringify({ namespaces: { books, tokens }, version: 3 });
    expect(formatShardFile(parseShardFile(turned))).toBe(text);
    expect(formatShardFile(parseShardFile(text))).toBe(text);
    expect(text).toContain('"buckets": ["50-99"]\n');
    expect(text).toContain('"buckets": []\n');
    expect(text.indexOf('"y"')).toBeLessThan(text.indexOf('"x"'));
    expect(Object.keys(JSON.parse(text))).toEqual(['$schema', 'version', 'namespaces']);
  });

  it('says line and column of what is not JSON', () => {
    expect(problemsOf('{\n  "version": 1,\n}')).toEqual([
      'line 3, column 1: not JSON: a comma before } is one too many',
    ]);
    expect(problemsOf('{"version": 01}')).toEqual([
      'line 1, column 14: not JSON: expected a comma or }, found "1"',
    ]);
    expect(problemsOf('[]')).toEqual(['the file must hold one object with version and namespaces']);
    for (const text of ['', ' \n'])
      expect(problemsOf(text)).toEqual([expect.stringMatching(/the file is empty/)]);
    expect(problemsOf('\uFEFF{}')).toEqual([expect.stringMatching(/byte order mark/)]);
    expect(problemsOf(' '.repeat(shardFileLimits.charactersMax + 1))).toEqual([
      'the file has 1048577 characters; at most 1048576 are read',
    ]);
  });

  it('says every problem at once, with its path', () => {
    expect(
      problemsIn({
        versoin: 1,
        namespaces: {
          'to kens': { shards: {} },
          tokens: {
            partitioner: 'bukets',
            shards: { t1: { number: 0, cluster: 'a b', node: {}, buckets: ['9-3', '1-2-3', -1, 0.5, true] } },
          },
          books: 7,
        },
      }),
    ).toEqual([
      'versoin: unknown key; did you mean version?',
      'namespaces."to kens": the name of a namespace must be 1 to 64 characters of A-Z a-z 0-9 . _ -',
      'namespaces."to kens".shards: has no shard; add at least one',
      'namespaces.tokens.partitioner: must be one of buckets, crc32, sumbur, guava, jump, tarantoolGuava (did you mean buckets?), got "bukets"',
      `${shards}.t1.node: unknown key; did you mean nodes?`,
      `${shards}.t1.number: must be a whole number from 1 to 65535, got 0`,
      `${shards}.t1.cluster: must be 1 to 64 characters of A-Z a-z 0-9 . _ -, got "a b"`,
      `${shards}.t1.nodes: is missing; it must be an object with one key for each node`,
      `${shards}.t1.buckets[0]: must be a bucket (9000) or a range ("0-8191"), got "9-3"`,
      `${shards}.t1.buckets[1]: must be a bucket (9000) or a range ("0-8191"), got "1-2-3"`,
      `${shards}.t1.buckets[2]: must be a bucket (9000) or a range ("0-8191"), got -1`,
      `${shards}.t1.buckets[3]: must be a bucket (9000) or a range ("0-8191"), got 0.5`,
      `${shards}.t1.buckets[4]: must be a bucket (9000) or a range ("0-8191"), got true`,
      'namespaces.books: must be an object with shards',
      'version: is missing; it must be a whole number from 1 to 4294967295',
    ]);
  });

  it('gives every bucket to exactly one shard', () => {
    const three = shardForm(3, { buckets: ['95-120'] });
    expect(
      problemsIn(
        fileForm({
          one: { ...one, buckets: ['0-60', '10-11'] },
          two: { ...two, buckets: ['58-80', 90] },
          three,
        }),
      ),
    ).toEqual([
      `${shards}.three.buckets: 95-120 is beyond the last bucket, 99`,
      `${shards}.one.buckets: buckets 10-11 are listed twice`,
      `${shards}.two.buckets: buckets 58-60 belong to one already; give them to one`,
      `${shards}: buckets 81-89, 91-94 belong to no shard; give each to one`,
    ]);
  });

  it('takes no table where a function deals the keys', () => {
    const form = {
      version: 1,
      namespaces: { tokens: { partitioner: 'jump', bucketCount: 2, shards: { one, two: shardForm(2) } } },
    };
    expect(problemsIn(form)).toEqual([
      'namespaces.tokens.bucketCount: jump has one bucket for each shard; remove it, or choose partitioner buckets',
      `${shards}.one.buckets: jump deals keys by a function; remove it, or choose partitioner buckets`,
    ]);
  });

  it('has names, numbers, groups and addresses once', () => {
    const same = shardForm(1, { cluster: 'cluster-1', buckets: ['50-99'] });
    expect(problemsIn(fileForm({ one, two: same }))).toEqual([
      `${shards}.two.number: 1 is the number of ${shards}.one; give each shard one of its own`,
      `${shards}.two.group: group main of cluster cluster-1 is ${shards}.one already; two shards cannot be one group`,
    ]);
    const address = 'ws://127.0.0.1:7777';
    const nodes = { a: address, b: address };
    expect(problemsIn(fileForm({ one: { ...one, nodes }, two: { ...two, nodes: { a: address } } }))).toEqual([
      `${shards}.one.nodes.b: has the address of node a of cluster cluster-1; each node has one of its own`,
      `${shards}.two.nodes.a: has the address of node a of cluster cluster-1; each node has one of its own`,
    ]);
    const elsewhere = shardForm(2, { cluster: 'cluster-1', group: 'g2', buckets: ['50-99'] });
    expect(problemsIn(fileForm({ one, two: elsewhere }))).toEqual([
      `${shards}.two.nodes.a: node a of cluster cluster-1 has another address elsewhere in the file; say the same one`,
      `${shards}.two.nodes.b: node b of cluster cluster-1 has another address elsewhere in the file; say the same one`,
    ]);
    const twice = { bucketCount: 100, shards: { one, two } };
    expect(problemsIn({ version: 1, namespaces: { tokens: twice, books: twice } }).slice(0, 1)).toEqual([
      `namespaces.books.shards.one: another shard has this name: ${shards}.one; names are unique in the file`,
    ]);
  });

  it('may have several groups on the same nodes', () => {
    const nodes = { a: 'ws://127.0.0.1:1', b: 'ws://127.0.0.1:2' };
    const both = { cluster: 'c', nodes };
    expect(problemsIn(fileForm({ one: { ...one, ...both }, two: { ...two, ...both, group: 'g2' } }))).toEqual(
      [],
    );
  });

  it('has addresses that can be dialled, and never shows a bad one: it may hold a password', () => {
    for (const address of [
      '',
      'host:1',
      'http://h:1',
      'ws://',
      'ws://h:0',
      'ws://u:secret@h:1',
      'ws://h:1#x',
      7,
    ]) {
      const [problem, ...more] = problemsIn(fileForm({ one: { ...one, nodes: { a: address } }, two }));
      expect(problem).toMatch(
        /^namespaces\.tokens\.shards\.one\.nodes\.a: must be an address, ws:\/\/host:port/,
      );
      expect(problem).not.toContain('secret');
      expect(more).toEqual([]);
    }
    const memory = JSON.stringify(fileForm({ one: { ...one, nodes: { a: 'memory:a' } }, two }));
    const isAddress = (address: string) => address.startsWith('memory:') || address.startsWith('ws:');
    expect(parseShardFile(memory, { isAddress }).shardNamed('one')?.nodes.get('a')).toBe('memory:a');
  });

  it('says that a key stands twice instead of taking the last one', () => {
    const text = JSON.stringify(fileForm({ one, two })).replace('"two"', '"one"');
    expect(problemsOf(text)).toEqual([
      expect.stringMatching(/^line 1, column \d+: the key "one" stands twice in one object; keep one$/),
      `${shards}: buckets 0-49 belong to no shard; give each to one`,
    ]);
  });

  it('has bounds, and lists at most 100 problems', () => {
    const many = Object.fromEntries(Array.from({ length: 5_000 }, (_, at) => [`n${at}`, 1]));
    expect(problemsIn({ version: 1, namespaces: many })[0]).toBe(
      'namespaces: has 5000 namespaces; at most 64 fit into one file',
    );
    const problems = problemsIn({ version: 1, namespaces: { tokens: { shards: many } } });
    expect(problems[0]).toBe(`${shards}: has 5000 shards; at most 4096 fit into one file`);
    expect(problems.length).toBe(101);
    expect(problems.at(-1)).toMatch(/^and \d+ more problems$/);
  });

  it('of nothing but overlapping ranges is refused soon', () => {
    const buckets = Array.from({ length: 80_000 }, () => '0-65535');
    const form = fileForm({ one: { ...one, buckets } }, { bucketCount: 65_536 });
    expect(problemsIn(form)).toEqual([`${shards}.one.buckets: buckets 0-65535 are listed twice`]);
  });

  it('never fails in any other way, whatever it holds', () => {
    const good = JSON.stringify(fileForm({ one, two }), null, 1);
    const cut = fc.tuple(fc.nat(good.length), fc.nat(good.length), fc.string()).map(([from, to, text]) => {
      return good.slice(0, from) + text + good.slice(Math.max(from, to));
    });
    fc.assert(
      fc.property(fc.oneof(fc.string({ unit: 'binary' }), fc.json(), cut), (text) => {
        problemsOf(text);
      }),
      { numRuns: 200 },
    );
    problemsOf('['.repeat(100_000));
    problemsOf(`"${'\\n'.repeat(400_000)}`);
    problemsOf(`{"version": "${'x'.repeat(900_000)}"}`);
  });
});
