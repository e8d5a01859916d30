import { scanDepthMax, scanItemsMax } from './limits.ts';

/** Values still to come per open tuple. One scan runs at a time: it neither waits nor calls out. */
const pending = new Int32Array(scanDepthMax + 1);

/**
 * Checks bytes against our subset of MessagePack before anything decodes them: one value, exact end, tuples to 16 levels,
 * bounded item count, safe integers, valid UTF-8, bins, booleans, nil. No maps, no extensions, no 0xc1, no fractions.
 * Allocates nothing, reads each byte at most once.
 *
 * What passes is there to its last value, so a decoder allocates for nothing that was only claimed: nested arrays that each
 * claim all that remains make 64 KiB cost a gigabyte otherwise.
 *
 * @returns undefined when the bytes are in the subset, else what is wrong.
 */
export function scan(bytes: Uint8Array, itemsMax: number = scanItemsMax): string | undefined {
  const end = bytes.length;
  let at = 0;
  let depth = 0;
  let itemCount = 0;
  pending[0] = 1;
  while (true) {
    while (pending[depth] === 0) {
      if (depth === 0) return at === end ? undefined : 'bytes after the value';
      depth--;
    }
    if (at >= end) return 'ends early';
    pending[depth]!--;
    if (++itemCount > itemsMax) return 'too many items';
    const head = bytes[at++]!;

    if (head <= 0x7f || head >= 0xe0 || head === 0xc0 || head === 0xc2 || head === 0xc3) continue;

    const tupleLength = tupleLengthAt(bytes, at, head, end);
    if (tupleLength !== notThis) {
      if (tupleLength < 0) return 'ends early';
      if (head > 0x9f) at += head === 0xdc ? 2 : 4;
      if (tupleLength > end - at) return 'ends early';
      if (tupleLength === 0) continue;
      if (++depth > scanDepthMax) return 'nested too deep';
      pending[depth] = tupleLength;
      continue;
    }

    const next = endOfScalar(bytes, at, head, end);
    if (next < 0) return faults[-next];
    at = next;
  }
}

const notThis = -2;

/** @returns the length of the tuple whose head was just read, -1 if the length is cut off, `notThis` for another kind of value. */
function tupleLengthAt(bytes: Uint8Array, at: number, head: number, end: number): number {
  if (head >= 0x90 && head <= 0x9f) return head & 0x0f;
  if (head === 0xdc) return at + 2 > end ? -1 : readUint(bytes, at, 2);
  if (head === 0xdd) return at + 4 > end ? -1 : readUint(bytes, at, 4);
  return notThis;
}

const endsEarly = -1;
const badUtf8 = -2;
const unsafeInteger = -3;
const notInSubset = -4;
const faults: readonly string[] = [
  '',
  'ends early',
  'text is not UTF-8',
  'number is not a safe integer',
  'map, extension or unknown type',
];

/** @returns where the scalar ends, or the negated index of a fault. */
function endOfScalar(bytes: Uint8Array, at: number, head: number, end: number): number {
  if (head >= 0xa0 && head <= 0xbf) return endOfText(bytes, at, head & 0x1f, end);
  switch (head) {
    case 0xc4:
    case 0xc5:
    case 0xc6: {
      const body = at + (1 << (head - 0xc4));
      if (body > end) return endsEarly;
      const stop = body + readUint(bytes, at, body - at);
      return stop > end ? endsEarly : stop;
    }
    case 0xd9:
    case 0xda:
    case 0xdb: {
      const body = at + (1 << (head - 0xd9));
      return body > end ? endsEarly : endOfText(bytes, body, readUint(bytes, at, body - at), end);
    }
    case 0xcc:
    case 0xd0:
      return at + 1 > end ? endsEarly : at + 1;
    case 0xcd:
    case 0xd1:
      return at + 2 > end ? endsEarly : at + 2;
    case 0xce:
    case 0xd2:
      return at + 4 > end ? endsEarly : at + 4;
    case 0xcb:
    case 0xcf:
    case 0xd3:
      if (at + 8 > end) return endsEarly;
      return isSafeWide(bytes, at, head) ? at + 8 : unsafeInteger;
    default:
      return notInSubset;
  }
}

/** msgpack-lite writes integers beyond 32 bits as float64, other libraries as int64: both are read, if safe. */
function isSafeWide(bytes: Uint8Array, at: number, head: number): boolean {
  const high = readUint(bytes, at, 4);
  const low = readUint(bytes, at + 4, 4);
  if (head === 0xcf) return high <= 0x1f_ffff;
  if (head === 0xd3) return high <= 0x1f_ffff || high > 0xffe0_0000 || (high === 0xffe0_0000 && low > 0);
  return isSafeFloat(high, low);
}

/** A float64 with these two halves is an integer within +-(2^53 - 1) and not -0; judged on the bits, nothing is built. */
function isSafeFloat(high: number, low: number): boolean {
  if (high === 0 && low === 0) return true;
  const exponent = ((high >>> 20) & 0x7ff) - 1023;
  if (exponent < 0 || exponent > 52) return false;
  const fractionBits = 52 - exponent;
  if (fractionBits >= 32) return low === 0 && isZeroBelow(high & 0xf_ffff, fractionBits - 32);
  return isZeroBelow(low, fractionBits);
}

/** @returns true if the lowest `bits` bits (0 to 31) are zero. */
function isZeroBelow(value: number, bits: number): boolean {
  return (value & ((1 << bits) - 1)) === 0;
}

function readUint(bytes: Uint8Array, at: number, count: number): number {
  let value = 0;
  for (let i = 0; i < count; i++) value = value * 256 + bytes[at + i]!;
  return value;
}

/** Walks UTF-8 as the Unicode standard's table 3-7 has it: no overlong forms, no surrogates, nothing above U+10FFFF. */
function endOfText(bytes: Uint8Array, start: number, length: number, end: number): number {
  const stop = start + length;
  if (stop > end) return endsEarly;
  let at = start;
  while (at < stop) {
    const lead = bytes[at]!;
    if (lead < 0x80) {
      at++;
      continue;
    }
    const size =
      lead >= 0xc2 && lead <= 0xdf
        ? 2
        : lead >= 0xe0 && lead <= 0xef
          ? 3
          : lead >= 0xf0 && lead <= 0xf4
            ? 4
            : 0;
    if (size === 0 || at + size > stop) return badUtf8;
    const second = bytes[at + 1]!;
    const lowest = lead === 0xe0 ? 0xa0 : lead === 0xf0 ? 0x90 : 0x80;
    const highest = lead === 0xed ? 0x9f : lead === 0xf4 ? 0x8f : 0xbf;
    if (second < lowest || second > highest) return badUtf8;
    for (let i = 2; i < size; i++) if ((bytes[at + i]! & 0xc0) !== 0x80) return badUtf8;
    at += size;
  }
  return stop;
}
