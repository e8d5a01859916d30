import { ProtocolError } from '../base/errors.ts';
import type { SessionId } from '../base/ids.ts';
import type { Clock } from '../ports/clock.ts';
import type { Operation, QueueResult } from '../queue/types.ts';
import { encodeGet, encodeQueueName, type GetBody } from '../wire/client-frame.ts';
import { encodeOperation } from '../wire/queue-operation.ts';
import { checkDuration } from './arguments.ts';
import type { Call, CallEnd, CallSpec, CallTarget } from './call.ts';
import { refusalError } from './refusals.ts';
import type { KeyedOperation, QueueOperation } from './request-frames.ts';
import type { Requests } from './requests.ts';
import { type QueueRoutes, wholeCluster } from './routes.ts';
import type { CallOptions } from './types.ts';

/** Whoever ends the wait of a take waits so long for its answer; without one it is asked for behind the scenes. */
const endWaitMs = 2_000;

/** Turns calls into promises: deadlines, abort signals, refusals as errors. */
export class Calls {
  readonly clock: Clock;
  readonly #requests: Requests;
  readonly #timeoutMs: number;

  constructor(requests: Requests, clock: Clock, timeoutMs: number) {
    this.#requests = requests;
    this.clock = clock;
    this.#timeoutMs = timeoutMs;
  }

  /** @returns what the state machine did; rejects with the error that its refusal stands for. */
  request(operation: KeyedOperation, options: CallOptions = {}): Promise<QueueResult> {
    return this.#request(operation, { key: operation.id }, options);
  }

  /** The same on a whole shard. */
  requestAt(shard: number, operation: QueueOperation, options: CallOptions = {}): Promise<QueueResult> {
    return this.#request(operation, { shard }, options);
  }

  async get(key: string, body: GetBody, options: CallOptions = {}): Promise<Uint8Array> {
    const { queue, any } = body;
    const bytes = encodeGet(body);
    const deadlineMs = this.deadlineMs(options);
    const end = await this.#run(options, (done) => ({
      kind: 'get',
      queue,
      target: { key },
      any,
      body: () => bytes,
      isTake: false,
      waitUntilMs: 0,
      deadlineMs,
      done,
    }));
    return bytesOf(end);
  }

  async stats(shard: number, queue: string, options: CallOptions = {}): Promise<Uint8Array> {
    const bytes = encodeQueueName(queue);
    const about = { queue, target: { shard }, deadlineMs: this.deadlineMs(options) } as const;
    const spec = { ...plain, ...about, kind: 'stats', body: () => bytes } as const;
    return bytesOf(await this.#run(options, (done) => ({ ...spec, done })));
  }

  /** Where calls on the queue go, if that is known now. */
  routesNow(queue: string): QueueRoutes | undefined {
    return this.#requests.routesOf(queue);
  }

  /** Where calls on the queue go, as soon as that is known. */
  async routes(queue: string, options: CallOptions = {}): Promise<QueueRoutes> {
    const about = { queue, target: { shard: wholeCluster }, deadlineMs: this.deadlineMs(options) } as const;
    const spec = { ...plain, ...about, kind: 'routes', body: noBytes } as const;
    const end = await this.#run(options, (done) => ({ ...spec, done }));
    if (end.type === 'failed') throw end.error;
    if (end.type === 'routes') return end.routes;
    throw new ProtocolError('a question about routes was answered otherwise');
  }

  /** Starts a take. `started` gets the call, with which its wait can be ended. */
  async take(
    shard: number,
    operation: (session: SessionId) => Operation,
    options: CallOptions & { readonly waitUntilMs: number; readonly queue: string },
    started?: (call: Call) => void,
  ): Promise<QueueResult> {
    const { queue, waitUntilMs } = options;
    const deadlineMs = Math.max(waitUntilMs, this.clock.monotonicMs()) + this.#timeout(options);
    const spec = {
      ...plain,
      kind: 'request',
      queue,
      target: { shard },
      body: (session: SessionId) => encodeOperation(operation(session)),
      isTake: true,
      waitUntilMs,
      deadlineMs,
    } as const;
    return resultOf(await this.#run(options, (done) => ({ ...spec, done }), started));
  }

  /** Asks what became of a request whose outcome was unknown; see `Requests.givenUp`. @returns what the state machine answered it. */
  async ask(about: Call, options: CallOptions = {}): Promise<QueueResult> {
    const { queue, target } = about.spec;
    const bytes = encodeOperation({ type: 'resolve', queue, id: 'key' in target ? target.key : '' });
    const deadlineMs = this.deadlineMs(options);
    const spec = { ...plain, kind: 'request', queue, target, deadlineMs, body: () => bytes } as const;
    const end = await this.#promise(options, (done) => this.#requests.ask(about, { ...spec, done }));
    if (end.type === 'result') return end.result;
    throw end.type === 'failed' ? end.error : new ProtocolError('a request was answered like a read');
  }

  /** Ends the wait of a take soon. What it got and nobody was there to be told is given back when it is known. */
  endWait(call: Call): void {
    this.#requests.endWait(call, this.clock.monotonicMs() + Math.min(endWaitMs, this.#timeoutMs));
  }

  deadlineMs(options: CallOptions): number {
    return this.clock.monotonicMs() + this.#timeout(options);
  }

  #timeout({ timeoutMs = this.#timeoutMs }: CallOptions): number {
    return timeoutMs === Number.POSITIVE_INFINITY ? timeoutMs : checkDuration(timeoutMs, 'timeoutMs');
  }

  async #request(
    operation: KeyedOperation | QueueOperation,
    target: CallTarget,
    options: CallOptions,
  ): Promise<QueueResult> {
    const bytes = encodeOperation(operation);
    const deadlineMs = this.deadlineMs(options);
    // Each field by name: copying objects together takes longer than the rest of the call.
    const end = await this.#run(options, (done) => ({
      kind: 'request',
      queue: operation.queue,
      target,
      any: false,
      body: () => bytes,
      isTake: false,
      waitUntilMs: 0,
      deadlineMs,
      done,
    }));
    return resultOf(end);
  }

  #run(
    options: CallOptions,
    specOf: (done: (end: CallEnd) => void) => CallSpec,
    started?: (call: Call) => void,
  ): Promise<CallEnd> {
    return this.#promise(options, (done) => {
      const call = this.#requests.start(specOf(done));
      started?.(call);
      return call;
    });
  }

  #promise({ signal }: CallOptions, start: (done: (end: CallEnd) => void) => Call): Promise<CallEnd> {
    if (signal === undefined) return new Promise((resolve) => void start(resolve));
    if (signal.aborted) return Promise.reject(signal.reason);
    return new Promise((resolve, reject) => {
      const onAbort = (): void => {
        this.#requests.abandon(call);
        reject(signal.reason);
      };
      const call = start((end) => {
        signal.removeEventListener('abort', onAbort);
        resolve(end);
      });
      signal.addEventListener('abort', onAbort, { once: true });
    });
  }
}

/** What most calls are. */
const plain = { any: false, isTake: false, waitUntilMs: 0 } as const;

function noBytes(): Uint8Array {
  return new Uint8Array(0);
}

function bytesOf(end: CallEnd): Uint8Array {
  if (end.type === 'failed') throw end.error;
  if (end.type === 'read') return end.body;
  throw new ProtocolError('a read was answered with a result');
}

function resultOf(end: CallEnd): QueueResult {
  if (end.type === 'failed') throw end.error;
  if (end.type !== 'result') throw new ProtocolError('a request was answered like a read');
  if (end.result.type === 'refused') throw refusalError(end.result.code, end.result.message);
  return end.result;
}
