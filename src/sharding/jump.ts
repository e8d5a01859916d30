import { InvalidArgumentError } from '../base/errors.ts';

/**
 * Jump consistent hash of an unsigned 64-bit key, which is also Guava's `Hashing.consistentHash` and Tarantool's `digest.guava`:
 * from n to n + 1 buckets one key in n + 1 moves, and only to the new bucket.
 *
 * @param key - 0 to 2^64-1; a number must be a safe integer, and costs no BigInt.
 * @param buckets - 1 to 2^31-1.
 * @returns 0 to `buckets - 1`.
 * @throws InvalidArgumentError for anything else.
 * @see Lamping and Veach, arXiv 1406.2294
 */
export function jumpHash(key: bigint | number, buckets: number): number {
  if (!Number.isInteger(buckets) || buckets < 1 || buckets > 0x7fff_ffff)
    throw new InvalidArgumentError(`buckets must be an integer from 1 to 2147483647, got ${buckets}`);
  if (typeof key === 'bigint') {
    if (key < 0n || key > wordMax) throw notAWord(key);
    return jump(Number(key >> 32n), Number(key & 0xffff_ffffn), buckets);
  }
  if (!Number.isSafeInteger(key) || key < 0) throw notAWord(key);
  return jump(Math.floor(key / 2 ** 32), key >>> 0, buckets);
}

const wordMax = 0xffff_ffff_ffff_ffffn;

function notAWord(key: bigint | number): InvalidArgumentError {
  return new InvalidArgumentError(`a key of jump hash is an unsigned 64-bit integer, got ${key}`);
}

/** The multiplier of the generator, 2862933555777941757, in two halves and its low half in two quarters. */
const multiplierHigh = 0x27bb_2ee6;
const multiplierLow = 0x87b0_b0fd;
const quarter1 = 0x87b0;
const quarter0 = 0xb0fd;

/** The generator's state is a 64-bit word in two halves; the next candidate comes from its top 31 bits. */
function jump(keyHigh: number, keyLow: number, buckets: number): number {
  let high = keyHigh | 0;
  let low = keyLow >>> 0;
  let bucket = 0;
  for (;;) {
    const nextLow = (Math.imul(low, multiplierLow) + 1) >>> 0;
    // Adding 1 carries only when the low half comes round to 0.
    const carry = nextLow === 0 ? 1 : 0;
    high = (Math.imul(high, multiplierLow) + Math.imul(low, multiplierHigh) + upperHalf(low) + carry) | 0;
    low = nextLow;
    const next = Math.floor((bucket + 1) * (2 ** 31 / ((high >>> 1) + 1)));
    if (next >= buckets) return bucket;
    bucket = next;
  }
}

/** The upper 32 bits of `low` times the low half of the multiplier, by quarters so that no product loses a bit. */
function upperHalf(low: number): number {
  const high16 = low >>> 16;
  const low16 = low & 0xffff;
  const cross1 = low16 * quarter1;
  const cross0 = high16 * quarter0;
  const middle = ((low16 * quarter0) >>> 16) + (cross1 & 0xffff) + (cross0 & 0xffff);
  return high16 * quarter1 + (cross1 >>> 16) + (cross0 >>> 16) + (middle >>> 16);
}
