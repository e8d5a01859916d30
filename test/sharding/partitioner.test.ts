import { crc32 as zlibCrc32 } from 'node:zlib';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { InvalidArgumentError, TooLargeError } from '../../src/base/errors.ts';
import { jumpHash } from '../../src/sharding/jump.ts';
import { createPartitioner, defaultBucketCount } from '../../src/sharding/partitioner.ts';
import { sumbur, sumburShardsMax } from '../../src/sharding/sumbur.ts';
import { partitionerNames } from '../../src/sharding/types.ts';

const buckets = createPartitioner({ partitioner: 'buckets', bucketCount: defaultBucketCount });
const text = fc.string({ unit: 'binary', minLength: 1, maxLength: 60 });

/** Whatever a caller without types may hand over. */
function given<T>(value: unknown): T {
  const box: { readonly value: T } = JSON.parse('{}', () => ({ value }));
  return box.value;
}

describe('a key', () => {
  it('has the bucket of its UTF-8 bytes, by every partitioner', () => {
    for (const partitioner of partitionerNames) {
      for (const bucketCount of [1, 3, 1_000, 16_384]) {
        const { bucketOf } = createPartitioner({ partitioner, bucketCount });
        fc.assert(
          fc.property(text, (key) => {
            const bucket = bucketOf(key);
            expect(bucket).toBe(bucketOf(Buffer.from(key)));
            expect(bucket).toBeGreaterThanOrEqual(0);
            expect(bucket).toBeLessThan(bucketCount);
          }),
          { numRuns: 50 },
        );
      }
    }
  });

  it.each([
    ['plain', 'plain'],
    ['user:{42}:access', '42'],
    ['{42}', '42'],
    ['{пользователь}.a', 'пользователь'],
    ['{a}{b}', 'a'],
    ['}{a}', 'a'],
    ['{{a}}', '{a'],
    ['{}', '{}'],
    ['{}{a}', '{}{a}'],
    ['{a', '{a'],
    ['a}', 'a}'],
    ['é{a}', 'a'],
  ])('%s is dealt by %s', (key, hashed) => {
    const bucket = zlibCrc32(hashed) & (defaultBucketCount - 1);
    expect(buckets.bucketOf(key)).toBe(bucket);
    expect(buckets.bucketOf(Buffer.from(key))).toBe(bucket);
  });

  it('has its tag taken by the default partitioner alone: the others repeat what deployed ones do', () => {
    const count = 1_000;
    const of = (name: 'crc32' | 'buckets') => createPartitioner({ partitioner: name, bucketCount: count });
    expect(of('crc32').bucketOf('user:{42}')).toBe(zlibCrc32('user:{42}') % count);
    expect(of('buckets').bucketOf('user:{42}')).toBe(zlibCrc32('42') % count);
  });

  it('has the remainder as its bucket when their number is not a power of two', () => {
    const { bucketOf } = createPartitioner({ partitioner: 'buckets', bucketCount: 10_007 });
    fc.assert(
      fc.property(fc.string({ unit: 'grapheme', minLength: 1, maxLength: 20 }), (key) => {
        fc.pre(!key.includes('{'));
        expect(bucketOf(key)).toBe(zlibCrc32(Buffer.from(key)) % 10_007);
      }),
    );
  });

  it('is refused when it is empty, not text or bytes, or half of a character', () => {
    for (const partitioner of partitionerNames) {
      const { bucketOf } = createPartitioner({ partitioner, bucketCount: 16 });
      for (const key of [
        '',
        new Uint8Array(0),
        7,
        null,
        undefined,
        ['a'],
        {},
        'a\ud800',
        '\udc00b',
        '{a}\ud800',
      ])
        expect(() => bucketOf(given(key))).toThrow(InvalidArgumentError);
    }
  });

  it('has at most 256 bytes, not characters', () => {
    for (const partitioner of partitionerNames) {
      const { bucketOf } = createPartitioner({ partitioner, bucketCount: 16 });
      for (const key of ['x'.repeat(256), 'я'.repeat(128), new Uint8Array(256), `{a}${'x'.repeat(253)}`])
        expect(bucketOf(key)).toBeLessThan(16);
      for (const key of ['x'.repeat(257), 'я'.repeat(129), new Uint8Array(257), `{a}${'x'.repeat(254)}`])
        expect(() => bucketOf(key)).toThrow(TooLargeError);
    }
  });
});

describe('a partition', () => {
  it('is refused when its name is unknown or its size out of range', () => {
    const refused = (partitioner: unknown, bucketCount: unknown) =>
      expect(() => createPartitioner(given({ partitioner, bucketCount }))).toThrow(InvalidArgumentError);
    refused('md5', 16);
    for (const count of [0, -1, 1.5, Number.NaN, 65_537, '16', undefined]) refused('buckets', count);
    refused('sumbur', sumburShardsMax + 1);
    expect(
      createPartitioner({ partitioner: 'sumbur', bucketCount: sumburShardsMax }).bucketOf('a'),
    ).toBeLessThan(sumburShardsMax);
  });

  it('of a function refuses what is outside its domain', () => {
    for (const shards of [0, -1, 1.5, sumburShardsMax + 1, Number.NaN])
      expect(() => sumbur(1, shards)).toThrow(InvalidArgumentError);
    for (const hash of [-1, 2 ** 32, 0.5]) expect(() => sumbur(hash, 2)).toThrow(InvalidArgumentError);
    for (const count of [0, -1, 2 ** 31, 1.5])
      expect(() => jumpHash(1n, count)).toThrow(InvalidArgumentError);
    for (const key of [-1, 0.5, 2 ** 53, -1n, 2n ** 64n])
      expect(() => jumpHash(key, 2)).toThrow(InvalidArgumentError);
  });

  it('of jump hash says the same for a number and for a big integer', () => {
    fc.assert(
      fc.property(fc.maxSafeNat(), fc.integer({ min: 1, max: 0x7fff_ffff }), (key, count) => {
        expect(jumpHash(key, count)).toBe(jumpHash(BigInt(key), count));
      }),
    );
  });
});
