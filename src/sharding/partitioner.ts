import { InvalidArgumentError, TooLargeError } from '../base/errors.ts';
import { asciiCrc32, crc32, notAscii, tarantoolCrc32, tarantoolTextCrc32, textCrc32 } from './crc32.ts';
import { jumpHash } from './jump.ts';
import { sumbur, sumburShardsMax } from './sumbur.ts';
import { type Partition, type PartitionerName, partitionerNames } from './types.ts';

/** The buckets of a `buckets` partition that names no number. */
export const defaultBucketCount = 16_384;
export const bucketCountMax = 65_536;
/** In UTF-8. */
export const keyBytesMax = 256;

/** A partition with its function. */
export interface Partitioner extends Partition {
  /**
   * The bucket of a key: 1 to 256 bytes, a string standing for its UTF-8 bytes.
   *
   * @returns 0 to `bucketCount - 1`.
   * @throws InvalidArgumentError for an empty key, half a surrogate pair, or what is neither string nor bytes.
   * @throws TooLargeError for a longer key.
   */
  bucketOf(key: string | Uint8Array): number;
}

/** @throws InvalidArgumentError for an unknown name, or a number of buckets that this partitioner cannot have. */
export function createPartitioner(partition: Partition): Partitioner {
  const { partitioner, bucketCount } = partition;
  checkPartition(partitioner, bucketCount);
  const bucketOf = functionOf(partitioner, bucketCount);
  return { partitioner, bucketCount, bucketOf };
}

/** The largest number of buckets that a partitioner can have. */
export function bucketCountMaxOf(partitioner: PartitionerName): number {
  return partitioner === 'sumbur' ? sumburShardsMax : bucketCountMax;
}

function checkPartition(partitioner: PartitionerName, bucketCount: number): void {
  if (!partitionerNames.includes(partitioner))
    throw new InvalidArgumentError(`partitioner must be one of ${partitionerNames.join(', ')}`);
  const max = bucketCountMaxOf(partitioner);
  if (!Number.isInteger(bucketCount) || bucketCount < 1 || bucketCount > max)
    throw new InvalidArgumentError(`${partitioner} has 1 to ${max} buckets, got ${bucketCount}`);
}

type BucketOf = (key: string | Uint8Array) => number;

function functionOf(partitioner: PartitionerName, count: number): BucketOf {
  switch (partitioner) {
    case 'buckets': {
      // A power of two is a mask, which is what the default costs.
      const mask = count - 1;
      return (count & mask) === 0
        ? (key) => taggedCrc32(key) & mask
        : (key) => (taggedCrc32(key) >>> 0) % count;
    }
    case 'crc32':
      return (key) => (keyCrc32(key) >>> 0) % count;
    case 'sumbur':
      return (key) => sumbur(keyCrc32(key) >>> 0, count);
    case 'guava':
    case 'jump':
      return (key) => jumpHash(keyCrc32(key) >>> 0, count);
    case 'tarantoolGuava':
      return (key) => jumpHash(tarantoolKeyCrc32(key), count);
  }
}

const open = 0x7b;
const close = 0x7d;

/** Signed: only the 32 bits count. */
function keyCrc32(key: string | Uint8Array): number {
  if (typeof key !== 'string') return crc32(checkedBytes(key)) | 0;
  const crc = key.length > 0 && key.length <= keyBytesMax ? asciiCrc32(key, 0, key.length) : notAscii;
  return crc !== notAscii ? crc : textCrc32(checkedText(key), 0, key.length);
}

function tarantoolKeyCrc32(key: string | Uint8Array): number {
  return typeof key === 'string' ? tarantoolTextCrc32(checkedText(key)) : tarantoolCrc32(checkedBytes(key));
}

/** The CRC-32 of the key's tag if it has one: what stands between the first `{` and the next `}`, unless that is nothing. */
function taggedCrc32(key: string | Uint8Array): number {
  if (typeof key !== 'string') return taggedBytesCrc32(checkedBytes(key));
  const from = key.indexOf('{') + 1;
  if (from === 0) return keyCrc32(key);
  const to = checkedText(key).indexOf('}', from);
  if (to <= from) return keyCrc32(key);
  const crc = asciiCrc32(key, from, to);
  return crc !== notAscii ? crc : textCrc32(key, from, to);
}

function taggedBytesCrc32(key: Uint8Array): number {
  const from = key.indexOf(open) + 1;
  const to = from === 0 ? -1 : key.indexOf(close, from);
  return (to > from ? crc32(key, from, to) : crc32(key)) | 0;
}

function checkedBytes(key: unknown): Uint8Array {
  if (!(key instanceof Uint8Array)) throw new InvalidArgumentError('a key must be a string or a Uint8Array');
  checkLength(key.length);
  return key;
}

function checkedText(key: string): string {
  checkLength(key.length > keyBytesMax ? key.length : utf8BytesOf(key));
  return key;
}

function checkLength(bytes: number): void {
  if (bytes === 0) throw new InvalidArgumentError('a key must have at least one byte');
  if (bytes > keyBytesMax) throw new TooLargeError(`a key has at most ${keyBytesMax} bytes in UTF-8`);
}

function utf8BytesOf(text: string): number {
  let bytes = text.length;
  for (let at = 0; at < text.length; at++) {
    const code = text.charCodeAt(at);
    if (code < 0x80) continue;
    bytes += code < 0x800 ? 1 : 2;
    if (code < 0xd800 || code > 0xdfff) continue;
    const next = text.charCodeAt(++at);
    if (code > 0xdbff || !(next >= 0xdc00 && next <= 0xdfff))
      throw new InvalidArgumentError('a key must be well-formed text: it holds half a surrogate pair');
  }
  return bytes;
}
