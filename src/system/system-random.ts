import { randomBytes, randomInt } from 'node:crypto';
import type { Random } from '../ports/random.ts';

/** `randomInt` draws from a range below 2^48. */
const range = 2 ** 47;

/** The operating system's randomness: fit for ids, nonces and jitter. */
export class SystemRandom implements Random {
  next(): number {
    return randomInt(range) / range;
  }

  bytes(count: number): Uint8Array {
    return randomBytes(count);
  }
}
