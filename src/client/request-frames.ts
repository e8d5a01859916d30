import type { LeasedTask } from '../queue/types.ts';
import { noDeadlineMs } from '../wire/client-header.ts';
import { encodeOperation } from '../wire/queue-operation.ts';
import type { Call, CallSpec } from './call.ts';
import type { RequestHeader } from './session-link.ts';

/** The one stream of a client that knows one group. */
export const requestStream = 1;
/** A take whose caller is gone is asked for again this often. */
export const orphanRetryMs = 5_000;
/** What such a take got is given back within this. */
const giveBackWithinMs = 60_000;
/** An answer should come before the caller stops waiting, so that it can say whether anything was done. */
const answerMarginMs = 100;

export function requestHeader(call: Call, settledUpTo: number, nowMs: number): RequestHeader {
  const { correlation, seq } = call;
  const isRequest = seq !== 0;
  return {
    kind: call.spec.kind,
    correlation,
    stream: isRequest ? requestStream : 0,
    seq,
    settledUpTo: isRequest ? settledUpTo : 0,
    remainingMs: remainingMs(call, nowMs),
    waitMs: Math.min(noDeadlineMs, Math.max(0, Math.ceil(call.waitUntilMs - nowMs))),
  };
}

/** Says that the take of this id waits no longer. */
export function cancelHeader(call: Call): RequestHeader {
  const { seq } = call;
  return {
    kind: 'cancel',
    correlation: 0,
    remainingMs: 0,
    waitMs: 0,
    stream: requestStream,
    seq,
    settledUpTo: 0,
  };
}

/** The release of a task that nobody waits for; no call to a provider was made with it. */
export function giveBack(queue: string, task: LeasedTask, nowMs: number): CallSpec {
  const { id, fence } = task;
  const operation = {
    type: 'release',
    queue,
    id,
    fence,
    delayMs: 0,
    scope: 'task',
    callMade: false,
  } as const;
  return {
    kind: 'request',
    body: () => encodeOperation(operation),
    takeFrom: undefined,
    waitUntilMs: 0,
    deadlineMs: nowMs + giveBackWithinMs,
    done: () => {},
  };
}

function remainingMs(call: Call, nowMs: number): number {
  if (call.isOrphan) return orphanRetryMs;
  if (call.deadlineMs === Number.POSITIVE_INFINITY) return noDeadlineMs;
  const leftMs = call.deadlineMs - nowMs;
  return Math.max(1, Math.min(noDeadlineMs - 1, Math.floor(leftMs - Math.min(answerMarginMs, leftMs / 10))));
}
