import { Alarm } from '../base/alarm.ts';
import {
  BusyError,
  ClientExpiredError,
  ClosedError,
  DeadlineExceededError,
  UnknownOutcomeError,
} from '../base/errors.ts';
import type { Clock } from '../ports/clock.ts';
import type { QueueResult } from '../queue/types.ts';
import { encodeQueueName, readRefused } from '../wire/client-frame.ts';
import type { ClientHeader } from '../wire/client-header.ts';
import { decodeResult } from '../wire/queue-result.ts';
import {
  type Call,
  type CallSpec,
  fail,
  finish,
  isSessionOver,
  mayBeApplied,
  newCall,
  restarted,
} from './call.ts';
import { serviceError } from './refusals.ts';
import { cancelHeader, giveBack, orphanRetryMs, requestHeader, requestStream } from './request-frames.ts';
import { backlogMax, RequestWindow, windowMax } from './request-window.ts';
import { attachCorrelation, type SessionLink } from './session-link.ts';

const sweepStepMs = 10;
const unknownRetryMs = 50;
const busyRetryMs = 100;
/** How often a call may start again under another id because its session was over. */
const restartsMax = 5;

/**
 * The calls of one client that are under way. Each request keeps its id until its outcome is known: it is sent again under the
 * same id on every new link, in the order of the ids, and is never reported refused once it may have been applied.
 */
export class Requests {
  readonly #clock: Clock;
  readonly #link: SessionLink;
  readonly #alarm: Alarm;
  readonly #byCorrelation = new Map<number, Call>();
  readonly #reads = new Set<Call>();
  #window = new RequestWindow();
  #lastCorrelation = 0;
  /** The client is expired: nothing new is sent until what was sent is answered; `#carried` goes on under a new identity. */
  #isDraining = false;
  #carried: Call[] = [];
  #isClosed = false;

  constructor(clock: Clock, link: SessionLink) {
    this.#clock = clock;
    this.#link = link;
    this.#alarm = new Alarm(clock, () => this.#sweep());
  }

  /** Starts a call; its end is reported once, in a later microtask. */
  start(spec: CallSpec): Call {
    const call = newCall(spec);
    if (this.#isClosed) {
      fail(call, new ClosedError('the client is closed'));
      return call;
    }
    if (spec.kind !== 'request') this.#startRead(call);
    else if (!this.#window.enqueue(call)) fail(call, tooMany());
    else this.#pump();
    this.#alarm.at(call.deadlineMs);
    return call;
  }

  /** A take waits no longer: it is answered with what it got so far, mostly nothing. */
  endWait(call: Call, deadlineMs: number = call.deadlineMs): void {
    if (call.isDone || call.isCancelled) return;
    call.isCancelled = true;
    call.waitUntilMs = 0;
    call.deadlineMs = Math.min(call.deadlineMs, deadlineMs);
    this.#alarm.at(call.deadlineMs);
    if (mayBeApplied(call)) {
      this.#sendCancel(call);
      return;
    }
    this.#settle(call);
    finish(call, { type: 'result', result: nothingTaken });
  }

  /** The caller does not want to know any more. What was sent goes on to its end; what a take got is given back. */
  abandon(call: Call): void {
    if (call.isDone) return;
    call.isDone = true;
    if (!mayBeApplied(call)) this.#settle(call);
    else if (call.spec.takeFrom !== undefined) this.#orphan(call);
  }

  attached(): void {
    for (const call of this.#window.unsettled()) if (!call.isSent) this.#transmit(call);
    for (const call of this.#reads) if (!call.isSent) this.#transmit(call);
    this.#pump();
  }

  lost(): void {
    for (const call of this.#window.unsettled()) {
      call.isUnknown ||= call.isSent;
      call.isSent = false;
    }
    for (const call of this.#reads) call.isSent = false;
    if (this.#isDraining) this.#rotate();
  }

  /** The cluster has forgotten the client: what may have been applied stays unknown, the rest goes on under a new identity. */
  expired(): void {
    this.#rotate();
  }

  onFrame(header: ClientHeader, body: Buffer): void {
    const call = this.#byCorrelation.get(header.correlation);
    if (call === undefined) return;
    switch (header.kind) {
      case 'result':
        this.#onResult(call, decodeResult(body));
        break;
      case 'record':
      case 'statsResult':
        this.#settle(call);
        finish(call, { type: 'read', kind: header.kind, body });
        break;
      case 'refused':
        this.#onRefused(call, body);
        break;
      case 'unknown':
        call.isUnknown = true;
        this.#retryIn(call, unknownRetryMs);
        break;
      default:
        break;
    }
    this.#pump();
  }

  close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#alarm.cancel();
    for (const call of [
      ...this.#window.unsettled(),
      ...this.#window.backlog(),
      ...this.#reads,
      ...this.#carried,
    ]) {
      const isUnknown = call.spec.kind === 'request' && mayBeApplied(call);
      fail(call, isUnknown ? this.#unknownError(call) : new ClosedError('the client is closed'));
    }
  }

  #startRead(call: Call): void {
    if (this.#reads.size >= backlogMax) {
      fail(call, tooMany());
      return;
    }
    this.#reads.add(call);
    this.#register(call);
    if (this.#link.isAttached) this.#transmit(call);
  }

  /** Gives ids to calls that wait and sends them; a take that waits long must not hold the window. */
  #pump(): void {
    if (this.#isDraining) {
      if (!this.#hasSent()) this.#rotate();
      return;
    }
    for (const call of this.#window.admit()) {
      this.#register(call);
      if (this.#link.isAttached) this.#transmit(call);
    }
    if (this.#window.span < windowMax / 2) return;
    const oldest = this.#window.oldest();
    if (oldest?.spec.takeFrom !== undefined) this.endWait(oldest);
  }

  #register(call: Call): void {
    do this.#lastCorrelation = (this.#lastCorrelation + 1) % attachCorrelation;
    while (this.#lastCorrelation === 0 || this.#byCorrelation.has(this.#lastCorrelation));
    call.correlation = this.#lastCorrelation;
    call.body = call.spec.body(this.#link.identity.session);
    this.#byCorrelation.set(call.correlation, call);
  }

  #transmit(call: Call): void {
    const nowMs = this.#clock.monotonicMs();
    call.isSent = true;
    call.retryAtMs = call.isOrphan ? nowMs + orphanRetryMs : Number.POSITIVE_INFINITY;
    this.#alarm.at(call.retryAtMs);
    this.#link.send(requestHeader(call, this.#window.settledUpTo, nowMs), call.body);
  }

  #sendCancel(call: Call): void {
    if (call.isSent && call.spec.takeFrom !== undefined) {
      this.#link.send(cancelHeader(call), encodeQueueName(call.spec.takeFrom));
    }
  }

  #onResult(call: Call, result: QueueResult): void {
    if (result.type === 'refused' && result.code === 'CLIENT_EXPIRED') {
      this.#onExpired(call);
      return;
    }
    // The state machine had no room and remembers nothing: an earlier attempt may still arrive.
    if (call.isUnknown && !call.isOrphan && result.type === 'refused' && result.code === 'BUSY') {
      this.#retryIn(call, busyRetryMs);
      return;
    }
    if (isSessionOver(call, result) && call.restartCount < restartsMax && !call.isOrphan) {
      this.#forget(call);
      this.#window.enqueueFirst([restarted(call)]);
      this.#link.reattach();
      return;
    }
    this.#settle(call);
    const { takeFrom } = call.spec;
    if (call.isOrphan && takeFrom !== undefined && result.type === 'taken') {
      for (const task of result.tasks) this.start(giveBack(takeFrom, task, this.#clock.monotonicMs()));
    }
    finish(call, { type: 'result', result });
  }

  #onRefused(call: Call, body: Buffer): void {
    const refused = readRefused(body);
    if (call.isUnknown || call.isOrphan) {
      this.#retryIn(call, Math.max(unknownRetryMs, refused.retryAfterMs));
      return;
    }
    this.#settle(call);
    fail(call, serviceError(refused));
  }

  #retryIn(call: Call, delayMs: number): void {
    call.isSent = false;
    call.retryAtMs = this.#clock.monotonicMs() + delayMs;
    this.#alarm.at(call.retryAtMs);
  }

  /** This attempt did nothing; but an earlier one may have, before the client was forgotten. */
  #onExpired(call: Call): void {
    this.#isDraining = true;
    this.#forget(call);
    if (call.isUnknown) fail(call, this.#unknownError(call));
    else if (call.restartCount > 0)
      fail(call, new ClientExpiredError('the cluster no longer knows this client'));
    else if (!call.isOrphan) this.#carried.push(restarted(call));
  }

  #hasSent(): boolean {
    for (const call of this.#window.unsettled()) if (call.isSent) return true;
    return false;
  }

  #rotate(): void {
    const previous = this.#window;
    const carried = this.#carried.filter((call) => !call.isDone);
    for (const call of [...previous.unsettled()]) {
      this.#byCorrelation.delete(call.correlation);
      if (mayBeApplied(call)) fail(call, this.#unknownError(call));
      else if (!call.isDone) carried.push(restarted(call));
    }
    this.#window = new RequestWindow();
    this.#window.enqueueFirst([...carried, ...previous.backlog()]);
    this.#carried = [];
    this.#isDraining = false;
    this.#link.rotate();
    this.#pump();
  }

  #orphan(call: Call): void {
    call.isOrphan = true;
    call.isCancelled = true;
    call.waitUntilMs = 0;
    call.deadlineMs = Number.POSITIVE_INFINITY;
    this.#sendCancel(call);
    call.retryAtMs = this.#clock.monotonicMs() + orphanRetryMs;
    this.#alarm.at(call.retryAtMs);
  }

  #sweep(): void {
    const nowMs = this.#clock.monotonicMs();
    let nextMs = Number.POSITIVE_INFINITY;
    for (const call of [...this.#window.unsettled(), ...this.#window.backlog(), ...this.#reads]) {
      if (call.deadlineMs <= nowMs) this.#expire(call);
      else if (call.retryAtMs <= nowMs && this.#link.isAttached) this.#transmit(call);
      nextMs = Math.min(nextMs, call.deadlineMs, this.#link.isAttached ? call.retryAtMs : nextMs);
    }
    this.#alarm.at(Math.max(nextMs, nowMs + sweepStepMs));
    this.#pump();
  }

  /** Nobody waits any longer. A take is asked for until its outcome is known; anything else is settled and cannot be applied later. */
  #expire(call: Call): void {
    const isUnknown = call.spec.kind === 'request' && mayBeApplied(call);
    fail(call, isUnknown ? this.#unknownError(call) : new DeadlineExceededError('no answer came in time'));
    if (isUnknown && call.spec.takeFrom !== undefined) this.#orphan(call);
    else this.#settle(call);
  }

  #settle(call: Call): void {
    this.#forget(call);
    this.#reads.delete(call);
  }

  #forget(call: Call): void {
    this.#byCorrelation.delete(call.correlation);
    this.#window.remove(call);
  }

  #unknownError(call: Call): UnknownOutcomeError {
    const { client } = this.#link.identity;
    return new UnknownOutcomeError(
      `request ${client}/${requestStream}/${call.seq} was sent and its outcome is not known`,
    );
  }
}

const nothingTaken: QueueResult = { type: 'taken', tasks: [], atMs: 0 };

function tooMany(): BusyError {
  return new BusyError(`more than ${backlogMax} calls wait`, busyRetryMs);
}
