import { InvalidOptionError } from './errors.ts';
import { nearest } from './nearest.ts';

/** @throws InvalidOptionError with the message unless the condition holds. */
export function requireThat(condition: boolean, message: string): asserts condition {
  if (!condition) throw new InvalidOptionError(message);
}

/** @throws InvalidOptionError unless the value is a string with something in it. */
export function textOf(option: string, value: unknown): string {
  requireThat(value !== undefined, `${option} is missing`);
  if (typeof value !== 'string')
    throw new InvalidOptionError(`${option} must be a string, got ${typeof value}`);
  requireThat(value.trim() !== '', `${option} is empty`);
  return value;
}

/** @throws InvalidOptionError naming the known option that is nearest to an unknown one. */
export function checkKeys(prefix: string, options: object, known: readonly string[]): void {
  for (const key of Object.keys(options)) {
    if (known.includes(key)) continue;
    const near = nearest(key, known);
    const hint = near === undefined ? `known are ${known.join(', ')}` : `did you mean ${prefix}${near}?`;
    throw new InvalidOptionError(`unknown option ${prefix}${key}: ${hint}`);
  }
}
