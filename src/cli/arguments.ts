import { parseArgs } from 'node:util';
import { nearest } from '../base/nearest.ts';

/** The command line makes no sense; the message is one line for a person. */
export class UsageError extends Error {
  override readonly name = 'UsageError';
}

/** What may follow the name of a command. */
export interface ArgumentSpec {
  /** Names of what must be given in order, as `FILE`. */
  readonly positionals: readonly string[];
  /** Options without a value, without their dashes. */
  readonly flags: readonly string[];
  /** Options with a value. */
  readonly values: readonly string[];
}

export interface Arguments {
  readonly positionals: readonly string[];
  readonly flags: ReadonlySet<string>;
  readonly values: ReadonlyMap<string, string>;
}

/** @throws UsageError for an option that is unknown, lacks its value or has one too many, and for too few or too many words. */
export function readArguments(args: readonly string[], spec: ArgumentSpec): Arguments {
  const { flags, values, positionals } = spec;
  const known = [...flags, ...values];
  const kinds = [
    ...flags.map((name) => [name, 'boolean'] as const),
    ...values.map((name) => [name, 'string'] as const),
  ];
  const options = Object.fromEntries(kinds.map(([name, type]) => [name, { type }]));
  const { tokens } = parseArgs({
    args: [...args],
    options,
    strict: false,
    allowPositionals: true,
    tokens: true,
  });
  const given: string[] = [];
  const read = { positionals: given, flags: new Set<string>(), values: new Map<string, string>() };
  for (const token of tokens) {
    if (token.kind === 'positional') read.positionals.push(token.value);
    if (token.kind !== 'option') continue;
    const { name, rawName, value } = token;
    if (!known.includes(name)) throw new UsageError(`unknown option ${rawName}${meant(name, known)}`);
    if (flags.includes(name)) {
      if (value !== undefined) throw new UsageError(`--${name} takes no value`);
      read.flags.add(name);
      continue;
    }
    if (value === undefined || value === '') throw new UsageError(`--${name} needs a value`);
    if (read.values.has(name)) throw new UsageError(`--${name} is given twice`);
    read.values.set(name, value);
  }
  const missing = positionals[read.positionals.length];
  if (missing !== undefined) throw new UsageError(`${missing} is missing`);
  const extra = read.positionals[positionals.length];
  if (extra !== undefined) throw new UsageError(`${extra} is one argument too many`);
  return read;
}

function meant(name: string, known: readonly string[]): string {
  const near = nearest(name, known);
  return near === undefined ? '' : `; did you mean --${near}?`;
}
