import { Buffer } from 'node:buffer';
import { ProtocolError } from '../base/errors.ts';

/**
 * Readers for decoded values: each checks one field and returns it typed, or throws ProtocolError naming the field.
 * `what` is the name of the field for that error; it never holds data of the other side.
 */

/** A tuple of `lengthMin` to `lengthMax` (the same if left out) values. */
export function readTuple(
  value: unknown,
  what: string,
  lengthMin: number,
  lengthMax: number = lengthMin,
): readonly unknown[] {
  if (!Array.isArray(value)) throw new ProtocolError(`${what} is not a tuple`);
  if (value.length < lengthMin || value.length > lengthMax) {
    throw new ProtocolError(`${what} has ${value.length} fields, not ${lengthMin} to ${lengthMax}`);
  }
  return value;
}

/** A safe integer from `min` (0) to `max` (2^53 - 1). */
export function readInt(
  value: unknown,
  what: string,
  min = 0,
  max: number = Number.MAX_SAFE_INTEGER,
): number {
  if (typeof value !== 'number' || !Number.isSafeInteger(value) || Object.is(value, -0)) {
    throw new ProtocolError(`${what} is not an integer`);
  }
  if (value < min || value > max) throw new ProtocolError(`${what} is out of range`);
  return value;
}

/** A string of at most `bytesMax` bytes in UTF-8. */
export function readString(value: unknown, what: string, bytesMax: number): string {
  if (typeof value !== 'string') throw new ProtocolError(`${what} is not a string`);
  if (value.length > bytesMax || Buffer.byteLength(value) > bytesMax)
    throw new ProtocolError(`${what} is too long`);
  return value;
}

/** A bin of `bytesMin` (0) to `bytesMax` bytes; a copy of its own, safe to keep. */
export function readBin(value: unknown, what: string, bytesMax: number, bytesMin = 0): Buffer {
  if (!Buffer.isBuffer(value)) throw new ProtocolError(`${what} is not a bin`);
  if (value.length < bytesMin || value.length > bytesMax)
    throw new ProtocolError(`${what} has a wrong length`);
  return value;
}

export function readBool(value: unknown, what: string): boolean {
  if (typeof value !== 'boolean') throw new ProtocolError(`${what} is not a boolean`);
  return value;
}

/** Nil is undefined; anything else goes to `read`. */
export function readOptional<T>(
  value: unknown,
  what: string,
  read: (value: unknown, what: string) => T,
): T | undefined {
  return value === null ? undefined : read(value, what);
}

/** One of a fixed list, sent as its position. */
export function readEnum<T>(value: unknown, what: string, members: readonly T[]): T {
  // The place is in range, so what stands there is a member, also where that is undefined.
  return members[readInt(value, what, 0, members.length - 1)] as T;
}

/** A tuple of at most `countMax` items, each read by `read`. */
export function readList<T>(
  value: unknown,
  what: string,
  countMax: number,
  read: (value: unknown, what: string) => T,
): readonly T[] {
  return readTuple(value, what, 0, countMax).map((item) => read(item, what));
}
