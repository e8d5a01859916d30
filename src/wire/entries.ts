import { crc32 } from 'node:zlib';
import { assert } from '../base/assert.ts';
import { ProtocolError } from '../base/errors.ts';
import type { EntryKind, LogEntry } from '../raft/types.ts';

/** The version of the blob; another one is refused. */
export const entriesFormat = 1;

/** Where the fields of the blob start, in bytes; integers are big-endian. Documented in docs/reference/disk.md. */
export const entriesLayout = {
  crc: 0,
  format: 4,
  count: 5,
  firstIndex: 9,
  headerBytes: 17,
} as const;

/** Where the fields of one entry start, relative to the entry. */
export const entryLayout = {
  kind: 0,
  kindVersion: 1,
  term: 2,
  stampMs: 10,
  dataBytes: 18,
  headerBytes: 22,
} as const;

/** The number of each kind in the blob. A number that is not here was written by a newer version. */
export const entryKindCodes: { readonly [Kind in EntryKind]: number } = {
  bootstrap: 1,
  noop: 2,
  commands: 3,
};
/** The version of the kinds; rises when the meaning of `data` changes. */
export const entryKindVersion = 1;

const kindOfCode: readonly (EntryKind | undefined)[] = [undefined, 'bootstrap', 'noop', 'commands'];
const twoTo32 = 2 ** 32;
/** The high half of the largest safe integer. */
const highMax = 0x1fffff;

const blobs = new WeakMap<readonly LogEntry[], Buffer>();

/**
 * Packs consecutive entries into one blob that is written to the log and sent to every follower as it is.
 *
 * @param entries - the same array gives the same buffer without encoding it again; neither may be changed afterwards.
 * @throws InvariantError when the entries are not consecutive or hold a number that is not a safe integer.
 */
export function encodeEntries(entries: readonly LogEntry[]): Buffer {
  const known = blobs.get(entries);
  if (known !== undefined) return known;
  const blob = encode(entries);
  blobs.set(entries, blob);
  return blob;
}

/**
 * Unpacks a blob and checks all of it: checksum, exact length, known kinds, safe integers, consecutive indexes, terms and stamps that never fall.
 *
 * @param blob - `data` of the entries points into it, so it belongs to them from now on.
 * @throws ProtocolError on anything else.
 */
export function decodeEntries(blob: Buffer): LogEntry[] {
  if (blob.length < entriesLayout.headerBytes) throw new ProtocolError('entries: shorter than a header');
  if (blob.readUInt32BE(entriesLayout.crc) !== entriesChecksum(blob))
    throw new ProtocolError('entries: checksum differs');
  const format = blob[entriesLayout.format];
  if (format !== entriesFormat)
    throw new ProtocolError(`entries: format ${format} is not known; upgrade this node`);
  const entries = decodeList(blob);
  blobs.set(entries, blob);
  return entries;
}

/** What the blob's own checksum must be: CRC-32 of all that follows it. */
function entriesChecksum(blob: Buffer): number {
  return crc32(blob.subarray(entriesLayout.format));
}

function encode(entries: readonly LogEntry[]): Buffer {
  const blob = Buffer.allocUnsafeSlow(encodedBytes(entries));
  blob[entriesLayout.format] = entriesFormat;
  blob.writeUInt32BE(entries.length, entriesLayout.count);
  writeSafe(blob, entriesLayout.firstIndex, entries[0]?.index ?? 0);
  let offset: number = entriesLayout.headerBytes;
  let previous: LogEntry | undefined;
  for (const entry of entries) {
    assertFollows(previous, entry);
    offset = encodeEntry(blob, offset, entry);
    previous = entry;
  }
  assert(offset === blob.length, 'entries: encoded length differs from the computed one');
  blob.writeUInt32BE(entriesChecksum(blob), entriesLayout.crc);
  return blob;
}

function encodedBytes(entries: readonly LogEntry[]): number {
  let bytes = entriesLayout.headerBytes + entries.length * entryLayout.headerBytes;
  for (const entry of entries) bytes += entry.data.length;
  return bytes;
}

function assertFollows(previous: LogEntry | undefined, entry: LogEntry): void {
  assert(entry.index >= 1, 'I4: an index starts at 1');
  if (previous === undefined) return;
  assert(entry.index === previous.index + 1, 'I4: entries of a blob are consecutive');
  assert(entry.term >= previous.term, 'I4: terms never fall along the log');
  assert(entry.stampMs >= previous.stampMs, 'stamps never fall along the log');
}

function encodeEntry(blob: Buffer, at: number, entry: LogEntry): number {
  blob[at + entryLayout.kind] = entryKindCodes[entry.kind];
  blob[at + entryLayout.kindVersion] = entryKindVersion;
  writeSafe(blob, at + entryLayout.term, entry.term);
  writeSafe(blob, at + entryLayout.stampMs, entry.stampMs);
  blob.writeUInt32BE(entry.data.length, at + entryLayout.dataBytes);
  blob.set(entry.data, at + entryLayout.headerBytes);
  return at + entryLayout.headerBytes + entry.data.length;
}

function decodeList(blob: Buffer): LogEntry[] {
  const count = blob.readUInt32BE(entriesLayout.count);
  const firstIndex = readSafe(blob, entriesLayout.firstIndex);
  if ((count === 0) !== (firstIndex === 0))
    throw new ProtocolError('entries: count and first index disagree');
  if (count * entryLayout.headerBytes > blob.length)
    throw new ProtocolError('entries: count is above what the blob can hold');
  if (!Number.isSafeInteger(firstIndex + count))
    throw new ProtocolError('entries: an index is not a safe integer');
  const entries: LogEntry[] = [];
  let offset: number = entriesLayout.headerBytes;
  let previous: LogEntry | undefined;
  for (let n = 0; n < count; n++) {
    const entry = decodeEntry(blob, offset, firstIndex + n);
    if (previous !== undefined && entry.term < previous.term)
      throw new ProtocolError('entries: a term falls');
    if (previous !== undefined && entry.stampMs < previous.stampMs)
      throw new ProtocolError('entries: a stamp falls');
    offset += entryLayout.headerBytes + entry.data.length;
    entries.push(entry);
    previous = entry;
  }
  if (offset !== blob.length) throw new ProtocolError('entries: bytes after the last entry');
  return entries;
}

function decodeEntry(blob: Buffer, at: number, index: number): LogEntry {
  const start = at + entryLayout.headerBytes;
  if (start > blob.length) throw new ProtocolError('entries: an entry is cut off');
  const code = blob[at + entryLayout.kind]!;
  const kind = kindOfCode[code];
  if (kind === undefined) throw new ProtocolError(`entries: kind ${code} is not known; upgrade this node`);
  const version = blob[at + entryLayout.kindVersion];
  if (version !== entryKindVersion)
    throw new ProtocolError(`entries: version ${version} of kind ${kind} is not known; upgrade this node`);
  const term = readSafe(blob, at + entryLayout.term);
  const stampMs = readSafe(blob, at + entryLayout.stampMs);
  const end = start + blob.readUInt32BE(at + entryLayout.dataBytes);
  if (end > blob.length) throw new ProtocolError('entries: the data of an entry is cut off');
  return { index, term, kind, stampMs, data: blob.subarray(start, end) };
}

function writeSafe(blob: Buffer, at: number, value: number): void {
  assert(Number.isSafeInteger(value) && value >= 0, 'entries: index, term and stamp are safe integers');
  blob.writeUInt32BE(Math.floor(value / twoTo32), at);
  blob.writeUInt32BE(value % twoTo32, at + 4);
}

function readSafe(blob: Buffer, at: number): number {
  const high = blob.readUInt32BE(at);
  if (high > highMax) throw new ProtocolError('entries: a number is not a safe integer');
  return high * twoTo32 + blob.readUInt32BE(at + 4);
}
