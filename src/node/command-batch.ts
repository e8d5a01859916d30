import { assert } from '../base/assert.ts';

/** Bytes of framing for a batch, and for each command in it. */
export const batchHeaderBytes = 4;
export const commandHeaderBytes = 4;

/** Puts the commands of one entry behind each other: a count, then each with its length; 32-bit little-endian. */
export function encodeCommandBatch(commands: readonly Uint8Array[]): Uint8Array {
  let bytes = batchHeaderBytes;
  for (const command of commands) bytes += commandHeaderBytes + command.length;
  const data = new Uint8Array(bytes);
  const view = new DataView(data.buffer);
  view.setUint32(0, commands.length, true);
  let at = batchHeaderBytes;
  for (const command of commands) {
    view.setUint32(at, command.length, true);
    data.set(command, at + commandHeaderBytes);
    at += commandHeaderBytes + command.length;
  }
  return data;
}

/**
 * @returns views into `data`, which is never changed after an entry was made.
 * @throws InvariantError when `data` is not exactly one batch: only what `encodeCommandBatch` made is ever committed.
 */
export function decodeCommandBatch(data: Uint8Array): readonly Uint8Array[] {
  assert(data.length >= batchHeaderBytes, 'a command batch starts with its count');
  const view = new DataView(data.buffer, data.byteOffset, data.length);
  const count = view.getUint32(0, true);
  assert(count * commandHeaderBytes <= data.length - batchHeaderBytes, 'a command batch holds its count');
  const commands: Uint8Array[] = [];
  let at = batchHeaderBytes;
  for (let i = 0; i < count; i++) {
    assert(at + commandHeaderBytes <= data.length, 'a command has its length');
    const length = view.getUint32(at, true);
    at += commandHeaderBytes;
    assert(length <= data.length - at, 'a command is whole');
    commands.push(data.subarray(at, at + length));
    at += length;
  }
  assert(at === data.length, 'a command batch ends with its last command');
  return commands;
}
