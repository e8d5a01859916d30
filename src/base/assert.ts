import { InvariantError } from './errors.ts';

/**
 * Checks an invariant of our own; stays on in production. Input of others is never asserted: it is rejected.
 *
 * @throws InvariantError when the condition does not hold; the node that catches it goes to `failed`.
 */
export function assert(condition: boolean, message: string): asserts condition {
  if (!condition) throw new InvariantError(message);
}

/** Closes a `switch` over a union: a new member does not compile until it is handled. */
export function assertNever(value: never): never {
  throw new InvariantError(`unhandled value: ${JSON.stringify(value)}`);
}
