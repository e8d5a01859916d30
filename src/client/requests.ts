import { Alarm } from '../base/alarm.ts';
import {
  BusyError,
  ClosedError,
  DeadlineExceededError,
  InvalidArgumentError,
  isRaftsmanError,
  RequestSettledError,
} from '../base/errors.ts';
import type { ClientId } from '../base/ids.ts';
import type { Clock } from '../ports/clock.ts';
import type { ClientHeader } from '../wire/client-header.ts';
import { type Call, type CallSpec, type CallTarget, fail, finish, newCall } from './call.ts';
import { Correlations } from './correlations.ts';
import { streamOf } from './request-frames.ts';
import { RequestStream, type StreamDeps } from './request-stream.ts';
import { backlogMax, windowMax } from './request-window.ts';
import type { RequestId } from './resolved-request.ts';
import type { Place, QueueRoutes, Routes } from './routes.ts';
import type { SessionLink } from './session-link.ts';

const sweepStepMs = 10;
const busyRetryMs = 100;
/** Once one shard has forgotten the client, answers of the others are waited for so long. */
const drainWithinMs = 5_000;
/** Calls that wait until it is known where they go: as many as one shard would hold. */
const unplacedMax: number = windowMax + backlogMax;
/** Former ids of this client, so that questions about their requests are told from nonsense. */
const formerMax = 16;

/**
 * The calls of one client that are under way: each finds its shard when that is known, and is one of that shard's stream from
 * then on. One client has one identity on all shards; when one of them has forgotten it, all get a new one.
 */
export class Requests {
  readonly #clock: Clock;
  readonly #link: SessionLink;
  readonly #alarm: Alarm;
  readonly #correlations = new Correlations();
  readonly #streams = new Map<number, RequestStream>();
  readonly #streamDeps: StreamDeps;
  readonly #former: ClientId[] = [];
  #routes: Routes | undefined;
  #unplaced: Call[] = [];
  /** The client is expired: nothing new is sent until what was sent is answered; `#carried` goes on under a new identity. */
  #isDraining = false;
  #drainByMs = Number.POSITIVE_INFINITY;
  #carried: Call[] = [];
  #order = 0;
  #isClosed = false;

  constructor(clock: Clock, link: SessionLink) {
    this.#clock = clock;
    this.#link = link;
    this.#alarm = new Alarm(clock, () => this.#sweep());
    this.#streamDeps = {
      clock,
      link,
      correlations: this.#correlations,
      wakeAt: (atMs) => this.#alarm.at(atMs),
      isDraining: () => this.#isDraining,
      carry: (call) => {
        this.#drain();
        this.#carried.push(call);
      },
      start: (spec) => this.start(spec),
      told: ({ spec, place }, by, owner, version) =>
        this.#routes?.ofQueue(spec.queue).told(place.bucket, by, owner, version) ?? false,
      versionOf: ({ spec, place }) => this.#routes?.ofQueue(spec.queue).versionOf(place.bucket) ?? 0,
    };
  }

  /** Starts a call; its end is reported once, in a later microtask. */
  start(spec: CallSpec): Call {
    const call = newCall(spec, ++this.#order);
    if (this.#isClosed) fail(call, new ClosedError('the client is closed'));
    else {
      this.#enter(call);
      this.#alarm.at(call.deadlineMs);
    }
    return call;
  }

  /** Asks what became of a request whose outcome was unknown: under its own id, where it was sent. */
  ask(about: Call, spec: CallSpec): Call {
    const call = newCall(spec, ++this.#order);
    call.isQuestion = true;
    call.seq = about.seq;
    call.place = about.place;
    if (this.#isClosed) fail(call, new ClosedError('the client is closed'));
    else if (!this.#streamAt(about.place.shard).startAside(call)) fail(call, tooMany());
    else this.#alarm.at(call.deadlineMs);
    return call;
  }

  /**
   * The request that an UnknownOutcomeError named.
   *
   * @throws InvalidArgumentError if this client had no such request; RequestSettledError if it can no longer be asked about.
   */
  givenUp({ client, stream, seq }: RequestId): Call {
    if (this.#isClosed) throw closedError();
    const isFormer = this.#former.some((id) => id === client);
    if (isFormer) throw new RequestSettledError('the client has another identity since that request');
    const found = [...this.#streams].find(([shard]) => streamOf(shard) === stream)?.[1];
    const call = client === this.#link.identity.client ? found?.givenUp(seq) : undefined;
    if (call === undefined) throw new InvalidArgumentError('this client had no request of that id');
    return call;
  }

  /** Where calls on the queue go; undefined while that is not known. */
  routesOf(queue: string): QueueRoutes | undefined {
    return this.#routes?.ofQueue(queue);
  }

  /** A take waits no longer: it is answered with what it got so far, mostly nothing. */
  endWait(call: Call, deadlineMs: number = call.deadlineMs): void {
    if (call.isDone || call.isCancelled) return;
    if (!this.#leaveUnplaced(call)) this.#streamAt(call.place.shard).endWait(call, deadlineMs);
    else finish(call, { type: 'result', result: { type: 'taken', tasks: [], atMs: 0 } });
  }

  /** The caller does not want to know any more. What was sent goes on to its end; what a take got is given back. */
  abandon(call: Call): void {
    if (call.isDone) return;
    if (this.#leaveUnplaced(call) || call.spec.kind === 'routes') call.isDone = true;
    else this.#streamAt(call.place.shard).abandon(call);
  }

  /** It is known where calls go, or known anew. Requests that have an id keep their stream: there their answers are remembered. */
  routed(routes: Routes): void {
    if (this.#routes !== routes) {
      this.#routes = routes;
      const calls = [...this.#streams.values()].flatMap((stream) => stream.takeBacklog());
      this.#enterAll([...calls, ...this.#takeUnplaced()]);
    }
    for (const stream of this.#streams.values()) stream.resume();
  }

  attached(shard: number): void {
    this.#streams.get(shard)?.resume();
  }

  lost(): void {
    for (const stream of this.#streams.values()) stream.lost();
    this.#endDrain();
  }

  /** This shard has forgotten the client: what may have been applied there stays unknown, the rest goes on under a new identity. */
  expired(shard: number): void {
    this.#streamAt(shard).expired();
    this.#drain();
    this.#endDrain();
  }

  /** Where calls go is not known any more, and what was sent means nothing there. */
  regrouped(): void {
    this.#routes = undefined;
    const reads = [...this.#streams.values()].flatMap((stream) => stream.takeReads());
    this.#rotate();
    this.#streams.clear();
    this.#enterAll(reads);
  }

  onFrame(header: ClientHeader, body: Buffer): void {
    const call = this.#correlations.get(header.correlation);
    if (call === undefined) return;
    const stream = this.#streamAt(call.place.shard);
    stream.onAnswer(call, header, body);
    if (this.#isDraining) this.#endDrain();
    else stream.pump();
  }

  close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#alarm.cancel();
    for (const stream of this.#streams.values()) stream.close(closedError());
    for (const call of [...this.#unplaced, ...this.#carried]) fail(call, closedError());
  }

  #streamAt(shard: number): RequestStream {
    const stream = this.#streams.get(shard) ?? new RequestStream(shard, this.#streamDeps);
    this.#streams.set(shard, stream);
    return stream;
  }

  #enter(call: Call): void {
    if (this.#routes !== undefined) this.#place(this.#routes, call)?.pump();
    else if (this.#unplaced.length >= unplacedMax) fail(call, tooMany());
    else this.#unplaced.push(call);
  }

  /** In order, and none is sent before all have their place. */
  #enterAll(calls: readonly Call[]): void {
    const routes = this.#routes;
    if (routes === undefined) this.#unplaced.push(...calls);
    else for (const call of calls) this.#place(routes, call);
  }

  /** @returns the stream that has something to send now. */
  #place(routes: Routes, call: Call): RequestStream | undefined {
    const { spec } = call;
    try {
      const found = routes.ofQueue(spec.queue);
      if (spec.kind === 'routes') {
        finish(call, { type: 'routes', routes: found });
        return undefined;
      }
      call.place = placeOf(found, spec.target);
    } catch (error) {
      if (!isRaftsmanError(error)) throw error;
      fail(call, error);
      return undefined;
    }
    const stream = this.#streamAt(call.place.shard);
    if (!(spec.kind === 'request' ? stream.enqueue(call) : stream.startAside(call))) fail(call, tooMany());
    return spec.kind === 'request' ? stream : undefined;
  }

  /** @returns false for a call whose shard is known: its stream has it. */
  #leaveUnplaced(call: Call): boolean {
    const place = this.#unplaced.indexOf(call);
    if (place >= 0) this.#unplaced.splice(place, 1);
    return place >= 0;
  }

  #takeUnplaced(): readonly Call[] {
    const calls = this.#unplaced;
    this.#unplaced = [];
    return calls;
  }

  #drain(): void {
    if (this.#isDraining) return;
    this.#isDraining = true;
    this.#drainByMs = this.#clock.monotonicMs() + drainWithinMs;
    if (this.#routes?.isSharded === true) this.#alarm.at(this.#drainByMs);
  }

  #endDrain(): void {
    if (!this.#isDraining) return;
    const isLate = this.#routes?.isSharded === true && this.#clock.monotonicMs() >= this.#drainByMs;
    if (isLate || [...this.#streams.values()].every(({ isDrained }) => isDrained)) this.#rotate();
  }

  #rotate(): void {
    const streams = [...this.#streams.values()];
    const calls = [...this.#carried, ...streams.flatMap((stream) => stream.endIdentity())];
    this.#carried = [];
    this.#isDraining = false;
    this.#former.push(this.#link.identity.client);
    if (this.#former.length > formerMax) this.#former.shift();
    this.#link.rotate();
    const left = calls.filter(({ isDone }) => !isDone);
    this.#enterAll(left.sort((one, other) => one.order - other.order));
    for (const stream of streams) stream.pump();
  }

  #sweep(): void {
    const nowMs = this.#clock.monotonicMs();
    let nextMs =
      this.#isDraining && this.#routes?.isSharded === true ? this.#drainByMs : Number.POSITIVE_INFINITY;
    for (const call of this.#unplaced.filter(({ deadlineMs }) => deadlineMs <= nowMs)) this.#giveUp(call);
    for (const { deadlineMs } of this.#unplaced) nextMs = Math.min(nextMs, deadlineMs);
    for (const stream of this.#streams.values()) nextMs = Math.min(nextMs, stream.sweep(nowMs));
    this.#alarm.at(Math.max(nextMs, nowMs + sweepStepMs));
    if (this.#isDraining) this.#endDrain();
    else for (const stream of this.#streams.values()) stream.pump();
  }

  #giveUp(call: Call): void {
    this.#unplaced.splice(this.#unplaced.indexOf(call), 1);
    fail(call, new DeadlineExceededError('no answer came in time'));
  }
}

function placeOf(routes: QueueRoutes, target: CallTarget): Place {
  if ('key' in target) return routes.ofKey(target.key);
  // The caller read the list of shards before another came into force.
  if (routes.shards.some(({ number }) => number === target.shard)) return routes.ofShard(target.shard);
  throw new BusyError('the shards have changed', 0);
}

function closedError(): ClosedError {
  return new ClosedError('the client is closed');
}

function tooMany(): BusyError {
  return new BusyError(`more than ${backlogMax} calls wait`, busyRetryMs);
}
