import type { Buffer } from 'node:buffer';
import { clientHeaderLayout as at, frameKinds, noDeadlineMs } from '../../wire/client-header.ts';

/** Header fields read and written where they stand: what a router does with each frame allocates nothing. */

const markedFlag = 1;
const anyFlag = 2;

export function kindCodeOf(frame: Buffer): number {
  return frame[at.kind] ?? 0;
}

export function correlationOf(frame: Buffer): number {
  return frame.readUInt32BE(at.correlation);
}

/** The number of a shard in a client's frame, the code of a group in a node's. */
export function groupOf(frame: Buffer): number {
  return frame.readUInt32BE(at.group);
}

export function bucketOf(frame: Buffer): number {
  return frame.readUInt32BE(at.bucket);
}

export function isAny(frame: Buffer): boolean {
  return ((frame[at.flags] ?? 0) & anyFlag) !== 0;
}

export function waitMsOf(frame: Buffer): number {
  return frame.readUInt32BE(at.waitMs);
}

/** When the sender stops waiting; Infinity for never. */
export function deadlineOf(frame: Buffer, nowMs: number): number {
  const remainingMs = frame.readUInt32BE(at.remainingMs);
  return remainingMs === noDeadlineMs ? Number.POSITIVE_INFINITY : nowMs + remainingMs;
}

/** Takes one hop away. @returns false if none is left. */
export function takeHop(frame: Buffer): boolean {
  const hops = frame[at.hops] ?? 0;
  if (hops === 0) return false;
  frame[at.hops] = hops - 1;
  return true;
}

/** Writes what a node wants to see: for which group the frame is, and what to answer it by. The client's map version stays. */
export function addressFrame(frame: Buffer, correlation: number, group: number, isAnyRead: boolean): void {
  frame[at.flags] = isAnyRead ? markedFlag | anyFlag : markedFlag;
  frame.writeUInt32BE(correlation, at.correlation);
  frame.writeUInt32BE(group, at.group);
}

/** Writes how long is left; both in monotonic time of the sender. */
export function writeTimes(frame: Buffer, deadlineMs: number, waitUntilMs: number, nowMs: number): void {
  const remainingMs =
    deadlineMs === Number.POSITIVE_INFINITY
      ? noDeadlineMs
      : Math.min(noDeadlineMs - 1, millisUntil(deadlineMs, nowMs));
  frame.writeUInt32BE(remainingMs, at.remainingMs);
  frame.writeUInt32BE(waitUntilMs === 0 ? 0 : millisUntil(waitUntilMs, nowMs), at.waitMs);
}

/** Puts back what the sender of the request knows the answer by, and says which shard answered. */
export function returnFrame(frame: Buffer, correlation: number, shardNumber: number): void {
  frame.writeUInt32BE(correlation, at.correlation);
  frame.writeUInt32BE(shardNumber, at.group);
}

/** The same for all frames that name one (client, stream, seq): those fields stand side by side. */
export function requestKeyOf(frame: Buffer): string {
  return frame.toString('latin1', at.stream, at.settledUpTo);
}

/** True for what goes into the log: its outcome can be unknown. A read is only asked again. */
export function isWrite(kind: number): boolean {
  switch (kind) {
    case frameKinds.get:
    case frameKinds.stats:
    case frameKinds.ownership:
      return false;
    default:
      return true;
  }
}

/** Whole milliseconds for a header: 0 only when the time is over. */
function millisUntil(untilMs: number, nowMs: number): number {
  return Math.min(noDeadlineMs, Math.max(0, Math.ceil(untilMs - nowMs)));
}
