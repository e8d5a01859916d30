import { Buffer } from 'node:buffer';
import {
  clientHeaderBytes,
  clientHeaderLayout,
  type FrameKind,
  frameKinds,
} from '../../wire/client-header.ts';
import type { BucketHolds } from './bucket-holds.ts';
import {
  bucketOf,
  correlationOf,
  deadlineOf,
  isAny,
  isWrite,
  kindCodeOf,
  returnFrame,
  waitMsOf,
} from './frame-fields.ts';
import type { Lane } from './lane.ts';
import type { LaneLink } from './lane-host.ts';
import type { Origin } from './types.ts';

/** One frame that a router has taken in, until it is answered. All fields are there from the start: the shape never changes. */
export class Entry {
  frame: Buffer;
  readonly kind: number;
  /** What the sender knows it by. */
  readonly callerCorrelation: number;
  readonly bucket: number;
  readonly deadlineMs: number;
  /** Grows with each frame that the router takes in: who came first goes first. */
  readonly order: number;
  /** The holds of its bucket's namespace; undefined for what has no key. */
  readonly holds: BucketHolds | undefined;
  /** A take that may stay with its node for long: nobody's order depends on it. */
  readonly waits: boolean;
  origin: Origin;
  lane: Lane;
  /** What we know it by. */
  correlation = 0;
  waitUntilMs: number;
  sentTo: LaneLink | undefined = undefined;
  /** Any replica may answer; false once one was not able to. */
  isAny: boolean;
  /** Its client is gone: it is not sent again. */
  isOrphan = false;
  /** Counts in its lane's figure of what is in flight. */
  isCounted = false;
  /** An attempt may have reached the log and nobody said how it ended. */
  isUnknown = false;
  /** Counts among those of its bucket that are at a shard. */
  isUnderWay = false;
  /** Waits with its bucket, not with its lane. */
  isHeld = false;
  /** When its bucket was first found to be with nobody we know; 0 for never. */
  heldSinceMs = 0;
  isDone = false;
  #isKept = false;

  constructor(
    frame: Buffer,
    origin: Origin,
    lane: Lane,
    holds: BucketHolds | undefined,
    order: number,
    nowMs: number,
  ) {
    const waitMs = waitMsOf(frame);
    this.waits = waitMs > 0;
    this.frame = frame;
    this.kind = kindCodeOf(frame);
    this.callerCorrelation = correlationOf(frame);
    this.bucket = bucketOf(frame);
    this.deadlineMs = deadlineOf(frame, nowMs);
    this.waitUntilMs = this.waits ? nowMs + waitMs : 0;
    this.order = order;
    this.holds = holds;
    this.origin = origin;
    this.lane = lane;
    this.isAny = this.kind === frameKinds.get && isAny(frame);
    if (this.waits) this.keep();
  }

  /** It may stay long, and must not keep the whole message that it came in. */
  keep(): void {
    if (this.#isKept) return;
    this.#isKept = true;
    if (this.frame.buffer.byteLength > this.frame.length * 4) this.frame = Buffer.from(this.frame);
  }

  get isWrite(): boolean {
    return isWrite(this.kind);
  }

  get mayBeApplied(): boolean {
    return this.isWrite && (this.isUnknown || this.sentTo !== undefined);
  }
}

/** An answer that the router gives itself: the header of the request with another kind, and a body. */
export function ownAnswer(request: Buffer, kind: FrameKind, body: Uint8Array, group: number): Buffer {
  const frame = Buffer.allocUnsafe(clientHeaderBytes + body.length);
  request.copy(frame, 0, 0, clientHeaderBytes);
  frame.set(body, clientHeaderBytes);
  frame[at.kind] = frameKinds[kind];
  frame[at.flags] = 0;
  frame.fill(0, at.settledUpTo, clientHeaderBytes);
  frame.writeUInt32BE(group, at.group);
  return frame;
}

/** As `ownAnswer`, for a frame that was taken in: its header has our numbers. */
export function entryAnswer(entry: Entry, kind: FrameKind, body: Uint8Array, group: number): Buffer {
  const frame = ownAnswer(entry.frame, kind, body, group);
  returnFrame(frame, entry.callerCorrelation, group);
  return frame;
}

const at = clientHeaderLayout;
