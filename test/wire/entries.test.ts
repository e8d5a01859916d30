import { crc32 } from 'node:zlib';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { InvariantError, ProtocolError } from '../../src/base/errors.ts';
import type { LogEntry } from '../../src/raft/types.ts';
import { decodeEntries, encodeEntries, entriesLayout, entryLayout } from '../../src/wire/entries.ts';

const largest = Number.MAX_SAFE_INTEGER;

const entries: fc.Arbitrary<LogEntry[]> = fc
  .record({
    first: fc.oneof(fc.integer({ min: 1, max: 1_000 }), fc.constant(2 ** 40)),
    list: fc.array(
      fc.record({
        kind: fc.constantFrom('bootstrap' as const, 'noop' as const, 'commands' as const),
        terms: fc.constantFrom(0, 1, 2 ** 33),
        stamps: fc.constantFrom(0, 5, 2 ** 41),
        data: fc.uint8Array({ maxLength: 40 }),
      }),
      { maxLength: 8 },
    ),
  })
  .map(({ first, list }) => {
    let term = 1;
    let stampMs = 0;
    return list.map(({ kind, terms, stamps, data }, n) => {
      term += terms;
      stampMs += stamps;
      return { index: first + n, term, kind, stampMs, data };
    });
  });

function plain(list: readonly LogEntry[]): readonly unknown[] {
  return list.map((entry) => ({ ...entry, data: [...entry.data] }));
}

function sample(count = 3): LogEntry[] {
  return Array.from({ length: count }, (_, n) => ({
    index: n + 5,
    term: 2,
    kind: 'commands' as const,
    stampMs: 1_000 + n,
    data: Uint8Array.of(n, n, n),
  }));
}

/** The blob with one change, under a checksum that fits. */
function forged(change: (blob: Buffer) => Buffer | undefined): Buffer {
  const blob = Buffer.from(encodeEntries(sample()));
  const changed = change(blob) ?? blob;
  changed.writeUInt32BE(crc32(changed.subarray(entriesLayout.format)), entriesLayout.crc);
  return changed;
}

const firstEntry = entriesLayout.headerBytes;
const secondEntry = firstEntry + entryLayout.headerBytes + 3;

describe('the entry blob', () => {
  it('gives back what was packed', () => {
    fc.assert(
      fc.property(entries, (list) => {
        expect(plain(decodeEntries(Buffer.from(encodeEntries(list))))).toEqual(plain(list));
      }),
    );
  });

  it('holds the largest safe integers', () => {
    const list: LogEntry[] = [
      { index: largest - 1, term: largest, kind: 'noop', stampMs: largest, data: new Uint8Array() },
    ];
    expect(decodeEntries(Buffer.from(encodeEntries(list)))[0]).toMatchObject({
      index: largest - 1,
      stampMs: largest,
    });
  });

  it('is encoded once for the same array, also after it was decoded', () => {
    const list = sample();
    expect(encodeEntries(list)).toBe(encodeEntries(list));
    const blob = Buffer.from(encodeEntries(list));
    expect(encodeEntries(decodeEntries(blob))).toBe(blob);
  });

  it('is a buffer of its own, not a slice of a slab (pitfall 92)', () => {
    const blob = encodeEntries(sample());
    expect(blob.buffer.byteLength).toBe(blob.length);
  });

  it('refuses every flipped bit and every truncation', () => {
    const blob = encodeEntries(sample());
    for (let at = 0; at < blob.length; at++) {
      expect(() => decodeEntries(Buffer.from(blob.subarray(0, at)))).toThrow(ProtocolError);
      for (let bit = 0; bit < 8; bit++) {
        const damaged = Buffer.from(blob);
        damaged[at]! ^= 1 << bit;
        expect(() => decodeEntries(damaged)).toThrow(ProtocolError);
      }
    }
  });

  it.each<[string, (blob: Buffer) => Buffer | undefined]>([
    ['another format', (blob) => void blob.writeUInt8(2, entriesLayout.format)],
    ['a count of 4 billion', (blob) => void blob.writeUInt32BE(0xffffffff, entriesLayout.count)],
    ['a count that is too low', (blob) => void blob.writeUInt32BE(2, entriesLayout.count)],
    ['a count of 0 with a first index', (blob) => void blob.writeUInt32BE(0, entriesLayout.count)],
    [
      'a first index of 0',
      (blob) => void blob.fill(0, entriesLayout.firstIndex, entriesLayout.firstIndex + 8),
    ],
    ['an index of 2^53', (blob) => void blob.writeUInt32BE(0x200000, entriesLayout.firstIndex)],
    [
      'indexes that pass 2^53',
      (blob) => void blob.set(Buffer.from('001fffffffffffff', 'hex'), entriesLayout.firstIndex),
    ],
    ['kind 0', (blob) => void blob.writeUInt8(0, firstEntry + entryLayout.kind)],
    ['a kind of a newer version', (blob) => void blob.writeUInt8(4, firstEntry + entryLayout.kind)],
    ['a newer version of a kind', (blob) => void blob.writeUInt8(2, firstEntry + entryLayout.kindVersion)],
    ['a term of 2^53', (blob) => void blob.writeUInt32BE(0x200000, secondEntry + entryLayout.term)],
    ['a term that falls', (blob) => void blob.writeUInt32BE(1, secondEntry + entryLayout.term + 4)],
    ['a stamp that falls', (blob) => void blob.writeUInt32BE(3, secondEntry + entryLayout.stampMs + 4)],
    ['data of 4 GiB', (blob) => void blob.writeUInt32BE(0xffffffff, secondEntry + entryLayout.dataBytes)],
    [
      'data that reaches into the next entry',
      (blob) => void blob.writeUInt32BE(9, firstEntry + entryLayout.dataBytes),
    ],
    ['bytes after the end', (blob) => Buffer.concat([blob, Buffer.alloc(1)])],
    ['an end in the middle of an entry', (blob) => Buffer.from(blob.subarray(0, blob.length - 1))],
  ])('refuses %s under a checksum that fits', (_, change) => {
    expect(() => decodeEntries(forged(change))).toThrow(ProtocolError);
  });

  it('meets any bytes with a list or a ProtocolError, whatever they claim', () => {
    const header = fc.uint8Array({ minLength: entriesLayout.headerBytes, maxLength: 120 });
    const counts = fc.integer({ min: 0, max: 6 });
    fc.assert(
      fc.property(header, counts, fc.boolean(), (bytes, count, looksRight) => {
        const blob = Buffer.from(bytes);
        if (looksRight) {
          blob[entriesLayout.format] = 1;
          blob.writeUInt32BE(count, entriesLayout.count);
          blob.fill(0, entriesLayout.firstIndex, entriesLayout.firstIndex + 6);
        }
        blob.writeUInt32BE(crc32(blob.subarray(entriesLayout.format)), entriesLayout.crc);
        let list: readonly LogEntry[];
        try {
          list = decodeEntries(blob);
        } catch (error) {
          expect(error).toBeInstanceOf(ProtocolError);
          return;
        }
        expect(encodeEntries([...list])).toEqual(blob);
      }),
      { numRuns: 2_000 },
    );
  });

  it.each<[string, Partial<LogEntry>]>([
    ['a gap', { index: 9 }],
    ['a term that falls', { term: 1 }],
    ['a stamp that falls', { stampMs: 1 }],
    ['a stamp with a fraction', { stampMs: 2_000.5 }],
    ['a term above the safe integers', { term: 2 ** 53 }],
    ['a stamp that is no number', { stampMs: Number.NaN }],
  ])('is not made of %s', (_, change) => {
    const list = sample(2);
    expect(() => encodeEntries([list[0]!, { ...list[1]!, ...change }])).toThrow(InvariantError);
  });
});
