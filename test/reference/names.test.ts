import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { declarationOf, type PublicName } from '../public-names.ts';
import { root } from '../source-files.ts';

const pagePath = join(root, 'docs/reference/names.md');
const golden: Record<string, { values: string[]; types: string[] }> = JSON.parse(
  readFileSync(join(root, 'test/exports.golden.json'), 'utf8'),
);

const intro = `# Public names

Every name that an entry point exports, with the first sentence of its docstring; your editor shows the rest. Made from the code by
\`UPDATE_EXPORTS=1 npx vitest run test/reference/names.test.ts\`, and checked against it by every test run.
`;

function sourceOf(entry: string): string {
  return entry === '.' ? 'src/index.ts' : `src/${entry.slice(2)}/index.ts`;
}

function row({ name, kind, summary }: PublicName): string {
  return `| \`${name}\` | ${kind} | ${summary.replaceAll('|', '\\|')} |`;
}

function page(): string {
  const sections = Object.entries(golden).map(([entry, { values, types }]) => {
    const names = [...values, ...types]
      .map((name) => declarationOf(sourceOf(entry), name))
      .filter((name) => name !== undefined);
    const title = entry === '.' ? 'raftsman' : `raftsman${entry.slice(1)}`;
    return `\n## \`${title}\`\n\n| name | kind | what it is |\n|---|---|---|\n${names.map(row).join('\n')}\n`;
  });
  return intro + sections.join('');
}

describe('docs/reference/names.md', () => {
  const all = Object.entries(golden).flatMap(([entry, { values, types }]) =>
    [...values, ...types].map((name) => ({ entry, name })),
  );

  it.each(all)('$entry: $name has a docstring', ({ entry, name }) => {
    expect(declarationOf(sourceOf(entry), name)?.summary ?? '').not.toBe('');
  });

  it('is what the code says', () => {
    if (process.env.UPDATE_EXPORTS === '1') writeFileSync(pagePath, page());
    expect(readFileSync(pagePath, 'utf8')).toBe(page());
  });
});
