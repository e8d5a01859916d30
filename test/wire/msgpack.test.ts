import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { decodeStrict, encodeTuple } from '../../src/wire/msgpack.ts';

const scalar = fc.oneof(
  fc.integer(),
  fc.maxSafeInteger(),
  fc.string({ maxLength: 40 }),
  fc.boolean(),
  fc.constant(null),
  fc.uint8Array({ maxLength: 5_000 }).map((bytes) => Buffer.from(bytes)),
);

/** MessagePack has one zero. */
function withoutNegativeZero(value: unknown): unknown {
  return Object.is(value, -0) ? 0 : value;
}

describe('tuples', () => {
  it('come back as they were, however many were encoded since', () => {
    fc.assert(
      fc.property(fc.array(fc.array(scalar, { maxLength: 8 }), { maxLength: 60 }), (tuples) => {
        const encoded = tuples.map((tuple) => encodeTuple(tuple));
        expect(encoded.map((bytes) => decodeStrict(bytes))).toEqual(
          tuples.map((tuple) => tuple.map(withoutNegativeZero)),
        );
      }),
    );
  });

  it('are encoded as ever after one that could not be', () => {
    const notOurs: readonly unknown[] = [1, 2n];
    expect(() => encodeTuple(JSON.parse('[1, 1.5]'))).toThrow('no peer would read');
    expect(() => Reflect.apply(encodeTuple, undefined, [notOurs])).toThrow('bigint');
    expect(decodeStrict(encodeTuple([7, 'seven']))).toEqual([7, 'seven']);
  });

  it('hold payloads larger than a slab', () => {
    const payload = Buffer.alloc(100_000, 7);
    const bytes = encodeTuple([1, payload, 2]);
    expect(bytes.equals(Buffer.concat([Buffer.from('9301c6000186a0', 'hex'), payload, Buffer.of(2)]))).toBe(
      true,
    );
  });
});
