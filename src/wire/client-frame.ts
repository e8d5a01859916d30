import type { Buffer } from 'node:buffer';
import type { NodeId, SessionId } from '../base/ids.ts';
import { readBool, readEnum, readInt, readOptional, readTuple } from './fields.ts';
import { readNodeId } from './id-fields.ts';
import { durationMsMax } from './limits.ts';
import { decodeStrict, encodeTuple } from './msgpack.ts';
import { readAttachments } from './queue-codec.ts';
import { readSession, readText, sessionToWire } from './queue-operation.ts';

/**
 * Bodies of the client frames that are neither an operation (queue-codec.ts) nor a result (queue-result.ts). Every `read…`
 * throws ProtocolError unless the body is exactly one of its kind.
 */

/** Why a request was refused by whoever handles it before the state machine: it was certainly not applied by this attempt. */
export const serviceRefusals = [
  'FORBIDDEN',
  'BUSY',
  'DEADLINE_EXCEEDED',
  'LOG_FULL',
  'TOO_LARGE',
  'PROTOCOL',
  'CLOSED',
  'UNKNOWN_GROUP',
  'TOO_MANY_HOPS',
] as const;
export type ServiceRefusal = (typeof serviceRefusals)[number];

/** Why a lease ended; as in QueueEvents. */
export const leaseEnds = ['put', 'ttr', 'session'] as const;
export type LeaseEnd = (typeof leaseEnds)[number];

export interface AttachBody {
  readonly session: SessionId;
  readonly workerId: string;
  /** That of the last attach; 0 for a client that was never attached. */
  readonly registration: number;
}
export interface GetBody {
  readonly queue: string;
  readonly id: string;
  /** True: any replica will do. */
  readonly any: boolean;
  readonly maxAgeMs: number | undefined;
}
export interface RefusedBody {
  readonly code: ServiceRefusal;
  readonly message: string;
  readonly retryAfterMs: number;
}
export interface LeaderBody {
  readonly leaderId: NodeId | undefined;
  readonly term: number;
}
export interface LeaseLostBody {
  readonly session: SessionId;
  readonly queue: string;
  readonly id: string;
  readonly fence: number;
  readonly why: LeaseEnd;
}
export interface Attachment {
  readonly session: SessionId;
  readonly attachment: number;
}

export function encodeAttach({ session, workerId, registration }: AttachBody): Buffer {
  return encodeTuple([sessionToWire(session), workerId, registration]);
}

export function readAttach(bytes: Uint8Array): AttachBody {
  const [session, workerId, registration = 0] = readTuple(decodeStrict(bytes), 'attach', 2, 3);
  return {
    session: readSession(session, 'session'),
    workerId: readText(workerId, 'workerId'),
    registration: readInt(registration, 'registration'),
  };
}

export function encodeGet(body: GetBody): Buffer {
  return encodeTuple([body.queue, body.id, body.any, body.maxAgeMs ?? null]);
}

export function readGet(bytes: Uint8Array): GetBody {
  const [queue, id, any, maxAgeMs] = readTuple(decodeStrict(bytes), 'get', 4);
  return {
    queue: readText(queue, 'queue'),
    id: readText(id, 'id'),
    any: readBool(any, 'any'),
    maxAgeMs: readOptional(maxAgeMs, 'maxAgeMs', readInt),
  };
}

/** The body of a stats request: the queue's name. */
export function encodeQueueName(queue: string): Buffer {
  return encodeTuple([queue]);
}

export function readQueueName(bytes: Uint8Array): string {
  const [queue] = readTuple(decodeStrict(bytes), 'stats', 1);
  return readText(queue, 'queue');
}

export function encodeRefused(body: RefusedBody): Buffer {
  return encodeTuple([serviceRefusals.indexOf(body.code), body.message, Math.ceil(body.retryAfterMs)]);
}

export function readRefused(bytes: Uint8Array): RefusedBody {
  const [code, message, retryAfterMs] = readTuple(decodeStrict(bytes), 'refused', 3);
  return {
    code: readEnum(code, 'code', serviceRefusals),
    message: readText(message, 'message'),
    retryAfterMs: readInt(retryAfterMs, 'retryAfterMs', 0, durationMsMax),
  };
}

export function encodeLeader(body: LeaderBody): Buffer {
  return encodeTuple([body.leaderId ?? null, body.term]);
}

export function readLeader(bytes: Uint8Array): LeaderBody {
  const [leaderId, term] = readTuple(decodeStrict(bytes), 'leader', 2);
  return { leaderId: readOptional(leaderId, 'leaderId', readNodeId), term: readInt(term, 'term') };
}

export function encodeLeaseLost(body: LeaseLostBody): Buffer {
  return encodeTuple([
    sessionToWire(body.session),
    body.queue,
    body.id,
    body.fence,
    leaseEnds.indexOf(body.why),
  ]);
}

export function readLeaseLost(bytes: Uint8Array): LeaseLostBody {
  const [session, queue, id, fence, why] = readTuple(decodeStrict(bytes), 'leaseLost', 5);
  return {
    session: readSession(session, 'session'),
    queue: readText(queue, 'queue'),
    id: readText(id, 'id'),
    fence: readInt(fence, 'fence'),
    why: readEnum(why, 'why', leaseEnds),
  };
}

export function encodeSession(session: SessionId): Buffer {
  return encodeTuple([sessionToWire(session)]);
}

export function readSessionEnded(bytes: Uint8Array): SessionId {
  const [session] = readTuple(decodeStrict(bytes), 'sessionEnded', 1);
  return readSession(session, 'session');
}

/** The body of a renewal: what a gateway heard since the last. */
export function encodeAttachments(sessions: readonly Attachment[]): Buffer {
  return encodeTuple(sessions.map((item) => [sessionToWire(item.session), item.attachment]));
}

export function readAttachmentList(bytes: Uint8Array): readonly Attachment[] {
  return readAttachments(decodeStrict(bytes), 'renew');
}

export function encodeDetach(body: Attachment): Buffer {
  return encodeTuple([sessionToWire(body.session), body.attachment]);
}

export function readDetach(bytes: Uint8Array): Attachment {
  const [session, attachment] = readTuple(decodeStrict(bytes), 'detach', 2);
  return { session: readSession(session, 'session'), attachment: readInt(attachment, 'attachment') };
}
