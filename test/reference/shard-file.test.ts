import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { bucketCountMax, keyBytesMax } from '../../src/sharding/partitioner.ts';
import { parseShardFile, shardFileLimits, shardFileSchema } from '../../src/sharding/shard-file.ts';
import { sumburShardsMax } from '../../src/sharding/sumbur.ts';
import { partitionerNames } from '../../src/sharding/types.ts';
import { root } from '../source-files.ts';
import { keyTables } from './schema-rows.ts';

const read = (path: string) => readFileSync(join(root, path), 'utf8');
const page = read('docs/reference/shard-file.md');
const pages = [page, read('docs/how-to/migrate-from-another-partitioner.md')];

/** The rows below a heading row that begins with these words. */
function rowsUnder(heading: string): readonly string[] {
  const lines = page.split('\n');
  const start = lines.findIndex((line) => line.startsWith(`| ${heading} |`));
  expect(start, heading).toBeGreaterThan(0);
  const rows = lines.slice(start + 2);
  return rows.slice(
    0,
    rows.findIndex((line) => !line.startsWith('|')),
  );
}

describe('docs/reference/shard-file.md', () => {
  it.each(Object.entries(keyTables))('has the keys %s as the schema has them', (heading, rows) => {
    expect(rowsUnder(heading)).toEqual(rows);
  });

  it('has every partitioner, and the bounds of the code', () => {
    const named = rowsUnder('name').flatMap((row) =>
      [...(row.split('|')[1] ?? '').matchAll(/`(\w+)`/g)].map(([, name]) => name),
    );
    expect(named).toEqual(partitionerNames);
    const bounds = [
      shardFileLimits.charactersMax,
      shardFileLimits.shardsMax,
      sumburShardsMax,
      keyBytesMax,
      bucketCountMax,
    ];
    for (const bound of bounds) expect(page).toContain(bound.toLocaleString('en-US'));
    expect(page).toContain(shardFileSchema);
  });

  it('shows files that can be used, as the how-to does', () => {
    const files = pages.flatMap((text) =>
      [...text.matchAll(/```json\n([\s\S]*?)```/g)].map(([, file]) => file ?? ''),
    );
    expect(files.length).toBe(2);
    for (const file of files) expect(parseShardFile(file).version).toBe(1);
  });
});
