import { assert } from '../base/assert.ts';
import { isRaftsmanError } from '../base/errors.ts';

/** One behaviour that every adapter of a port has; `run` rejects when it does not. */
export interface ContractCase {
  readonly name: string;
  run(): Promise<void>;
}

/** Compares by content; bytes are bytes, whatever class holds them. */
export function same(actual: unknown, expected: unknown): void {
  const [got, wanted] = [text(actual), text(expected)];
  assert(got === wanted, `expected ${wanted.slice(0, 2_000)}, got ${got.slice(0, 2_000)}`);
}

function text(value: unknown): string {
  if (value instanceof Uint8Array) return `bytes ${value.length}: ${[...value].join(' ')}`;
  if (Array.isArray(value)) return `[${value.map(text).join(', ')}]`;
  if (typeof value !== 'object' || value === null) return String(value);
  const fields = Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1));
  return `{ ${fields.map(([name, field]) => `${name}: ${text(field)}`).join(', ')} }`;
}

/** @throws InvariantError unless the call rejects with an error of this code. */
export async function rejects(call: () => Promise<unknown>, code: string): Promise<void> {
  try {
    await call();
  } catch (error) {
    const got = isRaftsmanError(error) ? error.code : String(error);
    assert(got === code, `expected ${code}, got ${got}`);
    return;
  }
  assert(false, `expected ${code}, and it succeeded`);
}
