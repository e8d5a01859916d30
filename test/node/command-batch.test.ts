import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { InvariantError } from '../../src/base/errors.ts';
import { decodeCommandBatch, encodeCommandBatch } from '../../src/node/command-batch.ts';

const commands = fc.array(fc.uint8Array({ maxLength: 40 }), { maxLength: 20 });

describe('a command batch', () => {
  it('comes back as it was, also from the middle of a larger buffer', () => {
    fc.assert(
      fc.property(commands, fc.nat(7), (batch, offset) => {
        const data = encodeCommandBatch(batch);
        const within = new Uint8Array(data.length + offset);
        within.set(data, offset);
        const decoded = decodeCommandBatch(within.subarray(offset));
        expect(decoded.map((command) => [...command])).toEqual(batch.map((command) => [...command]));
      }),
    );
  });

  it('refuses every cut and every extension', () => {
    fc.assert(
      fc.property(commands, (batch) => {
        const data = encodeCommandBatch(batch);
        for (let length = 0; length < data.length; length++) {
          expect(() => decodeCommandBatch(data.subarray(0, length))).toThrow(InvariantError);
        }
        expect(() => decodeCommandBatch(Uint8Array.of(...data, 0))).toThrow(InvariantError);
      }),
      { numRuns: 30 },
    );
  });
});
