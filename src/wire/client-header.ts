import { Buffer } from 'node:buffer';
import { ProtocolError } from '../base/errors.ts';
import { type ClientId, clientId } from '../base/ids.ts';

/** Size of the fixed header that starts every client frame, in bytes. */
export const clientHeaderBytes = 64;
/** The version of the client protocol; another one is refused. */
export const clientVersion = 1;
/** Nodes and proxies a frame may pass before it is dropped. */
export const hopsMax = 4;
/** `bucket` of a frame that has no key. */
export const noBucket = 0xffff_ffff;
/** `remainingMs` of a request that waits as long as it takes. */
export const noDeadlineMs = 0xffff_ffff;

/** Where the fields are, in bytes; integers are big-endian. Documented in docs/reference/client-protocol.md. */
export const clientHeaderLayout = {
  version: 0,
  kind: 1,
  hops: 2,
  flags: 3,
  correlation: 4,
  group: 8,
  bucket: 12,
  mapVersion: 16,
  remainingMs: 20,
  waitMs: 24,
  stream: 28,
  client: 32,
  seq: 48,
  settledUpTo: 56,
} as const;

/** What a frame is. Below 16: from a client. 16 to 31: an answer. 32 to 47: a push. From 48: between nodes and routers only. */
export const frameKinds = {
  attach: 1,
  request: 2,
  get: 3,
  stats: 4,
  cancel: 5,
  ping: 6,
  move: 7,
  settle: 8,
  ownership: 9,
  claim: 10,
  result: 16,
  record: 17,
  statsResult: 18,
  refused: 19,
  unknown: 20,
  pong: 21,
  wrongShard: 22,
  frozen: 23,
  ownershipResult: 24,
  leader: 32,
  leaseLost: 33,
  sessionEnded: 34,
  shards: 35,
  notLeader: 48,
  renew: 49,
  detach: 50,
} as const;

export type FrameKind = keyof typeof frameKinds;

/** The fixed header: all that a proxy reads. The body behind it is opaque to whoever passes the frame on. */
export interface ClientHeader {
  readonly kind: FrameKind;
  /** How often the frame may still be passed on. */
  readonly hops: number;
  /** A node passed it on already: it is answered, never passed on again. */
  readonly marked: boolean;
  /** A read that any replica may answer. */
  readonly any: boolean;
  /** From a client to a router: the number of the shard it means. On a node: the code of the group (`groupCode`). 0 for `main`, and without shards. */
  readonly group: number;
  /** The bucket of the key; `noBucket` for what has no key. 0 without shards. */
  readonly bucket: number;
  /** The version of the map that the sender routed by; 0 without shards. */
  readonly mapVersion: number;
  /** The sender's own number for the answer; rewritten by whoever passes the frame on. */
  readonly correlation: number;
  /** Milliseconds until the sender stops waiting; `noDeadlineMs` for never. Lowered by whoever holds the frame. */
  readonly remainingMs: number;
  /** Milliseconds that a take may wait for a task. Lowered by whoever holds the frame. */
  readonly waitMs: number;
  readonly client: ClientId;
  readonly stream: number;
  /** 0 for a frame that is no request. */
  readonly seq: number;
  /** In a request: answers up to here are not needed any more. In an answer: the log index at which it was applied, or 0. */
  readonly settledUpTo: number;
}

/** Every field but kind and client as a frame has it that is no request and means no shard. */
export const blankHeader: Omit<ClientHeader, 'kind' | 'client'> = {
  hops: hopsMax,
  marked: false,
  any: false,
  group: 0,
  bucket: 0,
  mapVersion: 0,
  correlation: 0,
  remainingMs: 0,
  waitMs: 0,
  stream: 0,
  seq: 0,
  settledUpTo: 0,
};

const kindOfCode: ReadonlyMap<number, FrameKind> = new Map(
  Object.entries(frameKinds).map(([kind, code]) => [code, kind as FrameKind]),
);
const markedFlag = 1;
const anyFlag = 2;
const at = clientHeaderLayout;

/** A frame: header, then body. */
export function encodeFrame(header: ClientHeader, body: Uint8Array): Buffer {
  const frame = Buffer.allocUnsafe(clientHeaderBytes + body.length);
  writeHeader(frame, header);
  frame.set(body, clientHeaderBytes);
  return frame;
}

/**
 * Reads and checks the header of a frame.
 *
 * @throws ProtocolError if it is too short, of another version or kind, or a field is out of range.
 */
export function decodeHeader(frame: Buffer): ClientHeader {
  if (frame.length < clientHeaderBytes) throw new ProtocolError('client frame: shorter than its header');
  const version = frame[at.version];
  if (version !== clientVersion) throw new ProtocolError(`client frame: version ${version} is not known`);
  const kind = kindOfCode.get(frame[at.kind] ?? 0);
  if (kind === undefined) throw new ProtocolError(`client frame: kind ${frame[at.kind]} is not known`);
  const hops = frame[at.hops] ?? 0;
  if (hops > hopsMax) throw new ProtocolError('client frame: hops out of range');
  const flags = frame[at.flags] ?? 0;
  if (flags > (markedFlag | anyFlag)) throw new ProtocolError('client frame: unknown flags');
  return {
    kind,
    hops,
    marked: (flags & markedFlag) !== 0,
    any: (flags & anyFlag) !== 0,
    group: frame.readUInt32BE(at.group),
    bucket: frame.readUInt32BE(at.bucket),
    mapVersion: frame.readUInt32BE(at.mapVersion),
    correlation: frame.readUInt32BE(at.correlation),
    remainingMs: frame.readUInt32BE(at.remainingMs),
    waitMs: frame.readUInt32BE(at.waitMs),
    client: clientId(frame.toString('hex', at.client, at.client + 16)),
    stream: frame.readUInt32BE(at.stream),
    seq: readSafe(frame, at.seq),
    settledUpTo: readSafe(frame, at.settledUpTo),
  };
}

/** The fields of a header that whoever passes a frame on may change; the rest, and the body, stay as they are. */
export type HeaderPatch = Partial<
  Pick<
    ClientHeader,
    'hops' | 'marked' | 'any' | 'correlation' | 'group' | 'mapVersion' | 'remainingMs' | 'waitMs'
  >
>;

/** Changes fields of a frame in place: no decoding, no copy. */
export function patchHeader(frame: Buffer, patch: HeaderPatch): void {
  const { hops, marked, any, correlation, group, mapVersion, remainingMs, waitMs } = patch;
  if (hops !== undefined) frame[at.hops] = hops;
  if (marked !== undefined) setFlag(frame, markedFlag, marked);
  if (any !== undefined) setFlag(frame, anyFlag, any);
  if (correlation !== undefined) frame.writeUInt32BE(correlation, at.correlation);
  if (group !== undefined) frame.writeUInt32BE(group, at.group);
  if (mapVersion !== undefined) frame.writeUInt32BE(mapVersion, at.mapVersion);
  if (remainingMs !== undefined) frame.writeUInt32BE(remainingMs, at.remainingMs);
  if (waitMs !== undefined) frame.writeUInt32BE(waitMs, at.waitMs);
}

function setFlag(frame: Buffer, flag: number, isSet: boolean): void {
  const flags = frame[at.flags] ?? 0;
  frame[at.flags] = isSet ? flags | flag : flags & ~flag;
}

/** The body of a frame whose header was read: a view, not a copy. */
export function bodyOf(frame: Buffer): Buffer {
  return frame.subarray(clientHeaderBytes);
}

function writeHeader(frame: Buffer, header: ClientHeader): void {
  frame[at.version] = clientVersion;
  frame[at.kind] = frameKinds[header.kind];
  frame[at.hops] = header.hops;
  frame[at.flags] = (header.marked ? markedFlag : 0) | (header.any ? anyFlag : 0);
  frame.writeUInt32BE(header.correlation, at.correlation);
  frame.writeUInt32BE(header.group, at.group);
  frame.writeUInt32BE(header.bucket, at.bucket);
  frame.writeUInt32BE(header.mapVersion, at.mapVersion);
  frame.writeUInt32BE(header.remainingMs, at.remainingMs);
  frame.writeUInt32BE(header.waitMs, at.waitMs);
  frame.writeUInt32BE(header.stream, at.stream);
  frame.set(clientBytesOf(header.client), at.client);
  writeSafe(frame, at.seq, header.seq);
  writeSafe(frame, at.settledUpTo, header.settledUpTo);
}

/** A link writes one id again and again: the last one is kept as bytes. */
let lastClient = '';
let lastClientBytes = Buffer.alloc(0);

function clientBytesOf(client: ClientId): Buffer {
  if (client !== lastClient) {
    lastClientBytes = Buffer.from(client, 'hex');
    lastClient = client;
  }
  return lastClientBytes;
}

const twoTo32 = 2 ** 32;

/** An unsigned 64-bit integer that must be safe. */
export function readSafe(bytes: Buffer, offset: number): number {
  const high = bytes.readUInt32BE(offset);
  if (high > 0x1f_ffff) throw new ProtocolError('client frame: number is not a safe integer');
  return high * twoTo32 + bytes.readUInt32BE(offset + 4);
}

export function writeSafe(bytes: Buffer, offset: number, value: number): void {
  bytes.writeUInt32BE(Math.floor(value / twoTo32), offset);
  bytes.writeUInt32BE(value % twoTo32, offset + 4);
}
