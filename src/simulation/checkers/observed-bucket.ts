/** CRC-32 bit by bit, for the keys of a world: slow, and shared with nothing. */
function checksum(text: string): number {
  let rest = 0xffff_ffff;
  for (let place = 0; place < text.length; place += 1) {
    rest ^= text.charCodeAt(place);
    for (let bit = 0; bit < 8; bit += 1) rest = (rest >>> 1) ^ (rest & 1 ? 0xedb8_8320 : 0);
  }
  return (rest ^ 0xffff_ffff) >>> 0;
}

const known = new Map<string, number>();

/** The bucket of a key as docs/reference/shard-file.md defines it: CRC-32 modulo the number of buckets, for ASCII keys without a tag. */
export function observedBucket(key: string, bucketCount: number): number {
  let hash = known.get(key);
  if (hash === undefined) {
    hash = checksum(key);
    known.set(key, hash);
  }
  return hash % bucketCount;
}
