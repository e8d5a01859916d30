import { ProtocolError } from '../base/errors.ts';
import type { SessionId } from '../base/ids.ts';
import type { Clock } from '../ports/clock.ts';
import type { Operation, QueueResult } from '../queue/types.ts';
import { encodeOperation } from '../wire/queue-operation.ts';
import { checkDuration } from './arguments.ts';
import type { Call, CallEnd, CallSpec } from './call.ts';
import { refusalError } from './refusals.ts';
import type { Requests } from './requests.ts';
import type { CallOptions } from './types.ts';

/** Whoever ends the wait of a take waits so long for its answer; without one it is asked for behind the scenes. */
const endWaitMs = 2_000;

/** A request that is no take, as a promise. */
export type PlainOperation = Exclude<Operation, { readonly type: 'take' }>;

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
  async request(operation: PlainOperation, options: CallOptions = {}): Promise<QueueResult> {
    const bytes = encodeOperation(operation);
    const end = await this.#run(options, {
      kind: 'request',
      body: () => bytes,
      takeFrom: undefined,
      waitUntilMs: 0,
      deadlineMs: this.deadlineMs(options),
    });
    return resultOf(end);
  }

  async read(kind: 'get' | 'stats', body: Uint8Array, options: CallOptions = {}): Promise<Uint8Array> {
    const deadlineMs = this.deadlineMs(options);
    const end = await this.#run(options, {
      kind,
      body: () => body,
      takeFrom: undefined,
      waitUntilMs: 0,
      deadlineMs,
    });
    if (end.type === 'failed') throw end.error;
    if (end.type === 'read') return end.body;
    throw new ProtocolError('a read was answered with a result');
  }

  /** Starts a take. `started` gets the call, with which its wait can be ended. */
  async take(
    operation: (session: SessionId) => Operation,
    options: CallOptions & { readonly waitUntilMs: number; readonly queue: string },
    started: (call: Call) => void = () => {},
  ): Promise<QueueResult> {
    const deadlineMs = Math.max(options.waitUntilMs, this.clock.monotonicMs()) + this.#timeout(options);
    const spec = {
      kind: 'request',
      body: (session: SessionId) => encodeOperation(operation(session)),
      takeFrom: options.queue,
      waitUntilMs: options.waitUntilMs,
      deadlineMs,
    } as const;
    return resultOf(await this.#run(options, spec, started));
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

  #run(
    { signal }: CallOptions,
    spec: Omit<CallSpec, 'done'>,
    started: (call: Call) => void = () => {},
  ): Promise<CallEnd> {
    if (signal?.aborted) return Promise.reject(signal.reason);
    return new Promise((resolve, reject) => {
      const onAbort = (): void => {
        this.#requests.abandon(call);
        reject(signal?.reason);
      };
      const call = this.#requests.start({
        ...spec,
        done: (end) => {
          signal?.removeEventListener('abort', onAbort);
          resolve(end);
        },
      });
      signal?.addEventListener('abort', onAbort, { once: true });
      started(call);
    });
  }
}

function resultOf(end: CallEnd): QueueResult {
  if (end.type === 'failed') throw end.error;
  if (end.type !== 'result') throw new ProtocolError('a request was answered like a read');
  if (end.result.type === 'refused') throw refusalError(end.result.code, end.result.message);
  return end.result;
}
