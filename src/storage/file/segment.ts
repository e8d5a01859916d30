import { crc32 } from 'node:zlib';
import { LogCorruptError } from '../../base/errors.ts';
import { type BatchHeader, isWhole, readHeader } from './batch.ts';
import {
  batchLayout,
  batchMagic,
  diskFormat,
  keepAdvice,
  readUint64,
  segmentLayout,
  segmentMagic,
  writeUint64,
} from './layout.ts';

/** What a segment must be, by the ones before it. */
export interface SegmentPlace {
  readonly segment: number;
  readonly firstSequence: number;
  /** In hex. */
  readonly incarnation: string;
}

/** What was found in the bytes of one segment. */
export interface SegmentScan {
  /** Whole batches in order, from the start of the file. */
  readonly batches: readonly BatchHeader[];
  /** Where the first byte stands that belongs to no whole batch; the length of the file if there is none. */
  readonly end: number;
  /** The highest sequence that any header in the file, also behind the damage, calls synced. */
  readonly syncedSequence: number;
}

export function encodeSegmentHeader(place: SegmentPlace): Buffer {
  const bytes = Buffer.alloc(segmentLayout.headerBytes);
  bytes.writeUInt32BE(segmentMagic, segmentLayout.magic);
  bytes.writeUInt32BE(diskFormat, segmentLayout.format);
  bytes.writeUInt32BE(place.segment, segmentLayout.segment);
  writeUint64(bytes, place.firstSequence, segmentLayout.firstSequence);
  bytes.write(place.incarnation, segmentLayout.incarnation, 'hex');
  bytes.writeUInt32BE(crc32(bytes.subarray(segmentLayout.magic)), segmentLayout.crc);
  return bytes;
}

/** The checksums of a directory start from this, so that a batch of another directory never passes. */
export function seedOf(incarnation: string): number {
  return crc32(incarnation);
}

/**
 * Finds the whole batches of a segment. Pure: judging what the damage means is the caller's.
 *
 * @throws LogCorruptError for a damaged header of the segment, which was synced before the file got its name, and for a whole header or
 * batch that belongs elsewhere: no torn write makes one.
 */
export function scanSegment(bytes: Buffer, place: SegmentPlace, path: string): SegmentScan {
  const seed = seedOf(place.incarnation);
  checkSegmentHeader(bytes, place, path);
  const batches: BatchHeader[] = [];
  let end: number = segmentLayout.headerBytes;
  let syncedSequence = place.firstSequence - 1;
  for (;;) {
    const header = readHeader(bytes, end, seed);
    if (header === undefined || !isWhole(bytes, end, header, seed)) break;
    checkBatchPlace(header, place.segment, place.firstSequence + batches.length, end, path);
    batches.push(header);
    syncedSequence = Math.max(syncedSequence, header.syncedSequence);
    end += bytesOf(header);
  }
  for (const header of headersBehind(bytes, end, place.segment, seed)) {
    syncedSequence = Math.max(syncedSequence, header.syncedSequence);
  }
  return { batches, end, syncedSequence };
}

/** Header and body. */
export function bytesOf(header: BatchHeader): number {
  return batchLayout.headerBytes + header.bodyBytes;
}

function checkSegmentHeader(bytes: Buffer, place: SegmentPlace, path: string): void {
  const covered = bytes.subarray(segmentLayout.magic, segmentLayout.headerBytes);
  const isHeader =
    bytes.length >= segmentLayout.headerBytes &&
    bytes.readUInt32BE(segmentLayout.magic) === segmentMagic &&
    bytes.readUInt32BE(segmentLayout.crc) === crc32(covered);
  if (!isHeader) throw damaged(path, 0, 'the header of the segment is damaged');
  const format = bytes.readUInt32BE(segmentLayout.format);
  if (format !== diskFormat)
    throw new LogCorruptError(`${path}: format ${format} is not known: upgrade this node`);
  const segment = bytes.readUInt32BE(segmentLayout.segment);
  const firstSequence = readUint64(bytes, segmentLayout.firstSequence);
  const incarnation = bytes.toString('hex', segmentLayout.incarnation, segmentLayout.headerBytes);
  if (incarnation !== place.incarnation)
    throw damaged(path, 0, `it was written by the life ${incarnation} of another directory`);
  if (segment !== place.segment) throw damaged(path, 0, `it is a copy of segment ${segment}`);
  if (firstSequence !== place.firstSequence) {
    throw damaged(path, 0, `it starts at sequence ${firstSequence}, expected was ${place.firstSequence}`);
  }
}

function checkBatchPlace(
  header: BatchHeader,
  segment: number,
  sequence: number,
  offset: number,
  path: string,
): void {
  if (header.segment !== segment || header.offset !== offset) {
    throw damaged(path, offset, `a batch of segment ${header.segment}, offset ${header.offset} stands here`);
  }
  if (header.sequence !== sequence) {
    throw damaged(path, offset, `sequence ${header.sequence} stands where ${sequence} was expected`);
  }
}

function damaged(path: string, offset: number, what: string): LogCorruptError {
  return new LogCorruptError(`${path} at offset ${offset}: ${what}. ${keepAdvice}`);
}

/** A header names its own place, so it is found behind any damage; its body may be damaged too. */
function headersBehind(bytes: Buffer, end: number, segment: number, seed: number): BatchHeader[] {
  const found: BatchHeader[] = [];
  const magic = Buffer.alloc(4);
  magic.writeUInt32BE(batchMagic);
  for (let at = bytes.indexOf(magic, end); at >= 0; at = bytes.indexOf(magic, at + 1)) {
    const offset = at - batchLayout.magic;
    const header = offset < end ? undefined : readHeader(bytes, offset, seed);
    if (header?.segment === segment && header.offset === offset) found.push(header);
  }
  return found;
}
