import { Alarm } from '../base/alarm.ts';
import { InvalidArgumentError, StaleLeaseError } from '../base/errors.ts';
import type { LeasedTask } from '../queue/types.ts';
import type { AnswerStore, Report } from './answer-store.ts';
import { checkDuration, checkOneOf, checkReason, checkTime, encodePayload } from './arguments.ts';
import { DecodedTask, type LeaseDeps, scopes } from './lease.ts';
import { giveBackOperation } from './request-frames.ts';
import type { WorkHandler, WorkResult } from './types.ts';

/** The lease outlives the handler's time by this: enough to store its answer. */
export const ttrMarginMs = 5_000;
/** A task whose handler threw waits, longer each time. */
const retryBackoffMs = { first: 1_000, longest: 60_000 } as const;

export interface TaskRunsDeps<T> extends LeaseDeps<T> {
  readonly handler: WorkHandler<T>;
  readonly timeoutMs: number;
  readonly answers: () => AnswerStore | undefined;
  /** Nothing is started any more. */
  readonly isEnding: () => boolean;
  readonly report: Report;
  /** A handler has settled. */
  readonly settled: () => void;
}

interface Running {
  readonly controller: AbortController;
  readonly dueMs: number;
}

/** The tasks that a worker was given: each is handled once, to its end, or given back unused. */
export class TaskRuns<T> {
  readonly #deps: TaskRunsDeps<T>;
  readonly #running = new Set<Running>();
  readonly #settling = new Set<Promise<void>>();
  readonly #timeouts: Alarm;

  constructor(deps: TaskRunsDeps<T>) {
    this.#deps = deps;
    this.#timeouts = new Alarm(deps.calls.clock, () => this.#abortLate());
  }

  /** Handlers that run. */
  get size(): number {
    return this.#running.size;
  }

  /** Resolves when every handler and what it leads to has settled. */
  async settle(): Promise<void> {
    while (this.#settling.size > 0) await Promise.allSettled(this.#settling);
    this.#timeouts.cancel();
  }

  /**
   * The handler's time counts from the take, for after it the task may be tried elsewhere. An answer that came late, after a
   * loss of the link, may leave less than half of it: then the lease is given back unused.
   */
  start(task: LeasedTask, atMs: number): void {
    const leftMs = task.leaseEndsAtMs - atMs - ttrMarginMs;
    const isStale = 2 * leftMs < this.#deps.timeoutMs;
    if (this.#deps.isEnding() || isStale) this.giveBack(task);
    else this.#track(this.#handle(task, leftMs));
  }

  /** Taken, never started: the next one may have it at once. */
  giveBack(task: LeasedTask): void {
    const { queue, calls } = this.#deps;
    this.#track(this.#quietly(task, calls.request(giveBackOperation(queue, task))));
  }

  /** One attempt of one task, to its end. Never rejects. */
  async #handle(task: LeasedTask, leftMs: number): Promise<void> {
    const { queue, codec, leases, calls } = this.#deps;
    const { id, fence, attempt } = task;
    const nowMs = calls.clock.monotonicMs();
    const lost = leases.given(queue, id, fence, nowMs + leftMs + ttrMarginMs);
    const running: Running = { controller: new AbortController(), dueMs: nowMs + leftMs };
    lost.addEventListener('abort', () => running.controller.abort(lost.reason), { once: true });
    this.#running.add(running);
    this.#timeouts.at(running.dueMs);
    try {
      const { signal } = running.controller;
      const result = await this.#deps.handler({ task: new DecodedTask(task, codec), attempt, fence, signal });
      await this.#settle(task, result);
    } catch (error) {
      this.#deps.report(error, task);
      await this.#releaseAfter(error, task);
    } finally {
      leases.ended(queue, id, fence);
      this.#running.delete(running);
      this.#deps.settled();
    }
  }

  async #settle(task: LeasedTask, result: WorkResult<T>): Promise<void> {
    const { queue, codec, calls } = this.#deps;
    const { id, fence } = task;
    if (typeof result !== 'object' || result === null)
      throw new InvalidArgumentError('the handler answered nothing that is known');
    if ('payload' in result) {
      const payload = encodePayload(codec, result.payload);
      const expiresAtMs = checkTime(result.expiresAt, 'expiresAt');
      await this.#deps.answers()?.store({ queue, id, fence, payload, expiresAtMs });
    } else if ('done' in result && result.done === true) {
      await this.#quietly(task, calls.request({ type: 'ackDone', queue, id, fence }));
    } else if ('bury' in result) {
      await this.#quietly(
        task,
        calls.request({ type: 'bury', queue, id, fence, reason: checkReason(result.bury) }),
      );
    } else if ('retryAfterMs' in result) {
      const delayMs = checkDuration(result.retryAfterMs, 'retryAfterMs');
      const scope = checkOneOf(result.scope ?? 'task', 'scope', scopes);
      await this.#quietly(
        task,
        calls.request({ type: 'release', queue, id, fence, delayMs, scope, callMade: false }),
      );
    } else throw new InvalidArgumentError('the handler answered nothing that is known');
  }

  /** The handler threw. Unless it says that the provider was not called, the refresh token may be spent. */
  async #releaseAfter(error: unknown, { id, fence, attempt }: LeasedTask): Promise<void> {
    const { queue, calls } = this.#deps;
    const delayMs = Math.min(retryBackoffMs.longest, retryBackoffMs.first * 2 ** Math.min(attempt - 1, 10));
    const callMade = !(
      typeof error === 'object' &&
      error !== null &&
      'callMade' in error &&
      error.callMade === false
    );
    const release = { type: 'release', queue, id, fence, delayMs, scope: 'task', callMade } as const;
    await this.#quietly({ id, fence }, calls.request(release));
  }

  /** A lease that is over already needs no end; anything else is reported. */
  async #quietly(
    task: { readonly id: string; readonly fence: number },
    call: Promise<unknown>,
  ): Promise<void> {
    try {
      await call;
    } catch (error) {
      if (!(error instanceof StaleLeaseError)) this.#deps.report(error, task);
    }
  }

  #track(work: Promise<void>): void {
    this.#settling.add(work);
    void work.finally(() => this.#settling.delete(work));
  }

  #abortLate(): void {
    const nowMs = this.#deps.calls.clock.monotonicMs();
    for (const { controller, dueMs } of this.#running) {
      if (controller.signal.aborted) continue;
      if (dueMs <= nowMs) controller.abort(new Error(`the handler's ${this.#deps.timeoutMs} ms have passed`));
      else this.#timeouts.at(dueMs);
    }
  }
}
