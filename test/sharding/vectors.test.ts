import { describe, expect, it } from 'vitest';
import { asciiCrc32, crc32, notAscii, tarantoolCrc32, textCrc32 } from '../../src/sharding/crc32.ts';
import { jumpHash } from '../../src/sharding/jump.ts';
import { createPartitioner, keyBytesMax } from '../../src/sharding/partitioner.ts';
import { sumbur, sumburShardsMax } from '../../src/sharding/sumbur.ts';
import type { PartitionerName } from '../../src/sharding/types.ts';
import {
  type Crc32Vectors,
  type GuavaVectors,
  type JumpVectors,
  type SumburVectors,
  type TarantoolVectors,
  vectorsOf,
} from './vectors.ts';

const encoder = new TextEncoder();
const bytesOf = (key: string) => encoder.encode(key);
/** The vectors go beyond what may be a key here: the empty one, and one of 1,024 bytes. */
const isKey = (key: string) => key !== '' && bytesOf(key).length <= keyBytesMax;

/** Both forms of a key, by the partitioner of that name. */
function bucketsOf(partitioner: PartitionerName, bucketCount: number, key: string): readonly number[] {
  const { bucketOf } = createPartitioner({ partitioner, bucketCount });
  return [bucketOf(key), bucketOf(bytesOf(key))];
}

describe('the functions give exactly what the deployed implementations give', () => {
  it('crc32, every row of crc32.json', () => {
    const { vectors, rawVectors } = vectorsOf<Crc32Vectors>('crc32');
    expect([vectors.length, rawVectors.length]).toEqual([399, 160]);
    for (const row of vectors) {
      expect(crc32(bytesOf(row.key)), row.key).toBe(row.crc32);
      const isAscii = bytesOf(row.key).every((byte) => byte < 0x80);
      expect(asciiCrc32(row.key, 0, row.key.length)).toBe(isAscii ? row.crc32 | 0 : notAscii);
      expect(textCrc32(row.key, 0, row.key.length)).toBe(row.crc32 | 0);
      if (!isKey(row.key)) continue;
      for (const [count, bucket] of Object.entries(row.mod))
        expect(bucketsOf('crc32', Number(count), row.key), row.key).toEqual([bucket, bucket]);
    }
    for (const row of rawVectors) {
      const bytes = Buffer.from(row.hex, 'hex');
      expect(crc32(bytes), row.hex).toBe(row.crc32);
      for (const [count, bucket] of Object.entries(row.mod)) expect(row.crc32 % Number(count)).toBe(bucket);
    }
  });

  it('jump, every row of jump.json, with the key as a number too where that is exact', () => {
    const { vectors } = vectorsOf<JumpVectors>('jump');
    expect(vectors.length).toBe(1375);
    for (const { key, buckets, bucket } of vectors) {
      expect(jumpHash(BigInt(key), buckets), `${key} of ${buckets}`).toBe(bucket);
      if (Number.isSafeInteger(Number(key))) expect(jumpHash(Number(key), buckets)).toBe(bucket);
    }
  });

  it('guava, every row of guava-consistent-hash.json', () => {
    const { vectors, keyVectors } = vectorsOf<GuavaVectors>('guava-consistent-hash');
    expect([vectors.length, keyVectors.length]).toEqual([1375, 399]);
    for (const { input, buckets, bucket } of vectors)
      expect(jumpHash(BigInt(input), buckets), `${input} of ${buckets}`).toBe(bucket);
    for (const row of keyVectors) {
      for (const [at, count] of row.buckets.entries()) {
        const bucket = row.results[at];
        expect(jumpHash(row.crc32, count), row.key).toBe(bucket);
        if (!isKey(row.key)) continue;
        expect(bucketsOf('guava', count, row.key)).toEqual([bucket, bucket]);
        expect(bucketsOf('jump', count, row.key)).toEqual([bucket, bucket]);
      }
    }
  });

  it('sumbur, every row of sumbur.json up to 46,340 shards, and as pure Ruby says where the three differ', () => {
    const { vectors, divergent, keyVectors } = vectorsOf<SumburVectors>('sumbur');
    expect([vectors.length, divergent.length, keyVectors.length]).toEqual([1013, 15, 399]);
    const rows = [...vectors, ...divergent.map((row) => ({ ...row, shard: row.pureRuby }))];
    for (const { hash, capacity, shard } of rows) {
      if (capacity > sumburShardsMax) expect(() => sumbur(hash, capacity)).toThrow(/46340/);
      else expect(sumbur(hash, capacity), `${hash} of ${capacity}`).toBe(shard);
    }
    for (const row of keyVectors) {
      for (const [at, count] of row.capacities.entries()) {
        const shard = row.results[at];
        expect(sumbur(row.hash, count), row.key).toBe(shard);
        if (isKey(row.key)) expect(bucketsOf('sumbur', count, row.key)).toEqual([shard, shard]);
      }
    }
  });

  it('tarantoolGuava, every row of tarantool-vshard.json: Tarantool counts shards from 1, buckets count from 0', () => {
    const { stringVectors } = vectorsOf<TarantoolVectors>('tarantool-vshard');
    expect(stringVectors.length).toBe(399);
    for (const row of stringVectors) {
      expect(tarantoolCrc32(bytesOf(row.key)), row.key).toBe(row.crc32cRaw);
      for (const [count, shard] of Object.entries(row.oldShardModule)) {
        expect(1 + jumpHash(row.crc32cRaw, Number(count)), row.key).toBe(shard);
        if (!isKey(row.key)) continue;
        expect(bucketsOf('tarantoolGuava', Number(count), row.key)).toEqual([shard - 1, shard - 1]);
      }
    }
  });

  it('the checksum of vshard, by which a bucket id is the remainder plus 1', () => {
    const { stringVectors, numberVectors, multipartVectors } =
      vectorsOf<TarantoolVectors>('tarantool-vshard');
    for (const row of stringVectors)
      for (const [count, id] of Object.entries(row.bucketId))
        expect(1 + (tarantoolCrc32(bytesOf(row.key)) % Number(count)), row.key).toBe(id);
    for (const { number, strcrc32, bucketId3000 } of numberVectors) {
      expect(tarantoolCrc32(bytesOf(String(number)))).toBe(strcrc32);
      expect(1 + (strcrc32 % 3000)).toBe(bucketId3000.strcrc32);
    }
    for (const { key, strcrc32 } of multipartVectors)
      expect(tarantoolCrc32(bytesOf(key.join('')))).toBe(strcrc32);
  });
});
