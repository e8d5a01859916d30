/** The reflected table of a 32-bit CRC: the remainder of each byte. */
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

/** zlib's CRC-32 of the characters from `from` up to `to` without encoding them; -1 if one of them is not ASCII. */
export function asciiCrc32(text: string, from: number, to: number): number {
  let crc = -1;
  let seen = 0;
  for (let at = from; at < to; at++) {
    const code = text.charCodeAt(at);
    seen |= code;
    crc = (crc >>> 8) ^ zlibTable[(crc ^ code) & 0xff]!;
  }
  return seen > 0x7f ? -1 : ~crc >>> 0;
}

function remainder(table: Int32Array, bytes: Uint8Array, from: number, to: number): number {
  let crc = -1;
  for (let at = from; at < to; at++) crc = (crc >>> 8) ^ table[(crc ^ bytes[at]!) & 0xff]!;
  return crc;
}
