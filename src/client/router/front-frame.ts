import { Buffer } from 'node:buffer';
import { ProtocolError } from '../../base/errors.ts';
import type { ClientId } from '../../base/ids.ts';
import type { Permission } from '../../mesh/types.ts';
import { bundleBytesMax } from '../../wire/client-bundle.ts';
import { encodeRefused, type ServiceRefusal } from '../../wire/client-frame.ts';
import {
  blankHeader,
  bodyOf,
  clientHeaderBytes,
  clientHeaderLayout,
  clientVersion,
  encodeFrame,
  frameKinds,
  hopsMax,
  readSafe,
} from '../../wire/client-header.ts';
import { frameBytesMax } from '../../wire/limits.ts';
import { missingPermission } from '../../wire/operation-permissions.ts';
import { peekOperation } from '../../wire/queue-operation.ts';
import { decodeResult } from '../../wire/queue-result.ts';

const at = clientHeaderLayout;
/** A frame up to here fits into a bundle with others, however full that is. */
const clientFrameBytesMax: number = frameBytesMax - bundleBytesMax - 64 * 1024;
const markedFlag = 1;
const flagsMax = 3;

/** A client's id as it stands in its frames. */
export function clientBytesOf(client: ClientId): Buffer {
  return Buffer.from(client, 'hex');
}

/**
 * Checks the header of a client's frame where it stands: nothing is decoded, nothing is allocated.
 *
 * @param client - of the link that it came on; no other may be named.
 * @returns the code of its kind.
 * @throws ProtocolError when no client sends such a header.
 */
export function checkClientFrame(frame: Buffer, client: Buffer): number {
  if (frame.length < clientHeaderBytes) throw new ProtocolError('client frame: shorter than its header');
  if (frame.length > clientFrameBytesMax) throw new ProtocolError('client frame: too large');
  if (frame[at.version] !== clientVersion) throw new ProtocolError('client frame: of another version');
  const flags = frame[at.flags] ?? 0;
  if (flags > flagsMax) throw new ProtocolError('client frame: unknown flags');
  if ((flags & markedFlag) !== 0) throw new ProtocolError('client frame: marked by a client');
  if (hopsOf(frame) > hopsMax) throw new ProtocolError('client frame: hops out of range');
  if (client.compare(frame, at.client, at.client + client.length) !== 0)
    throw new ProtocolError('client frame: of another client');
  readSafe(frame, at.settledUpTo);
  const seq = readSafe(frame, at.seq);
  const kind = kindOf(frame);
  if (kind === frameKinds.request && seq === 0) throw new ProtocolError('client frame: no request id');
  return kind;
}

/**
 * The permission that a frame needs and its link has not; undefined if nothing is missing.
 *
 * @throws ProtocolError for what no client sends.
 */
export function missingFor(
  may: ReadonlySet<Permission>,
  frame: Buffer,
  kind: number,
): Permission | undefined {
  switch (kind) {
    case frameKinds.attach:
      return undefined;
    case frameKinds.request: {
      const type = peekOperation(bodyOf(frame));
      if (type === undefined) throw new ProtocolError('client frame: no operation');
      return missingPermission(may, type);
    }
    case frameKinds.get:
    case frameKinds.stats:
      return may.has('get') ? undefined : 'get';
    case frameKinds.ownership:
    case frameKinds.claim:
      return may.has('admin') ? undefined : 'admin';
    default:
      throw new ProtocolError(`client frame: a client sends no kind ${kind}`);
  }
}

/** The code of the frame's kind, as in `frameKinds`. */
export function kindOf(frame: Buffer): number {
  return frame[at.kind] ?? 0;
}

export function hopsOf(frame: Buffer): number {
  return frame[at.hops] ?? 0;
}

/** From a client, and in what a router hands on: the number of the shard. */
export function shardOf(frame: Buffer): number {
  return frame.readUInt32BE(at.group);
}

export function correlationOf(frame: Buffer): number {
  return frame.readUInt32BE(at.correlation);
}

/** True for a take that waits for a task. */
export function waits(frame: Buffer): boolean {
  return frame.readUInt32BE(at.waitMs) > 0;
}

/** In an answer or a push: the index of the log entry that it tells of; 0 for none. */
export function indexOf(frame: Buffer): number {
  return readSafe(frame, at.settledUpTo);
}

/** The number of the attachment if the answer tells of one. What no node answers is for the client to judge. */
export function attachmentIn(frame: Buffer): number | undefined {
  if (kindOf(frame) !== frameKinds.result) return undefined;
  try {
    const result = decodeResult(bodyOf(frame));
    return result.type === 'attached' ? result.attachment : undefined;
  } catch (error) {
    if (!(error instanceof ProtocolError)) throw error;
    return undefined;
  }
}

/** The answer to a frame that goes no further. */
export function refusalOf(
  frame: Buffer,
  client: ClientId,
  code: ServiceRefusal,
  message: string,
  retryAfterMs = 0,
): Buffer {
  const header = {
    ...blankHeader,
    kind: 'refused' as const,
    hops: 0,
    client,
    group: shardOf(frame),
    correlation: correlationOf(frame),
    stream: frame.readUInt32BE(at.stream),
    seq: readSafe(frame, at.seq),
  };
  return encodeFrame(header, encodeRefused({ code, message, retryAfterMs }));
}
