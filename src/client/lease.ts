import { InvalidArgumentError } from '../base/errors.ts';
import type { LeasedTask } from '../queue/types.ts';
import {
  checkDuration,
  checkFlag,
  checkObject,
  checkOneOf,
  checkReason,
  checkTime,
  encodePayload,
} from './arguments.ts';
import type { Calls } from './calls.ts';
import type { Leases } from './leases.ts';
import type { KeyedOperation } from './request-frames.ts';
import type { Ack, CallOptions, Codec, Lease, ReleaseOptions, Task } from './types.ts';

/** What a release may hold back. */
export const scopes: readonly ('task' | 'provider')[] = ['task', 'provider'];

/** What leases of one queue share. */
export interface LeaseDeps<T> {
  readonly queue: string;
  readonly codec: Codec<T>;
  readonly calls: Calls;
  readonly leases: Leases;
}

/** A task as the caller sees it. The payload is decoded when it is first asked for: one that cannot be is its own task's trouble. */
export class DecodedTask<T> implements Task<T> {
  readonly id: string;
  readonly expiresAt: number;
  readonly provider: string;
  readonly weight: number;
  readonly version: number;
  readonly #codec: Codec<T>;
  readonly #bytes: Uint8Array;
  #decoded: { readonly value: T } | undefined;

  constructor(task: LeasedTask, codec: Codec<T>) {
    this.id = task.id;
    this.expiresAt = task.expiresAtMs;
    this.provider = task.provider;
    this.weight = task.weight;
    this.version = task.version;
    this.#codec = codec;
    this.#bytes = task.payload;
  }

  get payload(): T {
    this.#decoded ??= { value: this.#codec.decode(this.#bytes) };
    return this.#decoded.value;
  }
}

/** A lease in the hands of a caller of `take`. */
export class TakenLease<T> implements Lease<T> {
  readonly task: Task<T>;
  readonly attempt: number;
  readonly fence: number;
  readonly signal: AbortSignal;
  readonly #deps: LeaseDeps<T>;

  constructor(deps: LeaseDeps<T>, task: LeasedTask, signal: AbortSignal) {
    this.#deps = deps;
    this.task = new DecodedTask(task, deps.codec);
    this.attempt = task.attempt;
    this.fence = task.fence;
    this.signal = signal;
  }

  ack(answer: Ack<T>, options: CallOptions = {}): Promise<void> {
    return this.#end(() => ackOperation(this.#deps, this.task.id, this.fence, answer), options);
  }

  release(options: ReleaseOptions = {}): Promise<void> {
    const { delayMs = 0, scope = 'task', callMade = true } = options;
    const end = () => ({
      delayMs: checkDuration(delayMs, 'delayMs'),
      scope: checkOneOf(scope, 'scope', scopes),
      callMade: checkFlag(callMade, 'callMade'),
    });
    return this.#end(() => ({ type: 'release', ...this.#name(), ...end() }), options);
  }

  bury(reason: string, options: CallOptions = {}): Promise<void> {
    return this.#end(() => ({ type: 'bury', ...this.#name(), reason: checkReason(reason) }), options);
  }

  async #end(operation: () => KeyedOperation, options: CallOptions): Promise<void> {
    await this.#deps.calls.request(operation(), options);
    this.#deps.leases.ended(this.#deps.queue, this.task.id, this.fence);
  }

  #name(): { readonly queue: string; readonly id: string; readonly fence: number } {
    return { queue: this.#deps.queue, id: this.task.id, fence: this.fence };
  }
}

/** The operation that stores an answer, or removes the task. */
export function ackOperation<T>(
  { queue, codec }: Pick<LeaseDeps<T>, 'queue' | 'codec'>,
  id: string,
  fence: number,
  answer: Ack<T>,
): KeyedOperation {
  checkObject(answer, 'the answer');
  if ('done' in answer && answer.done === true) return { type: 'ackDone', queue, id, fence };
  if (!('payload' in answer))
    throw new InvalidArgumentError('the answer has neither a payload nor `done: true`');
  const expiresAtMs = checkTime(answer.expiresAt, 'expiresAt');
  return { type: 'ack', queue, id, fence, payload: encodePayload(codec, answer.payload), expiresAtMs };
}
