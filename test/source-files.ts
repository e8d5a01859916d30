import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, posix } from 'node:path';
import { fileURLToPath } from 'node:url';

/** The root of the repository. */
export const root: string = join(dirname(fileURLToPath(import.meta.url)), '..');

/** One TypeScript file of the repository. */
export interface SourceFile {
  /** From the root, with forward slashes: `src/raft/raft.ts`. */
  readonly path: string;
  readonly text: string;
  /** The text without comments, and with empty strings: what only code says. */
  readonly code: string;
}

/** What one `import` or `export … from` asks for. */
export interface ImportOf {
  /** As written: `./x.ts`, `node:fs`, `ws`. */
  readonly specifier: string;
  /** The file it names, from the root; undefined for packages. */
  readonly target: string | undefined;
  readonly typeOnly: boolean;
}

/** @returns every TypeScript file below a folder of the repository, sorted by path. */
export function sourceFiles(folder: string): readonly SourceFile[] {
  return readdirSync(join(root, folder), { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && entry.name.endsWith('.ts'))
    .map((entry) => posix.join(entry.parentPath.slice(root.length + 1).replaceAll('\\', '/'), entry.name))
    .sort()
    .map((path) => {
      const text = readFileSync(join(root, path), 'utf8');
      return { path, text, code: withoutStrings(withoutComments(text)) };
    });
}

/** @returns what a file imports, in order; dynamic imports and re-exports included. */
export function importsOf(file: SourceFile): readonly ImportOf[] {
  const text = withoutComments(file.text);
  const statics = [
    ...text.matchAll(/^(?:import|export)\s+(type\s+)?(?:([^'";]*?)\s*from\s*)?'([^']+)'/gm),
  ].map((match) => importOf(file.path, match[3] ?? '', match[1] !== undefined || allTypes(match[2])));
  const dynamics = [...text.matchAll(/\bimport\(\s*'([^']+)'/g)].map((match) =>
    importOf(file.path, match[1] ?? '', false),
  );
  return [...statics, ...dynamics];
}

function importOf(from: string, specifier: string, typeOnly: boolean): ImportOf {
  const target = specifier.startsWith('.') ? posix.join(posix.dirname(from), specifier) : undefined;
  return { specifier, target, typeOnly };
}

/** True for `{ type A, type B }`. */
function allTypes(clause: string | undefined): boolean {
  const names = clause
    ?.match(/^\{(.*)\}$/s)?.[1]
    ?.split(',')
    .map((name) => name.trim());
  return names?.every((name) => name === '' || name.startsWith('type ')) ?? false;
}

/** Strings, template literals and regular expressions may hold `//`: they are matched first and kept. */
function withoutComments(text: string): string {
  return text.replace(
    /'(?:[^'\\\n]|\\.)*'|`(?:[^`\\]|\\.)*`|\/\*[\s\S]*?\*\/|(?<![\\/[*])\/\/[^\n]*/g,
    (match) => (match.startsWith('/') ? match.replace(/[^\n]/g, ' ') : match),
  );
}

function withoutStrings(text: string): string {
  return text.replace(/'(?:[^'\\\n]|\\.)*'/g, "''");
}
