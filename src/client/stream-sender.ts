import type { Clock } from '../ports/clock.ts';
import { encodeQueueName } from '../wire/client-frame.ts';
import { noBucket } from '../wire/client-header.ts';
import type { Call } from './call.ts';
import type { Correlations } from './correlations.ts';
import { cancelHeader, orphanRetryMs, requestHeader, settleHeader, streamOf } from './request-frames.ts';
import { wholeCluster } from './routes.ts';
import type { SessionLink } from './session-link.ts';
import { SettleNotes } from './settle-notes.ts';

export interface SenderDeps {
  readonly clock: Clock;
  readonly link: SessionLink;
  readonly correlations: Correlations;
  /** The stream wants to be swept at this time. */
  readonly wakeAt: (atMs: number) => void;
}

const nothing = new Uint8Array(0);

/** Puts the calls of one stream on the link that stands, and remembers when each is sent again. */
export class StreamSender {
  readonly #deps: SenderDeps;
  readonly #shard: number;
  #notes = new SettleNotes();

  constructor(shard: number, deps: SenderDeps) {
    this.#shard = shard;
    this.#deps = deps;
  }

  canSend(call: Call): boolean {
    const { link } = this.#deps;
    return call.spec.kind === 'request' ? link.isAttached(this.#shard) : link.canRead(this.#shard);
  }

  /** The call gets its correlation and its bytes. */
  register(call: Call): void {
    this.#deps.correlations.add(call);
    call.body = call.spec.body(this.#deps.link.identity.session);
  }

  transmit(call: Call, settledUpTo: number): void {
    const nowMs = this.#deps.clock.monotonicMs();
    call.isSent = true;
    call.retryAtMs = call.isOrphan ? nowMs + orphanRetryMs : Number.POSITIVE_INFINITY;
    this.#deps.wakeAt(call.retryAtMs);
    if (call.seq !== 0) this.#notes.active(nowMs);
    this.#deps.link.send(requestHeader(call, settledUpTo, nowMs), call.body);
  }

  cancel(call: Call): void {
    if (call.isSent && call.spec.isTake)
      this.#deps.link.send(cancelHeader(call), encodeQueueName(call.spec.queue));
  }

  retryAt(call: Call, atMs: number): void {
    call.isSent = false;
    call.retryAtMs = atMs;
    this.#deps.wakeAt(atMs);
  }

  /** A shard, not always the one that was asked, has answered a request and remembers the answer. */
  answeredBy(shard: number, settledUpTo: number): void {
    if (this.#shard === wholeCluster) return;
    this.#notes.answeredBy(shard, this.#deps.clock.monotonicMs());
    this.#deps.wakeAt(this.#notes.dueMs(settledUpTo));
  }

  /** An idle client leaves no remembered answers behind: a bucket that has some cannot move. @returns true if it told so now. */
  tellSettled(settledUpTo: number, nowMs: number): boolean {
    if (this.#notes.dueMs(settledUpTo) > nowMs || !this.#deps.link.canRead(this.#shard)) return false;
    for (const shard of this.#notes.tell(settledUpTo)) {
      const place = { shard, bucket: noBucket, mapVersion: 0 };
      this.#deps.link.send(settleHeader(streamOf(this.#shard), place, settledUpTo), nothing);
    }
    return true;
  }

  settleDueMs(settledUpTo: number): number {
    return this.#notes.dueMs(settledUpTo);
  }

  /** Another identity: its requests begin anew. */
  reset(): void {
    this.#notes = new SettleNotes();
  }
}
