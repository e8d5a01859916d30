import { Buffer } from 'node:buffer';
import msgpack from 'msgpack-lite';
import { assert } from '../base/assert.ts';
import { ProtocolError } from '../base/errors.ts';
import { scan } from './scan.ts';

/** What a frame may hold. Bins are `Buffer`s: msgpack-lite turns a plain `Uint8Array` into an extension. No `undefined`, no maps. */
export type WireValue = number | string | boolean | null | Buffer | readonly WireValue[];

/** msgpack-lite's own encoder, which its type package leaves out: what is written is read back in one piece. */
interface Encoder {
  write(value: unknown): void;
  read(): unknown;
}
const makeEncoder = Reflect.get(msgpack, 'Encoder') as (options: object) => Encoder;

/** No presets: the default codec builds the sender's RegExp and Error objects. */
const options = { codec: msgpack.createCodec({}) };

/** One for all tuples: they share slabs of up to 64 KiB. `msgpack.encode` fills 2 KiB with zeros for each, which costs more than the rest. */
let encoder = makeEncoder(options);

/**
 * Scans, then decodes one value.
 *
 * @returns numbers (safe integers), strings, booleans, null, Buffers (copies of their own) and arrays of these. Shape is the caller's to check.
 * @throws ProtocolError on anything that is not one whole value of our subset.
 */
export function decodeStrict(bytes: Uint8Array, itemsMax?: number): unknown {
  const fault = scan(bytes, itemsMax);
  if (fault !== undefined) throw new ProtocolError(`malformed frame: ${fault}`);
  try {
    return msgpack.decode(asBuffer(bytes), options);
  } catch (error) {
    throw new ProtocolError('malformed frame: cannot be decoded', { cause: error });
  }
}

/**
 * Encodes one tuple. The result is a slice of a larger slab: never keep or transfer its `.buffer`.
 *
 * @throws InvariantError when the value is outside our subset: a fraction, NaN, an extension, too many items.
 */
export function encodeTuple(value: readonly WireValue[], itemsMax?: number): Buffer {
  const bytes = encodeShared(value);
  const fault = scan(bytes, itemsMax);
  assert(fault === undefined, `encoded a frame that no peer would read: ${fault}`);
  return bytes;
}

function encodeShared(value: readonly WireValue[]): Buffer {
  try {
    encoder.write(value);
    const bytes: unknown = encoder.read();
    assert(Buffer.isBuffer(bytes), 'a tuple is encoded to bytes');
    return bytes;
  } catch (error) {
    encoder = makeEncoder(options); // whatever was half written must not begin the next tuple
    throw error;
  }
}

/** The same bytes as a `Buffer`, without a copy. */
export function asBuffer(bytes: Uint8Array): Buffer {
  return Buffer.isBuffer(bytes) ? bytes : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
