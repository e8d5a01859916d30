import { Alarm } from '../base/alarm.ts';
import { InvalidArgumentError, isRaftsmanError, StaleLeaseError } from '../base/errors.ts';
import type { Random } from '../ports/random.ts';
import { queueLimits } from '../queue/limits.ts';
import type { LeasedTask, QueueResult } from '../queue/types.ts';
import { AnswerStore } from './answer-store.ts';
import {
  checkDuration,
  checkInt,
  checkName,
  checkObject,
  checkOneOf,
  checkReason,
  checkTime,
  encodePayload,
} from './arguments.ts';
import type { Call } from './call.ts';
import type { OpenedEscrow } from './escrows.ts';
import { DecodedTask, type LeaseDeps, scopes } from './lease.ts';
import type { WorkHandler, WorkOptions, WorkResult } from './types.ts';

/** The lease outlives the handler's time by this: enough to store its answer. */
const ttrMarginMs = 5_000;
const timeoutDefaultMs = 30_000;
const concurrencyMax = 1_000;
const takeWaitMs = 30_000;
const takeBackoffMs = { first: 100, longest: 2_000 } as const;
/** A task whose handler threw waits, longer each time. */
const retryBackoffMs = { first: 1_000, longest: 60_000 } as const;
/** The loop cannot go on: another take would end the same way. */
const finalCodes: ReadonlySet<string> = new Set([
  'CLOSED',
  'FORBIDDEN',
  'INVALID_ARGUMENT',
  'TOO_LARGE',
  'PROTOCOL',
]);

export interface WorkDeps<T> extends LeaseDeps<T> {
  readonly random: Random;
  readonly openEscrow: (workerId: string) => Promise<OpenedEscrow | undefined>;
}

type Taken = Extract<QueueResult, { readonly type: 'taken' }>;

interface Running {
  readonly controller: AbortController;
  readonly dueMs: number;
}

/** The updater loop of one worker: takes what it can start at once, one attempt per take, and stores what its handler answers. */
export class WorkLoop<T> {
  readonly #deps: WorkDeps<T>;
  readonly #handler: WorkHandler<T>;
  readonly #options: WorkOptions;
  readonly #concurrency: number;
  readonly #timeoutMs: number;
  readonly #running = new Set<Running>();
  readonly #settling = new Set<Promise<void>>();
  readonly #timeouts: Alarm;
  #answers: AnswerStore | undefined;
  #takeUnderWay: Call | undefined;
  /** Wakes the loop when a handler settled or the loop ends. */
  #wake: () => void = () => {};
  #isEnding = false;
  #failure: { readonly error: unknown } | undefined;

  constructor(deps: WorkDeps<T>, handler: WorkHandler<T>, options: WorkOptions) {
    const { concurrency = 1, timeoutMs = timeoutDefaultMs } = checkObject(options, 'options');
    if (typeof handler !== 'function') throw new InvalidArgumentError('the handler must be a function');
    checkName(options.workerId, 'workerId');
    this.#deps = deps;
    this.#handler = handler;
    this.#options = options;
    this.#concurrency = checkInt(concurrency, 'concurrency', 1, concurrencyMax);
    this.#timeoutMs = checkInt(timeoutMs, 'timeoutMs', 1, queueLimits.durationMsMax - ttrMarginMs);
    this.#timeouts = new Alarm(deps.calls.clock, () => this.#abortLate());
  }

  /** Resolves when the signal has aborted and all handlers have settled. */
  async run(): Promise<void> {
    const { signal, workerId } = this.#options;
    const onAbort = (): void => this.#end();
    signal?.addEventListener('abort', onAbort, { once: true });
    if (signal?.aborted) this.#end();
    try {
      const opened = await this.#deps.openEscrow(workerId);
      this.#answers = new AnswerStore(this.#deps.calls, opened?.escrow, (error, task) =>
        this.#report(error, task),
      );
      await this.#offerLeft(opened);
      await this.#takeUntilEnd();
      while (this.#settling.size > 0) await Promise.allSettled(this.#settling);
    } finally {
      this.#timeouts.cancel();
      signal?.removeEventListener('abort', onAbort);
    }
    if (this.#failure !== undefined) throw this.#failure.error;
  }

  /** What an earlier life of this worker was answered goes in first, under the fences of then. */
  async #offerLeft(opened: OpenedEscrow | undefined): Promise<void> {
    const { queue } = this.#deps;
    const left = opened?.left.filter((record) => record.queue === queue) ?? [];
    await Promise.all(left.map((record) => this.#answers?.offer(record)));
  }

  async #takeUntilEnd(): Promise<void> {
    let failureCount = 0;
    while (!this.#isEnding) {
      const free = this.#concurrency - this.#running.size;
      if (free === 0) {
        await this.#woken();
        continue;
      }
      try {
        const taken = await this.#take(free);
        failureCount = 0;
        for (const task of taken?.tasks ?? []) this.#track(this.#start(task, taken?.atMs ?? 0));
      } catch (error) {
        if (isRaftsmanError(error) && finalCodes.has(error.code)) {
          if (!this.#isEnding) this.#fail(error);
          return;
        }
        await this.#pause(failureCount++);
      }
    }
  }

  async #take(limit: number): Promise<Taken | undefined> {
    const { queue, calls } = this.#deps;
    const terms = { limit, ttrMs: this.#timeoutMs + ttrMarginMs, callMs: this.#timeoutMs };
    const waitUntilMs = calls.clock.monotonicMs() + takeWaitMs;
    const result = await calls.take(
      (session) => ({ type: 'take', queue, session, ...terms }),
      { queue, waitUntilMs },
      (call) => {
        this.#takeUnderWay = call;
      },
    );
    this.#takeUnderWay = undefined;
    return result.type === 'taken' ? result : undefined;
  }

  /**
   * The handler's time counts from the take, for after it the task may be tried elsewhere. An answer that came late, after a
   * loss of the link, may leave less than half of it: then the lease is given back unused.
   */
  #start(task: LeasedTask, atMs: number): Promise<void> {
    const leftMs = task.leaseEndsAtMs - atMs - ttrMarginMs;
    const isStale = 2 * leftMs < this.#timeoutMs;
    return this.#isEnding || isStale ? this.#giveBack(task) : this.#handle(task, leftMs);
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
      const result = await this.#handler({ task: new DecodedTask(task, codec), attempt, fence, signal });
      await this.#settle(task, result);
    } catch (error) {
      this.#report(error, task);
      await this.#releaseAfter(error, task);
    } finally {
      leases.ended(queue, id, fence);
      this.#running.delete(running);
      this.#wake();
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
      await this.#answers?.store({ queue, id, fence, payload, expiresAtMs });
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

  /** Taken, never started: the next one may have it at once. */
  async #giveBack({ id, fence }: LeasedTask): Promise<void> {
    const { queue, calls } = this.#deps;
    const release = {
      type: 'release',
      queue,
      id,
      fence,
      delayMs: 0,
      scope: 'task',
      callMade: false,
    } as const;
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
      if (!(error instanceof StaleLeaseError)) this.#report(error, task);
    }
  }

  #track(work: Promise<void>): void {
    this.#settling.add(work);
    void work.finally(() => this.#settling.delete(work));
  }

  #report(error: unknown, { id, fence }: { readonly id: string; readonly fence: number }): void {
    try {
      this.#options.onError?.(error, { id, fence });
    } catch (thrown) {
      this.#fail(thrown);
    }
  }

  #fail(error: unknown): void {
    this.#failure ??= { error };
    this.#end();
  }

  #end(): void {
    this.#isEnding = true;
    if (this.#takeUnderWay !== undefined) this.#deps.calls.endWait(this.#takeUnderWay);
    this.#wake();
  }

  #woken(): Promise<void> {
    return new Promise((resolve) => {
      this.#wake = resolve;
    });
  }

  async #pause(failureCount: number): Promise<void> {
    const { clock } = this.#deps.calls;
    const waitMs = Math.min(takeBackoffMs.longest, takeBackoffMs.first * 2 ** Math.min(failureCount, 10));
    const woken = this.#woken();
    const timer = clock.after(waitMs * (0.5 + this.#deps.random.next() / 2), () => this.#wake());
    await woken;
    timer.cancel();
  }

  #abortLate(): void {
    const nowMs = this.#deps.calls.clock.monotonicMs();
    for (const { controller, dueMs } of this.#running) {
      if (controller.signal.aborted) continue;
      if (dueMs <= nowMs) controller.abort(new Error(`the handler's ${this.#timeoutMs} ms have passed`));
      else this.#timeouts.at(dueMs);
    }
  }
}
