import { crc32 } from 'node:zlib';
import { assert } from '../../base/assert.ts';
import type { EscrowRecord } from '../../ports/escrow.ts';
import { escrowKinds, escrowLayout, escrowMagic, readUint64, writeUint64 } from './layout.ts';

/** Names a record; `settle` has no more than this. */
export type EscrowKey = Pick<EscrowRecord, 'queue' | 'id' | 'fence'>;

export function keyText({ queue, id, fence }: EscrowKey): string {
  return JSON.stringify([queue, id, fence]);
}

export function encodeAppend(record: EscrowRecord): Buffer {
  return encode(escrowKinds.append, record, record.expiresAtMs, record.payload);
}

export function encodeSettle(key: EscrowKey): Buffer {
  return encode(escrowKinds.settle, key, 0, new Uint8Array());
}

const nameBytesMax = 0xffff;

function encode(kind: number, key: EscrowKey, expiresAtMs: number, payload: Uint8Array): Buffer {
  const queue = Buffer.from(key.queue);
  const id = Buffer.from(key.id);
  assert(queue.length <= nameBytesMax && id.length <= nameBytesMax, 'queue and id are at most 65,535 bytes');
  assert(Number.isSafeInteger(key.fence) && key.fence >= 0, 'a fence is a safe integer');
  const header = Buffer.alloc(escrowLayout.headerBytes);
  header.writeUInt32BE(escrowMagic, escrowLayout.magic);
  header[escrowLayout.kind] = kind;
  writeUint64(header, key.fence, escrowLayout.fence);
  header.writeDoubleBE(expiresAtMs, escrowLayout.expiresAtMs);
  header.writeUInt16BE(queue.length, escrowLayout.queueBytes);
  header.writeUInt16BE(id.length, escrowLayout.idBytes);
  header.writeUInt32BE(payload.length, escrowLayout.payloadBytes);
  const bytes = Buffer.concat([header, queue, id, payload]);
  bytes.writeUInt32BE(crc32(bytes.subarray(escrowLayout.magic)), escrowLayout.crc);
  return bytes;
}

/**
 * Reads the records that were appended and not settled, oldest first. A torn end is dropped; behind a damaged record the next whole
 * one is looked for: each is an answer that no provider gives twice.
 */
export function readEscrow(bytes: Buffer): Map<string, EscrowRecord> {
  const open = new Map<string, EscrowRecord>();
  let at = 0;
  while (at + escrowLayout.headerBytes <= bytes.length) {
    const end = endOf(bytes, at);
    if (end === undefined) {
      at = nextMagic(bytes, at);
      continue;
    }
    const record = decode(bytes, at, end);
    if (bytes[at + escrowLayout.kind] === escrowKinds.settle) open.delete(keyText(record));
    else open.set(keyText(record), record);
    at = end;
  }
  return open;
}

/** @returns where the record that starts here ends; undefined if it is not whole. */
function endOf(bytes: Buffer, at: number): number | undefined {
  if (bytes.readUInt32BE(at + escrowLayout.magic) !== escrowMagic) return undefined;
  const end =
    at +
    escrowLayout.headerBytes +
    bytes.readUInt16BE(at + escrowLayout.queueBytes) +
    bytes.readUInt16BE(at + escrowLayout.idBytes) +
    bytes.readUInt32BE(at + escrowLayout.payloadBytes);
  if (end > bytes.length) return undefined;
  const checksum = crc32(bytes.subarray(at + escrowLayout.magic, end));
  return bytes.readUInt32BE(at + escrowLayout.crc) === checksum ? end : undefined;
}

function nextMagic(bytes: Buffer, at: number): number {
  const magic = Buffer.alloc(4);
  magic.writeUInt32BE(escrowMagic);
  const found = bytes.indexOf(magic, at + escrowLayout.magic + 1);
  return found < 0 ? bytes.length : found - escrowLayout.magic;
}

function decode(bytes: Buffer, at: number, end: number): EscrowRecord {
  const queueStart = at + escrowLayout.headerBytes;
  const idStart = queueStart + bytes.readUInt16BE(at + escrowLayout.queueBytes);
  const payloadStart = idStart + bytes.readUInt16BE(at + escrowLayout.idBytes);
  return {
    queue: bytes.toString('utf8', queueStart, idStart),
    id: bytes.toString('utf8', idStart, payloadStart),
    fence: readUint64(bytes, at + escrowLayout.fence),
    expiresAtMs: bytes.readDoubleBE(at + escrowLayout.expiresAtMs),
    payload: Buffer.from(bytes.subarray(payloadStart, end)),
  };
}
