import { InvalidArgumentError } from '../base/errors.ts';
import type { Random } from '../ports/random.ts';
import { queueLimits } from '../queue/limits.ts';
import { AnswerStore } from './answer-store.ts';
import { checkInt, checkName, checkObject } from './arguments.ts';
import type { OpenedEscrow } from './escrows.ts';
import type { LeaseDeps } from './lease.ts';
import { ShardTurns } from './shard-turns.ts';
import { TaskRuns, ttrMarginMs } from './task-runs.ts';
import type { WorkHandler, WorkOptions } from './types.ts';

const timeoutDefaultMs = 30_000;
const concurrencyMax = 1_000;

export interface WorkDeps<T> extends LeaseDeps<T> {
  readonly random: Random;
  readonly openEscrow: (workerId: string) => Promise<OpenedEscrow | undefined>;
}

/** The updater loop of one worker: takes what it can start at once, one attempt per take, and stores what its handler answers. */
export class WorkLoop<T> {
  readonly #deps: WorkDeps<T>;
  readonly #options: WorkOptions;
  readonly #runs: TaskRuns<T>;
  readonly #turns: ShardTurns;
  #answers: AnswerStore | undefined;
  #isEnding = false;
  #failure: { readonly error: unknown } | undefined;

  constructor(deps: WorkDeps<T>, handler: WorkHandler<T>, options: WorkOptions) {
    const { concurrency = 1, timeoutMs = timeoutDefaultMs } = checkObject(options, 'options');
    if (typeof handler !== 'function') throw new InvalidArgumentError('the handler must be a function');
    checkName(options.workerId, 'workerId');
    checkInt(concurrency, 'concurrency', 1, concurrencyMax);
    checkInt(timeoutMs, 'timeoutMs', 1, queueLimits.durationMsMax - ttrMarginMs);
    this.#deps = deps;
    this.#options = options;
    this.#runs = new TaskRuns({
      ...deps,
      handler,
      timeoutMs,
      answers: () => this.#answers,
      isEnding: () => this.#isEnding,
      report: (error, task) => this.#report(error, task),
      settled: () => this.#turns.pump(),
    });
    this.#turns = new ShardTurns({
      ...deps,
      terms: { ttrMs: timeoutMs + ttrMarginMs, callMs: timeoutMs },
      free: () => concurrency - this.#runs.size,
      taken: (task, atMs) => {
        // A shard that answered late may find its slot taken.
        if (this.#runs.size >= concurrency) this.#runs.giveBack(task);
        else this.#runs.start(task, atMs);
      },
      failed: (error) => this.#fail(error),
    });
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
      await this.#turns.run();
      await this.#runs.settle();
    } finally {
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
    this.#turns.end();
  }
}
