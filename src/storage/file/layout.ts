/** Where the fields of the files start, in bytes; integers are big-endian. docs/reference/disk.md is checked against this file. */

/** The version of all files of a directory. */
export const diskFormat = 1;

/** The start of a segment file. */
export const segmentLayout = {
  crc: 0,
  magic: 4,
  format: 8,
  segment: 12,
  firstSequence: 16,
  incarnation: 24,
  headerBytes: 32,
} as const;

/** The header of a batch. `crc` covers all that follows it to the end of the body, `headerCrc` the header from `magic` on. */
export const batchLayout = {
  crc: 0,
  magic: 4,
  segment: 8,
  offset: 12,
  sequence: 16,
  syncedSequence: 24,
  bodyBytes: 32,
  headerCrc: 36,
  headerBytes: 40,
} as const;

/** A record of a batch: the head, the name of the group, the payload. */
export const recordLayout = {
  kind: 0,
  groupBytes: 1,
  payloadBytes: 2,
  headerBytes: 6,
} as const;

/** A slot file of the hard states. */
export const slotLayout = {
  crc: 0,
  magic: 4,
  format: 8,
  generation: 12,
  logSequence: 20,
  syncedSequence: 28,
  bodyBytes: 36,
  headerBytes: 40,
} as const;

/** A record of an escrow file. `crc` covers all that follows it. */
export const escrowLayout = {
  crc: 0,
  magic: 4,
  kind: 8,
  fence: 9,
  expiresAtMs: 17,
  queueBytes: 25,
  idBytes: 27,
  payloadBytes: 29,
  headerBytes: 33,
} as const;

/** The kinds of log records. `snapshotMark` (4) and `carried` (5) are kept free for snapshots and compaction. */
export const recordKinds = { entries: 1, hardState: 2, truncateFrom: 3 } as const;

/** The kinds of escrow records. */
export const escrowKinds = { append: 1, settle: 2 } as const;

export const segmentMagic = 0x52534547; // RSEG
export const batchMagic = 0x52424154; // RBAT
export const slotMagic = 0x52534c54; // RSLT
export const escrowMagic = 0x52455343; // RESC

/** The names in a data directory. */
export const identityName = 'identity';
export const slotNames = ['hard-state.0', 'hard-state.1'] as const;
export const lockPrefix = 'lock';

/** What the operator is told with every damage. */
export const keepAdvice =
  'Nothing was changed. Keep the directory, move it aside and start this node on an empty one to be rebuilt from its peers; a single node needs its backup.';

const segmentPattern = /^log-([0-9]{10})\.seg$/;

export function segmentName(segment: number): string {
  return `log-${String(segment).padStart(10, '0')}.seg`;
}

/** @returns undefined if the file is no segment. */
export function segmentOfName(name: string): number | undefined {
  const match = segmentPattern.exec(name);
  return match === null ? undefined : Number(match[1]);
}

const twoTo32 = 2 ** 32;

export function writeUint64(bytes: Buffer, value: number, at: number): void {
  bytes.writeUInt32BE(Math.floor(value / twoTo32), at);
  bytes.writeUInt32BE(value % twoTo32, at + 4);
}

/** @returns a number that may be above the safe integers when the bytes are damaged; checksums are looked at first. */
export function readUint64(bytes: Buffer, at: number): number {
  return bytes.readUInt32BE(at) * twoTo32 + bytes.readUInt32BE(at + 4);
}
