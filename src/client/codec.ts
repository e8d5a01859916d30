import { InvalidArgumentError } from '../base/errors.ts';
import type { Codec } from './types.ts';

/** Values as JSON in UTF-8. A value that cannot be written, or bytes that are not JSON, are an InvalidArgumentError that shows neither. */
export function json<T>(): Codec<T> {
  return {
    encode(value: T): Uint8Array {
      const text = stringify(value);
      if (text === undefined) throw new InvalidArgumentError('the payload has no JSON form');
      return new TextEncoder().encode(text);
    },
    decode(bytes: Uint8Array): T {
      try {
        return JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes));
      } catch {
        // The parser's message quotes the text, and payloads are secrets: no cause.
        throw new InvalidArgumentError(`the payload of ${bytes.length} bytes is not JSON`);
      }
    },
  };
}

/** Bytes as they are: the codec of a queue opened without one. */
export const rawBytes: Codec<Uint8Array> = {
  encode: (value) => value,
  decode: (bytes) => bytes,
};

function stringify(value: unknown): string | undefined {
  try {
    return JSON.stringify(value);
  } catch {
    return undefined;
  }
}
