import {
  ClientExpiredError,
  DeadlineExceededError,
  ForbiddenError,
  RequestSettledError,
  UnknownOutcomeError,
} from '../base/errors.ts';
import type { ClientHeader } from '../wire/client-header.ts';
import { BouncedCalls } from './bounced-calls.ts';
import { type Call, type CallEnd, type CallSpec, fail, finish, mayBeApplied, restarted } from './call.ts';
import { judgeAnswer } from './judge-answer.ts';
import { giveBack, orphanRetryMs, streamOf } from './request-frames.ts';
import { backlogMax, RequestWindow, windowMax } from './request-window.ts';
import { formatRequestId } from './resolved-request.ts';
import { wholeCluster } from './routes.ts';
import { type SenderDeps, StreamSender } from './stream-sender.ts';

/** What the streams of one client share. */
export interface StreamDeps extends SenderDeps {
  /** The client looks for a new identity: no request gets an id. */
  readonly isDraining: () => boolean;
  /** The cluster has forgotten the client; the call did nothing and goes on under a new identity. */
  readonly carry: (call: Call) => void;
  readonly start: (spec: CallSpec) => void;
  /** A shard has told who owns the call's bucket. @returns true if it spoke of itself. */
  readonly told: (call: Call, by: number, owner: string | undefined, version: number) => boolean;
  /** By which version of the map requests for the call's bucket are sent now. */
  readonly versionOf: (call: Call) => number;
}

/** An expired client waits for the answers of shards that still know it. */
type Memory = 'known' | 'forgetting' | 'forgotten';

/** Requests whose outcome is unknown can be asked about for so long. */
const keptForMs = 600_000;
const strangerRetryMs = 50;
/** Between two attempts by one version of the map. */
const redirectRetryMs = 20;
const overtakenRetryMs = 50;

/**
 * The calls of one client on one shard. Each request keeps its id until its outcome is known: it is sent again under the same
 * id on every new link, in the order of the ids, and is never reported refused once it may have been applied.
 */
export class RequestStream {
  readonly #deps: StreamDeps;
  readonly #shard: number;
  readonly #sender: StreamSender;
  /** Reads, and questions about requests: they have no place in the window. */
  readonly #asides = new Set<Call>();
  readonly #bounced = new BouncedCalls();
  #window = new RequestWindow();
  #memory: Memory = 'known';

  constructor(shard: number, deps: StreamDeps) {
    this.#shard = shard;
    this.#deps = deps;
    this.#sender = new StreamSender(shard, deps);
  }

  /** @returns false if there is no place for it. */
  enqueue(call: Call): boolean {
    return this.#window.enqueue(call);
  }

  /** @returns false if there is no place for it. */
  startAside(call: Call): boolean {
    if (this.#asides.size >= backlogMax) return false;
    this.#asides.add(call);
    this.#sender.register(call);
    if (this.#sender.canSend(call)) this.#transmit(call);
    return true;
  }

  /** Gives ids to calls that wait and sends them; what stands long at the window's begin must not hold it. */
  pump(): void {
    if (this.#deps.isDraining()) return;
    const isAttached = this.#deps.link.isAttached(this.#shard);
    this.#window.makeRoom();
    for (const call of this.#window.admit()) {
      this.#sender.register(call);
      if (isAttached) this.#sendInTurn(call);
    }
    if (this.#window.span >= windowMax / 2) this.#endOldestWait();
  }

  /** A take waits no longer: it is answered with what it got so far, mostly nothing. */
  endWait(call: Call, deadlineMs: number = call.deadlineMs): void {
    call.isCancelled = true;
    call.waitUntilMs = 0;
    call.deadlineMs = Math.min(call.deadlineMs, deadlineMs);
    this.#deps.wakeAt(call.deadlineMs);
    if (mayBeApplied(call)) {
      this.#sender.cancel(call);
      return;
    }
    this.#forget(call);
    finish(call, { type: 'result', result: { type: 'taken', tasks: [], atMs: 0 } });
  }

  /** The caller does not want to know any more. What was sent goes on to its end; what a take got is given back. */
  abandon(call: Call): void {
    call.isDone = true;
    if (!mayBeApplied(call)) this.#forget(call);
    else if (call.spec.isTake) this.#orphan(call);
  }

  /** Something can be sent that could not before. */
  resume(): void {
    for (const call of [...this.#window.unsettled(), ...this.#asides])
      if (!call.isSent && this.#sender.canSend(call)) this.#sendInTurn(call);
    this.pump();
  }

  lost(): void {
    this.#bounced.clear();
    for (const call of [...this.#window.unsettled(), ...this.#asides]) {
      call.isUnknown ||= call.isSent && call.spec.kind === 'request';
      call.isSent = false;
    }
  }

  onAnswer(call: Call, header: ClientHeader, body: Buffer): void {
    const nowMs = this.#deps.clock.monotonicMs();
    if (header.kind === 'result') this.#sender.answeredBy(header.group, this.#window.settledUpTo);
    const verdict = judgeAnswer(call, header, body);
    switch (verdict.type) {
      case 'ended':
        this.#onEnd(call, verdict.end, nowMs);
        break;
      case 'again':
        call.isUnknown ||= verdict.isUnknown;
        this.#bounce(call, nowMs + verdict.afterMs);
        break;
      case 'redirected':
        this.#onRedirect(call, header.group, verdict.owner, verdict.version);
        break;
      case 'sessionOver':
        this.#forget(call);
        this.#window.enqueueFirst([restarted(call)]);
        this.#deps.link.reattach(this.#shard);
        break;
      case 'expired':
        this.#onExpired(call, header.group, nowMs);
        break;
      default:
        break;
    }
  }

  /** The group attached the client as one that it did not know. */
  expired(): void {
    this.#memory = 'forgotten';
  }

  /** Nothing more can be learned of what was sent under this identity. */
  get isDrained(): boolean {
    if (this.#memory === 'forgotten') return true;
    for (const call of this.#window.unsettled())
      if (call.isSent || (this.#memory === 'known' && mayBeApplied(call))) return false;
    return true;
  }

  /** The identity is over. What may have been applied stays unknown. @returns the calls that go on under another. */
  endIdentity(): readonly Call[] {
    const carried: Call[] = [];
    for (const call of this.#window.unsettled()) {
      this.#deps.correlations.remove(call);
      if (mayBeApplied(call)) fail(call, this.#unknownError(call));
      else if (!call.isDone) carried.push(restarted(call));
    }
    for (const call of [...this.#asides]) {
      if (!call.isQuestion) continue;
      this.#forget(call);
      fail(call, forgottenError());
    }
    carried.push(...this.#window.takeBacklog());
    this.#window = new RequestWindow();
    this.#sender.reset();
    this.#memory = 'known';
    return carried;
  }

  /** The calls that have no id yet leave: they may belong elsewhere now. */
  takeBacklog(): readonly Call[] {
    return this.#window.takeBacklog();
  }

  /** The reads leave: they may belong elsewhere now. */
  takeReads(): readonly Call[] {
    const reads = [...this.#asides];
    for (const call of reads) this.#forget(call);
    return reads;
  }

  /**
   * @returns the request of this id, whose outcome was reported as unknown.
   * @throws RequestSettledError if it is settled; undefined if no request had this id.
   */
  givenUp(seq: number): Call | undefined {
    if (seq > this.#window.lastSeq) return undefined;
    const call = this.#window.givenUp(seq);
    if (call === undefined) throw new RequestSettledError(`request ${seq} of this stream is settled`);
    return call;
  }

  /** Ends every call: with `error` if it certainly did nothing. */
  close(error: Error): void {
    for (const call of [...this.#window.unsettled(), ...this.#window.backlog(), ...this.#asides])
      fail(call, mayBeApplied(call) ? this.#unknownError(call) : error);
  }

  /** Ends and repeats what is due. @returns when to come again. */
  sweep(nowMs: number): number {
    let nextMs = this.#window.settleKeptBefore(nowMs - keptForMs, keptForMs);
    for (const call of [...this.#window.unsettled(), ...this.#window.backlog(), ...this.#asides]) {
      const canSend = this.#sender.canSend(call);
      if (call.deadlineMs <= nowMs) this.#expire(call);
      else if (call.retryAtMs <= nowMs && canSend) this.#sendInTurn(call);
      nextMs = Math.min(nextMs, call.deadlineMs, canSend ? call.retryAtMs : nextMs);
    }
    const { settledUpTo, hasGaps } = this.#window;
    if (this.#sender.tellSettled(settledUpTo, nowMs) && hasGaps) this.#endOldestWait();
    return Math.min(nextMs, this.#sender.settleDueMs(settledUpTo));
  }

  #onEnd(call: Call, end: CallEnd, nowMs: number): void {
    this.#forget(call);
    if (call.isQuestion && end.type === 'result' && !call.isDone && !this.#isAsked(call.seq))
      this.#window.settleKept(call.seq);
    if (call.isOrphan && end.type === 'result' && end.result.type === 'taken')
      for (const task of end.result.tasks) this.#deps.start(giveBack(call.spec.queue, task, nowMs));
    finish(call, end);
  }

  /** Somebody else waits for the same answer. */
  #isAsked(seq: number): boolean {
    for (const call of this.#asides) if (call.isQuestion && !call.isDone && call.seq === seq) return true;
    return false;
  }

  #bounce(call: Call, atMs: number): void {
    this.#sender.retryAt(call, atMs);
    if (call.place.shard !== wholeCluster && !call.isQuestion) this.#bounced.add(call);
  }

  #sendInTurn(call: Call): void {
    this.#renew(call);
    if (this.#bounced.mayGo(call, this.#window.unsettled())) this.#transmit(call);
    else this.#bounce(call, this.#deps.clock.monotonicMs() + overtakenRetryMs);
  }

  /** An owner may have told another version since the call got its place. */
  #renew(call: Call): void {
    const mapVersion = this.#deps.versionOf(call);
    if (mapVersion > call.place.mapVersion) call.place = { ...call.place, mapVersion };
  }

  /** The owner itself says by which version it owns the bucket; anybody else's word may be ahead of the owner's log. */
  #onRedirect(call: Call, by: number, owner: string | undefined, version: number): void {
    const isNews = this.#deps.told(call, by, owner, version) && version > call.place.mapVersion;
    this.#bounce(call, this.#deps.clock.monotonicMs() + (isNews ? 0 : redirectRetryMs));
    if (isNews && this.#sender.canSend(call)) this.#sendInTurn(call);
  }

  /** This attempt did nothing; but an earlier one may have, before the client was forgotten. */
  #onExpired(call: Call, shard: number, nowMs: number): void {
    if (shard !== this.#shard && !this.#deps.link.isAttached(shard)) {
      // It was redirected to a shard that has not met this client yet.
      this.#deps.link.meet(shard);
      this.#bounce(call, nowMs + strangerRetryMs);
      return;
    }
    if (this.#memory === 'known') this.#memory = 'forgetting';
    this.#forget(call);
    if (call.isQuestion) fail(call, forgottenError());
    else if (call.isUnknown) fail(call, this.#unknownError(call));
    else if (call.restartCount > 0)
      fail(call, new ClientExpiredError('the cluster no longer knows this client'));
    if (call.isDone || call.isOrphan) this.#deps.carry(call);
    else this.#deps.carry(restarted(call));
  }

  #transmit(call: Call): void {
    this.#bounced.remove(call);
    this.#sender.transmit(call, this.#window.settledUpTo);
  }

  #endOldestWait(): void {
    const oldest = this.#window.oldest();
    if (oldest?.spec.isTake === true && !oldest.isDone && !oldest.isCancelled) this.endWait(oldest);
  }

  #orphan(call: Call): void {
    call.isOrphan = true;
    call.isCancelled = true;
    call.waitUntilMs = 0;
    call.deadlineMs = Number.POSITIVE_INFINITY;
    this.#sender.cancel(call);
    call.retryAtMs = this.#deps.clock.monotonicMs() + orphanRetryMs;
    this.#deps.wakeAt(call.retryAtMs);
  }

  /**
   * Nobody waits any longer. A take is asked for until its outcome is known; another request that may have been applied is kept,
   * so that its caller can ask what became of it; the rest is settled and cannot be applied later.
   */
  #expire(call: Call): void {
    const isUnknown = mayBeApplied(call);
    const isAsked = isUnknown && !call.isDone && !call.isQuestion;
    fail(call, isUnknown ? this.#unknownError(call) : this.#lateError(call));
    if (isUnknown && call.spec.isTake) this.#orphan(call);
    else if (isAsked) {
      this.#forget(call);
      this.#window.keep(call);
      call.deadlineMs = this.#deps.clock.monotonicMs();
      this.#deps.wakeAt(call.deadlineMs + keptForMs);
    } else this.#forget(call);
  }

  #forget(call: Call): void {
    this.#bounced.remove(call);
    this.#deps.correlations.remove(call);
    if (!this.#asides.delete(call)) this.#window.remove(call);
  }

  /** It was never sent, or did nothing: who knows why says so. */
  #lateError({ spec }: Call): Error {
    const why = spec.kind === 'request' ? this.#deps.link.whyNotAttached(this.#shard) : undefined;
    if (why === undefined) return new DeadlineExceededError('no answer came in time');
    const message = `no session could be attached: ${why.message}`;
    return why.code === 'FORBIDDEN' ? new ForbiddenError(message) : new DeadlineExceededError(message);
  }

  #unknownError({ seq }: Call): UnknownOutcomeError {
    const { client } = this.#deps.link.identity;
    const id = formatRequestId({ client, stream: streamOf(this.#shard), seq });
    return new UnknownOutcomeError(`request ${id} was sent and its outcome is not known`, id);
  }
}

function forgottenError(): RequestSettledError {
  return new RequestSettledError('the cluster has forgotten the client of this request');
}
