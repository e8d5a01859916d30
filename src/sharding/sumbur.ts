import { InvalidArgumentError } from '../base/errors.ts';

/** Above it the published implementations disagree. */
export const sumburShardsMax = 46_340;

/**
 * Sumbur, as its pure Ruby form defines it: deals the 32-bit hashes to shards so that a shard added at the end takes an equal part
 * from each of the others.
 *
 * @param hash - 0 to 2^32-1.
 * @param shards - 1 to 46,340.
 * @returns 0 to `shards - 1`.
 * @throws InvalidArgumentError for anything else.
 */
export function sumbur(hash: number, shards: number): number {
  if (!Number.isInteger(hash) || hash < 0 || hash > 0xffff_ffff)
    throw new InvalidArgumentError(`a hash of sumbur is an unsigned 32-bit integer, got ${hash}`);
  if (!Number.isInteger(shards) || shards < 1 || shards > sumburShardsMax)
    throw new InvalidArgumentError(`sumbur has 1 to ${sumburShardsMax} shards, got ${shards}`);
  return ownerOf(hash, shards);
}

const span = 0xffff_ffff;

/**
 * Shards come one after another; the one numbered `size` cuts the same slice off each part before it. A place below the slice
 * goes along, behind the slices that this shard cut off earlier owners; any other place closes the gap.
 */
function ownerOf(hash: number, shards: number): number {
  const part = Math.floor(span / shards);
  if (span - hash <= part) return 0;
  let owner = 1;
  let place = hash;
  for (let size = 2; size <= shards; size++) {
    const slice = Math.floor(span / (size * (size - 1)));
    if (place >= slice) {
      place -= slice;
      continue;
    }
    place += slice * (size - owner - 1);
    owner = size;
    // Too near the end of the part for any later slice to reach it.
    if (Math.floor(span / size) - place < part) break;
  }
  return owner - 1;
}
