import { Buffer } from 'node:buffer';
import { ProtocolError } from '../base/errors.ts';
import { clientHeaderBytes } from './client-header.ts';
import { asBuffer } from './msgpack.ts';

/** Bytes of frames after which a bundle is sent although the turn goes on. */
export const bundleBytesMax: number = 256 * 1024;
const lengthBytes = 4;

/** One message of a client link: frames, each behind its length as an unsigned 32-bit integer, big-endian. */
export function encodeBundle(frames: readonly Uint8Array[]): Buffer {
  let bytes = 0;
  for (const frame of frames) bytes += lengthBytes + frame.length;
  const bundle = Buffer.allocUnsafe(bytes);
  let offset = 0;
  for (const frame of frames) {
    bundle.writeUInt32BE(frame.length, offset);
    bundle.set(frame, offset + lengthBytes);
    offset += lengthBytes + frame.length;
  }
  return bundle;
}

/**
 * The frames of one message: views, not copies.
 *
 * @throws ProtocolError unless the message is one or more whole frames and nothing else; then none of them counts.
 */
export function splitBundle(message: Uint8Array): readonly Buffer[] {
  const bundle = asBuffer(message);
  const frames: Buffer[] = [];
  let offset = 0;
  while (offset < bundle.length) {
    if (offset + lengthBytes > bundle.length) throw new ProtocolError('bundle: ends early');
    const length = bundle.readUInt32BE(offset);
    const start = offset + lengthBytes;
    if (length < clientHeaderBytes) throw new ProtocolError('bundle: a frame is shorter than its header');
    if (start + length > bundle.length) throw new ProtocolError('bundle: ends early');
    frames.push(bundle.subarray(start, start + length));
    offset = start + length;
  }
  if (frames.length === 0) throw new ProtocolError('bundle: empty');
  return frames;
}

/** Collects the frames of one turn and hands them over as one message when the turn's own work is done. */
export class Bundler {
  readonly #send: (message: Uint8Array) => void;
  #frames: Uint8Array[] = [];
  #bytes = 0;

  constructor(send: (message: Uint8Array) => void) {
    this.#send = send;
  }

  add(frame: Uint8Array): void {
    if (this.#frames.length === 0) queueMicrotask(() => this.flush());
    this.#frames.push(frame);
    this.#bytes += frame.length;
    if (this.#bytes >= bundleBytesMax) this.flush();
  }

  flush(): void {
    if (this.#frames.length === 0) return;
    const frames = this.#frames;
    this.#frames = [];
    this.#bytes = 0;
    this.#send(encodeBundle(frames));
  }
}
