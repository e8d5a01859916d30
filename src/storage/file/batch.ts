import { crc32 } from 'node:zlib';
import { assert } from '../../base/assert.ts';
import { LogCorruptError, ProtocolError } from '../../base/errors.ts';
import { type GroupId, groupId, isName } from '../../base/ids.ts';
import type { StorageWrite } from '../../ports/storage.ts';
import type { HardState, LogEntry, LogIndex } from '../../raft/types.ts';
import { decodeEntries, encodeEntries } from '../../wire/entries.ts';
import { decodeHardState, encodeHardState } from './hard-state-codec.ts';
import { batchLayout, batchMagic, readUint64, recordKinds, recordLayout, writeUint64 } from './layout.ts';

/** Where a batch stands; every batch says it of itself, so that one at another place is noticed. */
export interface BatchPlace {
  readonly segment: number;
  readonly offset: number;
  readonly sequence: number;
  /** The last sequence that was known to be synced when this one was written. */
  readonly syncedSequence: number;
}

export interface BatchHeader extends BatchPlace {
  readonly bodyBytes: number;
}

/** One record of a batch, read back. `at` is where the payload starts in the batch. */
export type LogRecord =
  | {
      readonly type: 'entries';
      readonly group: GroupId;
      readonly entries: readonly LogEntry[];
      readonly at: number;
      readonly bytes: number;
    }
  | { readonly type: 'hardState'; readonly group: GroupId; readonly hardState: HardState }
  | { readonly type: 'truncateFrom'; readonly group: GroupId; readonly from: LogIndex };

/** Where the blob of a group's entries will stand in the batch. */
export interface EntriesPlace {
  readonly at: number;
  readonly bytes: number;
}

/** A batch ready to be written; `bytes` is the scratch buffer of the encoder, valid until the next batch. */
export interface EncodedBatch {
  readonly bytes: Buffer;
  readonly length: number;
  /** One per write that has entries, in their order. */
  readonly places: readonly EntriesPlace[];
}

interface Part {
  readonly kind: number;
  readonly group: GroupId;
  readonly payload: Buffer;
}

/** Offsets are stored in four bytes. */
const batchBytesMax = 2 ** 31 - 1;
const scratchBytesMin = 64 * 1024;
/** A larger scratch buffer is given back after use. */
const scratchBytesMax = 8 * 1024 * 1024;

/** Puts batches together in a buffer that is used again: one batch is in flight at a time. */
export class BatchEncoder {
  readonly #seed: number;
  #scratch: Buffer = Buffer.alloc(0);

  /** @param seed - the CRC-32 of the directory's incarnation: a batch of another directory never passes. */
  constructor(seed: number) {
    this.#seed = seed;
  }

  encode(place: BatchPlace, batch: readonly StorageWrite[]): EncodedBatch {
    const parts = batch.flatMap(partsOf);
    const length = parts.reduce<number>((sum, part) => sum + partBytes(part), batchLayout.headerBytes);
    assert(place.offset + length <= batchBytesMax, 'a batch is below 2 GiB');
    const bytes = this.#buffer(length);
    const places: EntriesPlace[] = [];
    let at: number = batchLayout.headerBytes;
    for (const part of parts) {
      at = writePart(bytes, at, part);
      if (part.kind === recordKinds.entries)
        places.push({ at: at - part.payload.length, bytes: part.payload.length });
    }
    assert(at === length, 'encoded length differs from the computed one');
    writeHeader(bytes, { ...place, bodyBytes: length - batchLayout.headerBytes }, this.#seed);
    return { bytes, length, places };
  }

  #buffer(length: number): Buffer {
    if (this.#scratch.length > scratchBytesMax) this.#scratch = Buffer.alloc(0);
    if (this.#scratch.length < length)
      this.#scratch = Buffer.allocUnsafeSlow(Math.max(scratchBytesMin, length));
    return this.#scratch;
  }
}

function partsOf(write: StorageWrite): Part[] {
  const { group, hardState, truncateFrom, entries } = write;
  const parts: Part[] = [];
  if (hardState !== undefined)
    parts.push({ kind: recordKinds.hardState, group, payload: encodeHardState(hardState) });
  if (truncateFrom !== undefined) {
    const payload = Buffer.alloc(8);
    writeUint64(payload, truncateFrom, 0);
    parts.push({ kind: recordKinds.truncateFrom, group, payload });
  }
  if (entries.length > 0) parts.push({ kind: recordKinds.entries, group, payload: encodeEntries(entries) });
  return parts;
}

function partBytes(part: Part): number {
  return recordLayout.headerBytes + part.group.length + part.payload.length;
}

function writePart(bytes: Buffer, at: number, part: Part): number {
  bytes[at + recordLayout.kind] = part.kind;
  bytes[at + recordLayout.groupBytes] = part.group.length;
  bytes.writeUInt32BE(part.payload.length, at + recordLayout.payloadBytes);
  bytes.write(part.group, at + recordLayout.headerBytes, 'latin1');
  const start = at + recordLayout.headerBytes + part.group.length;
  bytes.set(part.payload, start);
  return start + part.payload.length;
}

function writeHeader(bytes: Buffer, header: BatchHeader, seed: number): void {
  bytes.writeUInt32BE(batchMagic, batchLayout.magic);
  bytes.writeUInt32BE(header.segment, batchLayout.segment);
  bytes.writeUInt32BE(header.offset, batchLayout.offset);
  writeUint64(bytes, header.sequence, batchLayout.sequence);
  writeUint64(bytes, header.syncedSequence, batchLayout.syncedSequence);
  bytes.writeUInt32BE(header.bodyBytes, batchLayout.bodyBytes);
  bytes.writeUInt32BE(headerChecksum(bytes, 0, seed), batchLayout.headerCrc);
  bytes.writeUInt32BE(batchChecksum(bytes, 0, header.bodyBytes, seed), batchLayout.crc);
}

function headerChecksum(bytes: Buffer, start: number, seed: number): number {
  return crc32(bytes.subarray(start + batchLayout.magic, start + batchLayout.headerCrc), seed);
}

function batchChecksum(bytes: Buffer, start: number, bodyBytes: number, seed: number): number {
  return crc32(bytes.subarray(start + batchLayout.magic, start + batchLayout.headerBytes + bodyBytes), seed);
}

/** @returns undefined if no whole header is there. */
export function readHeader(bytes: Buffer, start: number, seed: number): BatchHeader | undefined {
  if (start + batchLayout.headerBytes > bytes.length) return undefined;
  if (bytes.readUInt32BE(start + batchLayout.magic) !== batchMagic) return undefined;
  if (bytes.readUInt32BE(start + batchLayout.headerCrc) !== headerChecksum(bytes, start, seed))
    return undefined;
  return {
    segment: bytes.readUInt32BE(start + batchLayout.segment),
    offset: bytes.readUInt32BE(start + batchLayout.offset),
    sequence: readUint64(bytes, start + batchLayout.sequence),
    syncedSequence: readUint64(bytes, start + batchLayout.syncedSequence),
    bodyBytes: bytes.readUInt32BE(start + batchLayout.bodyBytes),
  };
}

/** True if all of the batch is there as it was written. */
export function isWhole(bytes: Buffer, start: number, header: BatchHeader, seed: number): boolean {
  if (start + batchLayout.headerBytes + header.bodyBytes > bytes.length) return false;
  return bytes.readUInt32BE(start + batchLayout.crc) === batchChecksum(bytes, start, header.bodyBytes, seed);
}

/**
 * Reads the records of a whole batch.
 *
 * @param batch - header and body; entries point into it.
 * @param where - file and offset, for the error.
 * @throws LogCorruptError on anything that this version did not write.
 */
export function readRecords(batch: Buffer, where: string): LogRecord[] {
  const records: LogRecord[] = [];
  let at: number = batchLayout.headerBytes;
  while (at < batch.length) {
    const start = at + recordLayout.headerBytes + (batch[at + recordLayout.groupBytes] ?? 0);
    const bytes =
      at + recordLayout.headerBytes <= batch.length ? batch.readUInt32BE(at + recordLayout.payloadBytes) : 0;
    const end = start + bytes;
    if (end > batch.length) throw new LogCorruptError(`${where}: a record is longer than its batch`);
    records.push(readRecord(batch, at, start, end, where));
    at = end;
  }
  return records;
}

function readRecord(batch: Buffer, at: number, start: number, end: number, where: string): LogRecord {
  const name = batch.toString('latin1', at + recordLayout.headerBytes, start);
  if (!isName(name)) throw new LogCorruptError(`${where}: a record names no group`);
  const group = groupId(name);
  const payload = batch.subarray(start, end);
  const kind = batch[at + recordLayout.kind];
  switch (kind) {
    case recordKinds.entries:
      return {
        type: 'entries',
        group,
        entries: readEntries(payload, where),
        at: start,
        bytes: payload.length,
      };
    case recordKinds.hardState:
      return { type: 'hardState', group, hardState: decodeHardState(payload, where) };
    case recordKinds.truncateFrom:
      if (payload.length !== 8)
        throw new LogCorruptError(`${where}: a truncation has ${payload.length} bytes`);
      return { type: 'truncateFrom', group, from: readUint64(payload, 0) };
    default:
      throw new LogCorruptError(`${where}: record kind ${kind} is not known: upgrade this node`);
  }
}

/** @throws LogCorruptError instead of the error that a frame would get. */
export function readEntries(blob: Buffer, where: string): LogEntry[] {
  try {
    return decodeEntries(blob);
  } catch (error) {
    if (error instanceof ProtocolError)
      throw new LogCorruptError(`${where}: ${error.message}`, { cause: error });
    throw error;
  }
}
