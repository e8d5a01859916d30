import { InvalidArgumentError } from '../base/errors.ts';

const multiplier = 2_862_933_555_777_941_757n;
const word = 0xffff_ffff_ffff_ffffn;

/**
 * Jump consistent hash of an unsigned 64-bit key, which is also Guava's `Hashing.consistentHash` and Tarantool's `digest.guava`:
 * from n to n + 1 buckets one key in n + 1 moves, and only to the new bucket.
 *
 * @param key - 0 to 2^64-1; a number must be a safe integer.
 * @param buckets - 1 to 2^31-1.
 * @returns 0 to `buckets - 1`.
 * @throws InvalidArgumentError for anything else.
 * @see Lamping and Veach, arXiv 1406.2294
 */
export function jumpHash(key: bigint | number, buckets: number): number {
  if (!Number.isInteger(buckets) || buckets < 1 || buckets > 0x7fff_ffff)
    throw new InvalidArgumentError(`buckets must be an integer from 1 to 2147483647, got ${buckets}`);
  let state = wordOf(key);
  let bucket = 0;
  for (;;) {
    state = (state * multiplier + 1n) & word;
    const next = Math.floor((bucket + 1) * (2 ** 31 / (Number(state >> 33n) + 1)));
    if (next >= buckets) return bucket;
    bucket = next;
  }
}

function wordOf(key: bigint | number): bigint {
  if (typeof key === 'number' ? Number.isSafeInteger(key) && key >= 0 : key >= 0n && key <= word)
    return BigInt(key);
  throw new InvalidArgumentError(`a key of jump hash is an unsigned 64-bit integer, got ${key}`);
}
