import type { SessionId } from '../base/ids.ts';
import type { QueueResult } from '../queue/types.ts';
import { type Place, type QueueRoutes, unsharded } from './routes.ts';

/** How a call ended. */
export type CallEnd =
  | { readonly type: 'result'; readonly result: QueueResult }
  | { readonly type: 'read'; readonly kind: 'record' | 'statsResult'; readonly body: Uint8Array }
  | { readonly type: 'routes'; readonly routes: QueueRoutes }
  | { readonly type: 'failed'; readonly error: Error };

/** What a call is about: a key finds its shard when the call gets its id; without one the call names its shard. */
export type CallTarget = { readonly key: string } | { readonly shard: number };

/** What the handle asks of the client. */
export interface CallSpec {
  /** `routes` is answered by the client itself, as soon as it knows where calls on the queue go. */
  readonly kind: 'request' | 'get' | 'stats' | 'routes';
  readonly queue: string;
  readonly target: CallTarget;
  /** A read that any replica may answer. */
  readonly any: boolean;
  /** The bytes, made when the request gets its id: a take names the session of then. */
  readonly body: (session: SessionId) => Uint8Array;
  /** A take can be cancelled, and is asked for until its outcome is known. */
  readonly isTake: boolean;
  /** Monotonic ms; 0 for no wait. */
  readonly waitUntilMs: number;
  /** Monotonic ms; Infinity for as long as the client lives. */
  readonly deadlineMs: number;
  /** Called once, never inside the call that started it. */
  readonly done: (end: CallEnd) => void;
}

/** A call under way. */
export interface Call {
  readonly spec: CallSpec;
  /** When it was started, among all calls of its client: later ones have a higher number. */
  readonly order: number;
  place: Place;
  /** 0 until it has an id; reads have none. */
  seq: number;
  /** It asks what became of the request of its id, and has no place of its own in the window. */
  isQuestion: boolean;
  body: Uint8Array;
  correlation: number;
  waitUntilMs: number;
  deadlineMs: number;
  /** Bytes of it left on the link that stands now. */
  isSent: boolean;
  /** An attempt left on an earlier link, or a node said so: it may have been applied. Only the state machine's answer ends it. */
  isUnknown: boolean;
  /** Nobody waits for it any more; a take is asked for nevertheless, and what it got is given back. */
  isOrphan: boolean;
  isDone: boolean;
  isCancelled: boolean;
  /** Sent again at this time if no answer came. */
  retryAtMs: number;
  /** Sent again under another id, because the session or the client was over. */
  restartCount: number;
}

export function newCall(spec: CallSpec, order: number): Call {
  return {
    spec,
    order,
    place: nowhere,
    seq: 0,
    isQuestion: false,
    body: noBody,
    correlation: 0,
    waitUntilMs: spec.waitUntilMs,
    deadlineMs: spec.deadlineMs,
    isSent: false,
    isUnknown: false,
    isOrphan: false,
    isDone: false,
    isCancelled: false,
    retryAtMs: Number.POSITIVE_INFINITY,
    restartCount: 0,
  };
}

/** Ends the call for its caller; what is under way goes on. */
export function finish(call: Call, end: CallEnd): void {
  if (call.isDone) return;
  call.isDone = true;
  queueMicrotask(() => call.spec.done(end));
}

export function fail(call: Call, error: Error): void {
  finish(call, { type: 'failed', error });
}

/** True once the outcome is not ours to decide: something of it left. */
export function mayBeApplied(call: Call): boolean {
  return call.spec.kind === 'request' && (call.isSent || call.isUnknown);
}

/** The same call, to be sent under another id: what was sent of it is known to have done nothing. */
export function restarted(call: Call): Call {
  call.seq = 0;
  call.isSent = false;
  call.isUnknown = false;
  call.retryAtMs = Number.POSITIVE_INFINITY;
  call.restartCount++;
  return call;
}

const noBody = new Uint8Array(0);
const nowhere: Place = unsharded.ofQueue('').ofShard(0);
