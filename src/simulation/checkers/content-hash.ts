const twoTo21 = 2 ** 21;

/** A 53-bit hash of a text and bytes on top of another hash; the checkers' own, shared with nothing. */
export function contentHash(previous: number, words: readonly number[], bytes: Uint8Array): number {
  let high = Math.imul(Math.floor(previous / twoTo21) ^ 0x1b873593, 0xcc9e2d51);
  let low = Math.imul((previous % 0x1_0000_0000) ^ 0x85ebca6b, 0x9e3779b1);
  const mix = (value: number): void => {
    high = Math.imul(high ^ value, 0x01000193);
    low = Math.imul(low ^ (value + 0x61c88647), 0x85ebca6b);
    low ^= low >>> 15;
  };
  for (const word of words) {
    mix((word % 0x1_0000_0000) | 0);
    mix(Math.floor(word / 0x1_0000_0000));
  }
  for (let i = 0; i < bytes.length; i += 1) mix(bytes[i]!);
  high ^= Math.imul(low, 0xc2b2ae35) >>> 13;
  return (high >>> 0) * twoTo21 + ((low >>> 0) % twoTo21);
}
