import { Buffer } from 'node:buffer';
import fc from 'fast-check';
import msgpack from 'msgpack-lite';
import { describe, expect, it } from 'vitest';
import { InvariantError, ProtocolError } from '../../src/base/errors.ts';
import { readBin, readEnum, readInt, readOptional, readString, readTuple } from '../../src/wire/fields.ts';
import { scanDepthMax, scanItemsMax } from '../../src/wire/limits.ts';
import { decodeStrict, encodeTuple, type WireValue } from '../../src/wire/msgpack.ts';
import { scan } from '../../src/wire/scan.ts';

const wireValue: fc.Arbitrary<WireValue> = fc.letrec<{ value: WireValue }>((tie) => ({
  value: fc.oneof(
    { depthSize: 'small' },
    fc.maxSafeInteger(),
    fc.integer(),
    fc
      .string({ unit: 'binary', maxLength: 40 })
      .filter((text) => !/[\ud800-\udfff]/.test(text.replace(/[\ud800-\udbff][\udc00-\udfff]/g, ''))),
    fc.boolean(),
    fc.constant(null),
    fc.uint8Array({ maxLength: 300 }).map((bytes) => Buffer.from(bytes)),
    fc.array(tie('value'), { maxLength: 20 }),
  ),
})).value;

/** Nested array32 heads that each claim all that remains: 64 KiB of it made the bare decoder allocate a gigabyte. */
function amplification(bytes: number): Buffer {
  const frame = Buffer.alloc(bytes);
  for (let at = 0; at + 5 <= bytes; at += 5) {
    frame[at] = 0xdd;
    frame.writeUInt32BE(bytes - at - 5, at + 1);
  }
  return frame;
}

function decodesOrRefuses(bytes: Uint8Array): void {
  try {
    decodeStrict(bytes);
  } catch (error) {
    expect(error).toBeInstanceOf(ProtocolError);
  }
}

describe('scan', () => {
  it('passes what the encoder writes, and the value comes back equal', () => {
    fc.assert(
      fc.property(fc.array(wireValue, { maxLength: 12 }), (tuple) => {
        fc.pre(depthOf(tuple) <= scanDepthMax);
        expect(decodeStrict(encodeTuple(tuple))).toEqual(tuple);
      }),
      { numRuns: 500 },
    );
  });

  it('lets nothing but ProtocolError out for random bytes', () => {
    fc.assert(fc.property(fc.uint8Array({ maxLength: 64 }), decodesOrRefuses), { numRuns: 20_000 });
  });

  it('passes random bytes only if the bare decoder reads them to the end', () => {
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 1, maxLength: 24 }), (bytes) => {
        if (scan(bytes) === undefined) expect(() => msgpack.decode(Buffer.from(bytes))).not.toThrow();
      }),
      { numRuns: 20_000 },
    );
  });

  it('lets nothing but ProtocolError out for mutations of valid frames', () => {
    fc.assert(
      fc.property(
        fc.array(wireValue, { maxLength: 8 }),
        fc.array(fc.tuple(fc.nat(), fc.integer({ min: 0, max: 255 })), { minLength: 1, maxLength: 4 }),
        fc.integer({ min: -3, max: 3 }),
        (tuple, changes, grow) => {
          fc.pre(depthOf(tuple) <= scanDepthMax);
          const frame = Buffer.concat([encodeTuple(tuple), Buffer.alloc(Math.max(0, grow))]);
          for (const [at, byte] of changes) frame[at % frame.length] = byte;
          decodesOrRefuses(frame.subarray(0, frame.length + Math.min(0, grow)));
        },
      ),
      { numRuns: 2_000 },
    );
  });

  it('refuses amplifying nested arrays without allocating for them (pitfall: 64 KiB becomes 1 GB)', () => {
    const frames = [64, 256, 4096].map((kib) => amplification(kib * 1024));
    const before = process.memoryUsage().rss;
    for (const frame of frames) expect(() => decodeStrict(frame)).toThrow(ProtocolError);
    expect(process.memoryUsage().rss - before).toBeLessThan(32 * 1024 * 1024);
  });

  it.each([
    ['an empty frame', ''],
    ['bytes after the value', '00 00'],
    ['a tuple that ends early', '93 01 02'],
    ['0xc1', 'c1'],
    ['an empty map', '80'],
    ['a map that names __proto__', '81 a9 5f5f70726f746f5f5f 81 a5 61646d696e c3'],
    ['map16', 'de 0000'],
    ['map32', 'df 00000000'],
    ['fixext 1', 'd4 0a 00'],
    ['ext 8 (RegExp of the default codec)', 'c7 03 0a 92 a0 a0'],
    ['ext 16', 'c8 0000 01'],
    ['a timestamp', 'd6 ff 00000000'],
    ['float32', 'ca 3f800000'],
    ['a fraction', 'cb 3ff8000000000000'],
    ['NaN', 'cb 7ff8000000000000'],
    ['infinity', 'cb 7ff0000000000000'],
    ['-0', 'cb 8000000000000000'],
    ['2^53 as float64', 'cb 4340000000000000'],
    ['2^53 as uint64', 'cf 0020000000000000'],
    ['2^64 - 1', 'cf ffffffffffffffff'],
    ['-2^53 as int64', 'd3 ffe0000000000000'],
    ['-2^63', 'd3 8000000000000000'],
    ['str32 that claims 4 GiB', 'db ffffffff 61'],
    ['bin32 that claims 4 GiB', 'c6 ffffffff 61'],
    ['array32 that claims 4 GiB', 'dd ffffffff 61'],
    ['array16 cut in its length', 'dc 00'],
    ['bin8 cut in its length', 'c4'],
    ['an overlong form', 'a2 c0 80'],
    ['a surrogate', 'a3 ed a0 80'],
    ['a code point above U+10FFFF', 'a4 f4 90 80 80'],
    ['a text cut inside a character', 'a1 e2'],
    ['a lone continuation byte', 'a1 80'],
  ])('refuses %s', (_, hex) => {
    expect(() => decodeStrict(Buffer.from(hex.replaceAll(' ', ''), 'hex'))).toThrow(ProtocolError);
  });

  it.each([
    ['2^53 - 1 as float64', 'cb 433fffffffffffff', Number.MAX_SAFE_INTEGER],
    ['2^53 - 1 as uint64', 'cf 001fffffffffffff', Number.MAX_SAFE_INTEGER],
    ['-(2^53 - 1) as float64', 'cb c33fffffffffffff', Number.MIN_SAFE_INTEGER],
    ['-(2^53 - 1) as int64', 'd3 ffe0000000000001', Number.MIN_SAFE_INTEGER],
    ['2^32 as float64', 'cb 41f0000000000000', 2 ** 32],
    ['1 as float64', 'cb 3ff0000000000000', 1],
    ['int8', 'd0 80', -128],
    ['uint32', 'ce ffffffff', 0xffff_ffff],
  ])('reads %s as other libraries write it', (_, hex, value) => {
    expect(decodeStrict(Buffer.from(hex.replaceAll(' ', ''), 'hex'))).toBe(value);
  });

  it('bounds the nesting at 16 and the item count', () => {
    expect(scan(Buffer.from([...Array(scanDepthMax).fill(0x91), 0xc0]))).toBeUndefined();
    expect(scan(Buffer.from([...Array(scanDepthMax + 1).fill(0x91), 0xc0]))).toBe('nested too deep');
    const wide = (count: number) =>
      Buffer.concat([Buffer.from([0xdd, 0, 0, count >> 8, count & 255]), Buffer.alloc(count)]);
    expect(scan(wide(scanItemsMax - 1))).toBeUndefined();
    expect(scan(wide(100), 100)).toBe('too many items');
    expect(scan(wide(99), 100)).toBeUndefined();
  });

  it('judges safe floats on their bits exactly as Number.isSafeInteger does', () => {
    fc.assert(
      fc.property(
        fc.oneof(
          fc.double(),
          fc.maxSafeInteger().map(Number),
          fc.integer().map((n) => n / 2),
        ),
        (value) => {
          const frame = Buffer.alloc(9);
          frame[0] = 0xcb;
          frame.writeDoubleBE(value, 1);
          expect(scan(frame) === undefined).toBe(Number.isSafeInteger(value) && !Object.is(value, -0));
        },
      ),
      { numRuns: 5_000 },
    );
  });
});

describe('encodeTuple', () => {
  it('refuses to send what no peer would read', () => {
    expect(() => encodeTuple([1.5])).toThrow(InvariantError);
    expect(() => encodeTuple([Number.NaN])).toThrow(InvariantError);
    expect(() => encodeTuple([2 ** 53])).toThrow(InvariantError);
  });
});

describe('field readers', () => {
  it('return checked values and throw ProtocolError otherwise', () => {
    expect(readTuple([1, 2], 't', 2)).toEqual([1, 2]);
    expect(readInt(5, 'n', 1, 5)).toBe(5);
    expect(readString('ä', 's', 2)).toBe('ä');
    expect(readBin(Buffer.from('ab'), 'b', 2).toString()).toBe('ab');
    expect(readOptional(null, 'o', readInt)).toBeUndefined();
    expect(readEnum(1, 'e', ['a', 'b'])).toBe('b');
    for (const bad of [
      () => readTuple('no', 't', 1),
      () => readTuple([1], 't', 2),
      () => readInt(0, 'n', 1),
      () => readInt(-0, 'n'),
      () => readInt(1.5, 'n'),
      () => readInt('1', 'n'),
      () => readString('ä', 's', 1),
      () => readBin(new Uint8Array(1), 'b', 2),
      () => readEnum(2, 'e', ['a', 'b']),
    ]) {
      expect(bad).toThrow(ProtocolError);
    }
  });
});

function depthOf(value: WireValue): number {
  if (!Array.isArray(value)) return 0;
  return 1 + Math.max(0, ...value.map(depthOf));
}
