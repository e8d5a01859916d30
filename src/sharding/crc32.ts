/**
 * The tables of a reflected 32-bit CRC for four bytes at a time: the first 256 numbers are the remainders of each byte, the next
 * those of each byte with a zero byte behind it, and so on.
 */
function tablesOf(polynomial: number): Int32Array {
  const tables = new Int32Array(1_024);
  for (let byte = 0; byte < 256; byte++) {
    let rest = byte;
    for (let bit = 0; bit < 8; bit++) rest = rest & 1 ? (rest >>> 1) ^ polynomial : rest >>> 1;
    tables[byte] = rest;
  }
  for (let at = 256; at < 1_024; at++) {
    const before = tables[at - 256]!;
    tables[at] = (before >>> 8) ^ tables[before & 0xff]!;
  }
  return tables;
}

const zlibTables: Int32Array = tablesOf(0xedb8_8320);
const castagnoliTables: Int32Array = tablesOf(0x82f6_3b78);

/** CRC-32 as zlib computes it, of the bytes from `from` up to `to`. */
export function crc32(bytes: Uint8Array, from = 0, to: number = bytes.length): number {
  return ~remainder(zlibTables, bytes, from, to) >>> 0;
}

/** CRC-32C without the last complement, which is what Tarantool's `digest.crc32` answers. */
export function tarantoolCrc32(bytes: Uint8Array): number {
  return remainder(castagnoliTables, bytes, 0, bytes.length) >>> 0;
}

/** What `asciiCrc32` answers for other text: no number of 32 bits. */
export const notAscii: number = 2 ** 32;

/**
 * zlib's CRC-32 of the characters from `from` up to `to` without encoding them, or `notAscii`. Signed, as a machine word is: the
 * unsigned half of the numbers would be allocated one by one.
 */
export function asciiCrc32(text: string, from: number, to: number): number {
  return asciiRemainder(zlibTables, -1, text, from, to);
}

/** zlib's CRC-32, signed, of the UTF-8 of the characters from `from` up to `to`, which is well-formed text. */
export function textCrc32(text: string, from: number, to: number): number {
  return ~textRemainder(zlibTables, text, from, to);
}

/** The same as `tarantoolCrc32` of the UTF-8 of well-formed text. */
export function tarantoolTextCrc32(text: string): number {
  const rest = asciiRemainder(castagnoliTables, 0, text, 0, text.length);
  return (rest === notAscii ? textRemainder(castagnoliTables, text, 0, text.length) : rest) >>> 0;
}

function asciiRemainder(tables: Int32Array, mask: number, text: string, from: number, to: number): number {
  let crc = -1;
  let seen = 0;
  let at = from;
  for (; at + 4 <= to; at += 4) {
    const a = text.charCodeAt(at);
    const b = text.charCodeAt(at + 1);
    const c = text.charCodeAt(at + 2);
    const d = text.charCodeAt(at + 3);
    seen |= a | b | c | d;
    crc = four(tables, crc ^ (a | (b << 8) | (c << 16) | (d << 24)));
  }
  for (; at < to; at++) {
    const code = text.charCodeAt(at);
    seen |= code;
    crc = one(tables, crc, code);
  }
  return seen > 0x7f ? notAscii : crc ^ mask;
}

/** Encodes on the way: one character after another, and no array. */
function textRemainder(tables: Int32Array, text: string, from: number, to: number): number {
  let crc = -1;
  for (let at = from; at < to; at++) {
    let code = text.charCodeAt(at);
    if (code < 0x80) {
      crc = one(tables, crc, code);
      continue;
    }
    if (code < 0x800) crc = one(tables, crc, 0xc0 | (code >> 6));
    else {
      if (code < 0xd800 || code > 0xdbff) crc = one(tables, crc, 0xe0 | (code >> 12));
      else {
        code = 0x1_0000 + ((code - 0xd800) << 10) + (text.charCodeAt(++at) - 0xdc00);
        crc = one(tables, one(tables, crc, 0xf0 | (code >> 18)), 0x80 | ((code >> 12) & 0x3f));
      }
      crc = one(tables, crc, 0x80 | ((code >> 6) & 0x3f));
    }
    crc = one(tables, crc, 0x80 | (code & 0x3f));
  }
  return crc;
}

function one(tables: Int32Array, crc: number, byte: number): number {
  return (crc >>> 8) ^ tables[(crc ^ byte) & 0xff]!;
}

function remainder(tables: Int32Array, bytes: Uint8Array, from: number, to: number): number {
  let crc = -1;
  let at = from;
  for (; at + 4 <= to; at += 4) {
    const word = bytes[at]! | (bytes[at + 1]! << 8) | (bytes[at + 2]! << 16) | (bytes[at + 3]! << 24);
    crc = four(tables, crc ^ word);
  }
  for (; at < to; at++) crc = one(tables, crc, bytes[at]!);
  return crc;
}

/** Four bytes at once: four reads that do not wait for each other. */
function four(tables: Int32Array, mixed: number): number {
  return (
    tables[768 + (mixed & 0xff)]! ^
    tables[512 + ((mixed >>> 8) & 0xff)]! ^
    tables[256 + ((mixed >>> 16) & 0xff)]! ^
    tables[mixed >>> 24]!
  );
}
