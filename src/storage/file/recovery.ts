import { join } from 'node:path';
import { InvariantError, LogCorruptError } from '../../base/errors.ts';
import type { GroupId } from '../../base/ids.ts';
import type { StorageWrite } from '../../ports/storage.ts';
import { checkBatch } from '../group-log.ts';
import { type BatchHeader, type LogRecord, readRecords } from './batch.ts';
import type { Files } from './files.ts';
import { GroupIndex } from './group-index.ts';
import { keepAdvice, segmentName, segmentOfName } from './layout.ts';
import { bytesOf, type SegmentPlace, type SegmentScan, scanSegment } from './segment.ts';

/** What the log says, and what is to be done to its last segment before it is written to. Nothing was changed yet. */
export interface Recovered {
  readonly groups: Map<GroupId, GroupIndex>;
  readonly lastSequence: number;
  readonly tornBytes: number;
  readonly last: LastSegment;
  /** The end holds records that no later header calls synced. */
  readonly hasUnvouched: boolean;
}

interface LastSegment {
  readonly place: SegmentPlace;
  readonly bytes: Buffer;
  /** From here on nothing is kept. */
  readonly end: number;
  /** From here on no header says that it was synced. */
  readonly vouchedEnd: number;
}

interface Segment {
  readonly path: string;
  readonly place: SegmentPlace;
  readonly bytes: Buffer;
  readonly scan: SegmentScan;
}

/**
 * Reads all segments and judges what is damaged: behind the last sequence that a later header calls synced it is a torn tail, which
 * no completed append can have been part of; before it, somebody lost what was acknowledged.
 *
 * @param syncedSequence - what the slot file says was synced.
 * @throws LogCorruptError naming the file, the offset and what to do.
 */
export async function recoverLog(
  files: Files,
  directory: string,
  incarnation: string,
  syncedSequence: number,
): Promise<Recovered> {
  const count = await countSegments(files, directory);
  const groups = new Map<GroupId, GroupIndex>();
  let firstSequence = 1;
  for (let number = 1; ; number++) {
    const path = join(directory, segmentName(number));
    const bytes = (await files.content(path)) ?? Buffer.alloc(0);
    const place = { segment: number, firstSequence, incarnation };
    const segment = { path, place, bytes, scan: scanSegment(bytes, place, path) };
    const isLast = number === count;
    refuseCorruption(segment, isLast, syncedSequence);
    replaySegment(segment, groups);
    firstSequence += segment.scan.batches.length;
    if (isLast) return { groups, ...judgeTail(segment, syncedSequence) };
  }
}

/** @returns the number of segments, which are numbered from 1 without a gap. */
async function countSegments(files: Files, directory: string): Promise<number> {
  const numbers = (await files.names(directory)).map(segmentOfName).filter((number) => number !== undefined);
  const present = new Set(numbers);
  const count = Math.max(1, ...numbers);
  for (let number = 1; number <= count; number++) {
    if (present.has(number)) continue;
    throw new LogCorruptError(
      `${join(directory, segmentName(number))} at offset 0: the file is missing. ${keepAdvice}`,
    );
  }
  if (present.has(0))
    throw new LogCorruptError(
      `${join(directory, segmentName(0))} at offset 0: segments start at 1. ${keepAdvice}`,
    );
  return count;
}

function refuseCorruption(segment: Segment, isLast: boolean, syncedSequence: number): void {
  const { scan, place, bytes, path } = segment;
  const nextSequence = place.firstSequence + scan.batches.length;
  const lostSynced = Math.max(syncedSequence, scan.syncedSequence) >= nextSequence;
  // A segment is synced before the next one is created: behind its last batch there is nothing.
  if (isLast ? !lostSynced : scan.end === bytes.length) return;
  throw new LogCorruptError(
    `${path} at offset ${scan.end}: the log is damaged before its synced end (sequence ${nextSequence} is lost). ${keepAdvice}`,
  );
}

function judgeTail(segment: Segment, slotSynced: number): Omit<Recovered, 'groups'> {
  const { scan, place, bytes } = segment;
  const synced = Math.max(slotSynced, scan.syncedSequence);
  const unvouched = scan.batches.filter((batch) => batch.sequence > synced);
  return {
    lastSequence: place.firstSequence + scan.batches.length - 1,
    tornBytes: bytes.length - scan.end,
    hasUnvouched: unvouched.some((batch) => batch.bodyBytes > 0),
    last: {
      place,
      bytes,
      end: scan.end,
      vouchedEnd: unvouched[0]?.offset ?? scan.end,
    },
  };
}

function replaySegment(segment: Segment, groups: Map<GroupId, GroupIndex>): void {
  for (const header of segment.scan.batches) {
    const where = `${segment.path} at offset ${header.offset}`;
    const batch = segment.bytes.subarray(header.offset, header.offset + bytesOf(header));
    for (const record of readRecords(batch, where)) replay(record, header, groups, where);
  }
}

function replay(
  record: LogRecord,
  header: BatchHeader,
  groups: Map<GroupId, GroupIndex>,
  where: string,
): void {
  const group = groups.get(record.group) ?? new GroupIndex();
  groups.set(record.group, group);
  try {
    checkBatch([writeOf(record)], () => group);
  } catch (error) {
    if (!(error instanceof InvariantError)) throw error;
    throw new LogCorruptError(
      `${where}: a record does not follow from those before it: ${error.message}. ${keepAdvice}`,
      {
        cause: error,
      },
    );
  }
  switch (record.type) {
    case 'entries':
      group.add(record.entries, {
        segment: header.segment,
        offset: header.offset + record.at,
        bytes: record.bytes,
      });
      return;
    case 'hardState':
      group.hardState = record.hardState;
      group.hardStateSequence = header.sequence;
      return;
    case 'truncateFrom':
      group.truncate(record.from);
  }
}

function writeOf(record: LogRecord): StorageWrite {
  return {
    group: record.group,
    hardState: record.type === 'hardState' ? record.hardState : undefined,
    truncateFrom: record.type === 'truncateFrom' ? record.from : undefined,
    entries: record.type === 'entries' ? record.entries : [],
  };
}

/**
 * Cuts the torn tail, and writes and syncs once more what no header calls synced: a process that was killed between write and sync
 * left it in the page cache only, and after a failed sync the cache says it is clean (pitfall 3).
 *
 * @returns the open file.
 */
export async function repairTail(files: Files, directory: string, last: LastSegment): Promise<number> {
  const fd = await files.open(join(directory, segmentName(last.place.segment)), 'r+');
  try {
    await files.truncate(fd, last.end);
    await files.write(fd, last.bytes.subarray(last.vouchedEnd, last.end), last.vouchedEnd);
    await files.sync(fd);
    await files.syncDirectory(directory);
  } catch (error) {
    await files.close(fd);
    throw error;
  }
  return fd;
}
