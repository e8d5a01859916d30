import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { root } from './source-files.ts';

/**
 * The public names. A change of the golden file is a change of the API: make it on purpose, with `UPDATE_EXPORTS=1 npx vitest run
 * test/exports.test.ts`, and say it in CHANGELOG.md.
 */
const goldenPath = join(root, 'test/exports.golden.json');

interface Names {
  readonly values: readonly string[];
  readonly types: readonly string[];
}

/** Entry points as package.json names them, with the source of each: `./client` -> `src/client/index.ts`. */
function entryPoints(): readonly (readonly [string, string])[] {
  const manifest: { exports: Record<string, string | { default: string }> } = JSON.parse(
    readFileSync(join(root, 'package.json'), 'utf8'),
  );
  return Object.entries(manifest.exports).flatMap(([entry, target]) =>
    typeof target === 'string'
      ? []
      : [[entry, target.default.replace('./dist/', 'src/').replace(/\.js$/, '.ts')] as const],
  );
}

/** Reads the names from the text: types leave no trace at run time. */
function namesOf(path: string): Names {
  const text = readFileSync(join(root, path), 'utf8').replace(/\/\*[\s\S]*?\*\/|\/\/[^\n]*/g, '');
  const values: string[] = [];
  const types: string[] = [];
  for (const [, typeOnly, list] of text.matchAll(/^export\s+(type\s+)?\{([^}]*)\}/gm)) {
    for (const item of (list ?? '')
      .split(',')
      .map((name) => name.trim())
      .filter((name) => name !== '')) {
      const exported =
        item
          .replace(/^type\s+/, '')
          .split(/\s+as\s+/)
          .at(-1) ?? '';
      (typeOnly !== undefined || item.startsWith('type ') ? types : values).push(exported);
    }
  }
  for (const [, kind, name] of text.matchAll(
    /^export\s+(?:declare\s+)?(?:abstract\s+)?(?:async\s+)?(function|class|const|interface|type)\s+(\w+)/gm,
  )) {
    (kind === 'interface' || kind === 'type' ? types : values).push(name ?? '');
  }
  return { values: values.sort(), types: types.sort() };
}

describe('the public names', () => {
  const entries = entryPoints();

  it('are those of the golden file', () => {
    const found = Object.fromEntries(entries.map(([entry, path]) => [entry, namesOf(path)]));
    if (process.env.UPDATE_EXPORTS === '1') writeFileSync(goldenPath, `${JSON.stringify(found, null, 2)}\n`);
    expect(found).toEqual(JSON.parse(readFileSync(goldenPath, 'utf8')));
  });

  for (const [entry, path] of entries) {
    it(`of ${entry} are named one by one and exist at run time`, async () => {
      expect(existsSync(join(root, path)), path).toBe(true);
      expect(readFileSync(join(root, path), 'utf8')).not.toMatch(/^export\s+(?:\*|default)/m);
      const module: object = await import(join(root, path));
      expect(Object.keys(module).sort()).toEqual(namesOf(path).values);
    });
  }
});
