/** The table of a reflected 32-bit CRC: the remainder of each byte. */
function tableOf(polynomial: number): Int32Array {
  return Int32Array.from({ length: 256 }, (_, byte) => {
    let rest = byte;
    for (let bit = 0; bit < 8; bit++) rest = rest & 1 ? (rest >>> 1) ^ polynomial : rest >>> 1;
    return rest;
  });
}

const zlibTable: Int32Array = tableOf(0xedb8_8320);
const castagnoliTable: Int32Array = tableOf(0x82f6_3b78);

/** CRC-32 as zlib computes it, of the bytes from `from` up to `to`. */
export function crc32(bytes: Uint8Array, from = 0, to: number = bytes.length): number {
  return ~remainder(zlibTable, bytes, from, to) >>> 0;
}

/** CRC-32C without the last complement, which is what Tarantool's `digest.crc32` answers. */
export function tarantoolCrc32(bytes: Uint8Array): number {
  return remainder(castagnoliTable, bytes, 0, bytes.length) >>> 0;
}

/** What `asciiCrc32` answers for other text: no number of 32 bits. */
export const notAscii: number = 2 ** 32;

/**
 * zlib's CRC-32 of the characters from `from` up to `to` without encoding them, or `notAscii`. Signed, as a machine word is: the
 * unsigned half of the numbers would be allocated one by one.
 */
export function asciiCrc32(text: string, from: number, to: number): number {
  let crc = -1;
  let seen = 0;
  for (let at = from; at < to; at++) {
    const code = text.charCodeAt(at);
    seen |= code;
    crc = (crc >>> 8) ^ zlibTable[(crc ^ code) & 0xff]!;
  }
  return seen > 0x7f ? notAscii : ~crc;
}

/** zlib's CRC-32, signed, of the UTF-8 of the characters from `from` up to `to`, which is well-formed text. */
export function textCrc32(text: string, from: number, to: number): number {
  return ~textRemainder(zlibTable, text, from, to);
}

/** The same as `tarantoolCrc32` of the UTF-8 of well-formed text. */
export function tarantoolTextCrc32(text: string): number {
  return textRemainder(castagnoliTable, text, 0, text.length) >>> 0;
}

/** Encodes on the way: one character after another, and no array. */
function textRemainder(table: Int32Array, text: string, from: number, to: number): number {
  let crc = -1;
  for (let at = from; at < to; at++) {
    let code = text.charCodeAt(at);
    if (code < 0x80) {
      crc = one(table, crc, code);
      continue;
    }
    if (code < 0x800) crc = one(table, crc, 0xc0 | (code >> 6));
    else {
      if (code < 0xd800 || code > 0xdbff) crc = one(table, crc, 0xe0 | (code >> 12));
      else {
        code = 0x1_0000 + ((code - 0xd800) << 10) + (text.charCodeAt(++at) - 0xdc00);
        crc = one(table, one(table, crc, 0xf0 | (code >> 18)), 0x80 | ((code >> 12) & 0x3f));
      }
      crc = one(table, crc, 0x80 | ((code >> 6) & 0x3f));
    }
    crc = one(table, crc, 0x80 | (code & 0x3f));
  }
  return crc;
}

function one(table: Int32Array, crc: number, byte: number): number {
  return (crc >>> 8) ^ table[(crc ^ byte) & 0xff]!;
}

function remainder(table: Int32Array, bytes: Uint8Array, from: number, to: number): number {
  let crc = -1;
  for (let at = from; at < to; at++) crc = one(table, crc, bytes[at]!);
  return crc;
}
