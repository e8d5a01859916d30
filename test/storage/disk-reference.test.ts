import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { segmentBytesDefault } from '../../src/storage/file/file-storage.ts';
import * as layout from '../../src/storage/file/layout.ts';
import { entriesLayout, entryKindCodes, entryLayout } from '../../src/wire/entries.ts';

const page = readFileSync(join(import.meta.dirname, '../../docs/reference/disk.md'), 'utf8');

/** The rows of the table under a heading, as [name, number, size]. */
function tableOf(heading: string): readonly (readonly [string, number, string])[] {
  const section = page.split(`### ${heading}\n`)[1]?.split(/\n#/)[0] ?? '';
  return [...section.matchAll(/^\| `(\w+)` \| (\d+) \|([^|]*)\|/gm)].map((row) => [
    row[1]!,
    Number(row[2]),
    row[3]!.trim(),
  ]);
}

describe('docs/reference/disk.md', () => {
  it.each([
    ['segmentLayout', layout.segmentLayout],
    ['batchLayout', layout.batchLayout],
    ['recordLayout', layout.recordLayout],
    ['slotLayout', layout.slotLayout],
    ['escrowLayout', layout.escrowLayout],
    ['entriesLayout', entriesLayout],
    ['entryLayout', entryLayout],
  ])('has the fields of %s where the code has them', (name, fields) => {
    const rows = tableOf(name);
    expect(rows.map(([field, offset]) => [field, offset])).toEqual(Object.entries(fields));
    for (const [n, [field, offset, size]] of rows.slice(0, -1).entries()) {
      expect(Number(size), `size of ${field}`).toBe(rows[n + 1]![1] - offset);
    }
  });

  it.each([
    ['recordKinds', layout.recordKinds],
    ['escrowKinds', layout.escrowKinds],
  ])('has the numbers of %s', (name, kinds) => {
    expect(tableOf(name).map(([kind, number]) => [kind, number])).toEqual(Object.entries(kinds));
  });

  it('has the kinds of entries, the magics, the names and the sizes', () => {
    for (const [kind, code] of Object.entries(entryKindCodes)) expect(page).toContain(`${code} \`${kind}\``);
    for (const magic of [layout.segmentMagic, layout.batchMagic, layout.slotMagic, layout.escrowMagic]) {
      const text = Buffer.alloc(4);
      text.writeUInt32BE(magic);
      expect(page).toContain(`\`${text.toString('latin1')}\``);
    }
    for (const name of [layout.identityName, ...layout.slotNames, layout.segmentName(1)]) {
      expect(page).toContain(`\`${name}\``);
    }
    expect(page).toContain(`\`${layout.lockPrefix}.<boot>`);
    expect(page).toContain(`(${segmentBytesDefault / 2 ** 20} MiB)`);
    expect(layout.diskFormat).toBe(1);
  });
});
