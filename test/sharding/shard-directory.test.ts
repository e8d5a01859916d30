import { describe, expect, it } from 'vitest';
import { ShardFileError } from '../../src/base/errors.ts';
import type { ShardDirectory } from '../../src/sharding/shard-directory.ts';
import { directoryOf, fileForm, shardForm, twoShards } from './files.ts';

function problemsOf(old: ShardDirectory, next: ShardDirectory): readonly string[] {
  try {
    old.successor(next);
  } catch (error) {
    if (error instanceof ShardFileError)
      return error.problems.map(({ path, message }) => `${path}: ${message}`);
    throw error;
  }
  return [];
}

const first = directoryOf(fileForm(twoShards));
const { one, two } = twoShards;

describe('a shard directory', () => {
  it('finds shards by number and by name, and a namespace by the name of the queue', () => {
    const directory = directoryOf({
      version: 3,
      namespaces: {
        default: { bucketCount: 4, shards: { d: shardForm(9, { buckets: ['0-3'] }) } },
        tokens: { bucketCount: 100, shards: twoShards },
      },
    });
    expect(directory.shards.map(({ number }) => number)).toEqual([1, 2, 9]);
    expect(directory.shardNumbered(9)?.name).toBe('d');
    expect(directory.shardNamed('two')?.number).toBe(2);
    expect(directory.shardNumbered(3)).toBeUndefined();
    expect(directory.shardNamed('three')).toBeUndefined();
    expect(directory.namespaceOf('tokens')?.namespace).toBe('tokens');
    expect(directory.namespaceOf('letters')?.namespace).toBe('default');
    expect(first.namespaceOf('letters')).toBeUndefined();
  });

  it('is followed by one with other owners, whose epochs rise by one, and keeps the rest', () => {
    const second = first.successor(
      directoryOf(
        fileForm({ one: { ...one, buckets: ['0-39'] }, two: { ...two, buckets: ['40-99'] } }, { version: 2 }),
      ),
    );
    const third = second.successor(
      directoryOf(
        fileForm(
          { one: { ...one, buckets: ['0-39', 45] }, two: { ...two, buckets: ['40-44', '46-99'] } },
          { version: 7 },
        ),
      ),
    );
    const epochs = (directory: ShardDirectory, ...buckets: number[]) =>
      buckets.map((bucket) => directory.namespaces.get('tokens')?.epochOf(bucket));
    expect(epochs(second, 0, 39, 40, 49, 50, 99)).toEqual([1, 1, 2, 2, 1, 1]);
    expect(epochs(third, 0, 40, 45, 50)).toEqual([1, 2, 3, 1]);
    expect(third.version).toBe(7);
    expect(third.namespaces.get('tokens')?.version).toBe(7);
  });

  it('may have new addresses, shards and namespaces after it, and shards without buckets', () => {
    const nodes = { c: 'wss://c.example:443/raft' };
    const next = directoryOf({
      version: 2,
      namespaces: {
        tokens: {
          bucketCount: 100,
          shards: {
            one: { ...one, nodes, buckets: ['0-99'] },
            two: { ...two, buckets: [] },
            three: shardForm(3, { buckets: [] }),
          },
        },
        books: { bucketCount: 2, shards: { books: shardForm(4, { buckets: ['0-1'] }) } },
      },
    });
    const after = first.successor(next);
    expect(after.shardNamed('one')?.nodes).toEqual(new Map(Object.entries(nodes)));
    expect(after.shards.map(({ name }) => name)).toEqual(['one', 'two', 'three', 'books']);
  });

  it('refuses a version that does not rise', () => {
    for (const version of [1, 5]) {
      const old = directoryOf(fileForm(twoShards, { version: 5 }));
      expect(problemsOf(old, directoryOf(fileForm(twoShards, { version })))).toEqual([
        `version: ${version} does not follow 5, the version in force; raise it with each change`,
      ]);
    }
  });

  it('refuses to lose, rename, renumber or move a shard, and says what to do', () => {
    const renamed = directoryOf(fileForm({ one, zwei: { ...two } }, { version: 2 }));
    expect(problemsOf(first, renamed)).toEqual([
      'namespaces.tokens.shards.two: is gone (number 2 is zwei now, and a shard cannot be renamed); keep it in the file, with no buckets if it is to have none',
    ]);
    const gone = directoryOf(fileForm({ one: { ...one, buckets: ['0-99'] } }, { version: 2 }));
    expect(problemsOf(first, gone)).toEqual([
      'namespaces.tokens.shards.two: is gone; keep it in the file, with no buckets if it is to have none',
    ]);
    const moved = directoryOf(
      fileForm({ one: { ...one, number: 4, cluster: 'x', group: 'y' }, two }, { version: 2 }),
    );
    expect(problemsOf(first, moved)).toEqual([
      expect.stringMatching(/^namespaces\.tokens\.shards\.one\.number: number was 1, is 4 now/),
      expect.stringMatching(/^namespaces\.tokens\.shards\.one\.cluster: cluster was cluster-1, is x now/),
      expect.stringMatching(/^namespaces\.tokens\.shards\.one\.group: group was main, is y now/),
    ]);
  });

  it('refuses a new namespace beside default, where the queue of that name may have keys', () => {
    const all = { bucketCount: 100, shards: twoShards };
    const books = { bucketCount: 2, shards: { books: shardForm(4, { buckets: ['0-1'] }) } };
    const old = directoryOf({ version: 1, namespaces: { default: all } });
    expect(problemsOf(old, directoryOf({ version: 2, namespaces: { default: all, books } }))).toEqual([
      'namespaces.books: is new, but there is a namespace default, where the queue books may have keys; put its shards there instead',
    ]);
    const named = directoryOf({ version: 1, namespaces: { books } });
    expect(problemsOf(named, directoryOf({ version: 2, namespaces: { books, default: all } }))).toEqual([]);
  });

  it('refuses to lose a namespace or to change how it deals its keys', () => {
    const other = { books: { bucketCount: 100, shards: twoShards } };
    expect(problemsOf(first, directoryOf({ version: 2, namespaces: other }))).toEqual([
      'namespaces.tokens: is gone; a namespace stays in the file for ever',
      expect.stringMatching(/^namespaces\.tokens\.shards\.one: namespace was tokens, is books now/),
      expect.stringMatching(/^namespaces\.tokens\.shards\.two: namespace was tokens/),
    ]);
    const larger = fileForm({ one, two: { ...two, buckets: ['50-199'] } }, { version: 2, bucketCount: 200 });
    expect(problemsOf(first, directoryOf(larger))).toEqual([
      expect.stringMatching(/^namespaces\.tokens\.bucketCount: was 100, and cannot change/),
    ]);
    const byFunction = (names: readonly string[], version: number) =>
      directoryOf({
        version,
        namespaces: {
          tokens: {
            partitioner: 'crc32',
            shards: Object.fromEntries(names.map((name, at) => [name, shardForm(at + 1)])),
          },
        },
      });
    expect(problemsOf(first, byFunction(['one', 'two'], 2))).toEqual([
      expect.stringMatching(/^namespaces\.tokens\.partitioner: was buckets, and cannot change/),
    ]);
    expect(problemsOf(byFunction(['one', 'two'], 1), byFunction(['one', 'two', 'three'], 2))).toEqual([
      expect.stringMatching(
        /^namespaces\.tokens\.shards: crc32 deals keys to 2 shards, and cannot deal them to 3/,
      ),
    ]);
    expect(problemsOf(byFunction(['one', 'two'], 1), byFunction(['one', 'two'], 2))).toEqual([]);
  });
});
