import { posix } from 'node:path';
import { type SourceFile, sourceFiles } from './source-files.ts';

/** A public name as its declaration presents it. */
export interface PublicName {
  readonly name: string;
  readonly kind: string;
  /** The first sentence of its docstring; empty if it has none. */
  readonly summary: string;
}

const files: ReadonlyMap<string, SourceFile> = new Map(sourceFiles('src').map((file) => [file.path, file]));

/** @returns the declaration behind a name that a file exports, re-exports followed; undefined if there is none. */
export function declarationOf(path: string, name: string): PublicName | undefined {
  const text = files.get(path)?.text ?? '';
  const declaration = new RegExp(
    `(?:/\\*\\*((?:(?!\\*/)[\\s\\S])*)\\*/\\n)?export (?:declare )?(?:abstract )?(?:async )?(function|class|const|interface|type) ${name}\\b`,
  ).exec(text);
  if (declaration !== null) {
    const [, comment = '', kind = ''] = declaration;
    return { name, kind, summary: firstSentence(comment) };
  }
  const from = reExportOf(text, name);
  return from === undefined
    ? undefined
    : declarationOf(posix.join(posix.dirname(path), from.specifier), from.name);
}

function reExportOf(
  text: string,
  name: string,
): { readonly specifier: string; readonly name: string } | undefined {
  for (const [, list = '', specifier = ''] of text.matchAll(
    /^export (?:type )?\{([^}]*)\} from '([^']+)'/gm,
  )) {
    for (const item of list.split(',')) {
      const [inner = '', outer = inner] = item
        .trim()
        .replace(/^type /, '')
        .split(/\s+as\s+/);
      if (outer === name) return { specifier, name: inner };
    }
  }
  return undefined;
}

function firstSentence(comment: string): string {
  const text = comment
    .replace(/^\s*\*? ?/gm, '')
    .replace(/\s+/g, ' ')
    .trim()
    .replace(/^@returns /, '')
    .split(' @')[0];
  return /^.*?\.(?=\s|$)/.exec(text ?? '')?.[0] ?? text ?? '';
}
