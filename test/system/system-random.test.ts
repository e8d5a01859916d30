import { describe, expect, it } from 'vitest';
import { SystemRandom } from '../../src/system/system-random.ts';

describe('the system randomness', () => {
  it('gives floats in [0, 1) that spread', () => {
    const random = new SystemRandom();
    const values = Array.from({ length: 2_000 }, () => random.next());
    expect(values.every((value) => value >= 0 && value < 1)).toBe(true);
    expect(new Set(values.map((value) => Math.floor(value * 10))).size).toBe(10);
  });

  it('gives as many bytes as asked for, different ones each time', () => {
    const random = new SystemRandom();
    expect(random.bytes(16)).toHaveLength(16);
    expect(random.bytes(0)).toHaveLength(0);
    expect(Buffer.from(random.bytes(16)).equals(random.bytes(16))).toBe(false);
  });
});
