import type { LeasedTask, Operation } from '../queue/types.ts';
import { noDeadlineMs } from '../wire/client-header.ts';
import { encodeOperation } from '../wire/queue-operation.ts';
import type { Call, CallSpec } from './call.ts';
import { type Place, wholeCluster } from './routes.ts';
import type { RequestHeader } from './session-link.ts';

/** A request that is about one task. */
export type KeyedOperation = Extract<
  Operation,
  { readonly type: 'put' | 'ack' | 'ackDone' | 'release' | 'bury' }
>;
/** A request that is about a whole queue, and not a take. */
export type QueueOperation = Extract<Operation, { readonly type: 'setProvider' | 'setPolicy' }>;

/** A take whose caller is gone is asked for again this often. */
export const orphanRetryMs = 5_000;
/** What such a take got is given back within this. */
const giveBackWithinMs = 60_000;
/** An answer should come before the caller stops waiting, so that it can say whether anything was done. */
const answerMarginMs = 100;

/** A shard's requests are one stream, under its number as they were first routed; without shards there is one. */
export function streamOf(shard: number): number {
  return shard === wholeCluster ? 1 : shard;
}

export function requestHeader(call: Call, settledUpTo: number, nowMs: number): RequestHeader {
  const { correlation, seq, place, spec } = call;
  const isRequest = seq !== 0;
  return {
    kind: spec.kind === 'routes' ? 'request' : spec.kind,
    any: spec.any && place.shard !== wholeCluster,
    group: place.shard,
    bucket: place.bucket,
    mapVersion: place.mapVersion,
    correlation,
    stream: isRequest ? streamOf(place.shard) : 0,
    seq,
    settledUpTo: isRequest ? settledUpTo : 0,
    remainingMs: remainingMs(call, nowMs),
    waitMs: Math.min(noDeadlineMs, Math.max(0, Math.ceil(call.waitUntilMs - nowMs))),
  };
}

/** Says that the take of this id waits no longer. */
export function cancelHeader({ seq, place }: Call): RequestHeader {
  return { ...plainHeader(place), kind: 'cancel', stream: streamOf(place.shard), seq };
}

/** Says that the answers of a stream up to `settledUpTo` are not needed any more, to a shard that remembers some. */
export function settleHeader(stream: number, place: Place, settledUpTo: number): RequestHeader {
  return { ...plainHeader(place), kind: 'settle', stream, settledUpTo };
}

/** A header that says only where it goes. */
export function plainHeader(place: Place): Omit<RequestHeader, 'kind'> {
  const { shard: group, bucket, mapVersion } = place;
  const ids = { correlation: 0, stream: 0, seq: 0, settledUpTo: 0, remainingMs: 0, waitMs: 0, any: false };
  return { group, bucket, mapVersion, ...ids };
}

/** The release of a task that nobody waits for; no call to a provider was made with it. */
export function giveBackOperation(
  queue: string,
  { id, fence }: Pick<LeasedTask, 'id' | 'fence'>,
): KeyedOperation {
  return { type: 'release', queue, id, fence, delayMs: 0, scope: 'task', callMade: false };
}

/** The same as a call that nobody waits for. */
export function giveBack(queue: string, task: LeasedTask, nowMs: number): CallSpec {
  return {
    kind: 'request',
    queue,
    target: { key: task.id },
    any: false,
    body: () => encodeOperation(giveBackOperation(queue, task)),
    isTake: false,
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
