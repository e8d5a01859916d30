import { isRaftsmanError, ProtocolError } from '../base/errors.ts';
import type { LeasedTask, QueueResult } from '../queue/types.ts';
import type { Call } from './call.ts';
import type { Calls } from './calls.ts';
import { giveBackOperation } from './request-frames.ts';
import type { ShardRef } from './routes.ts';
import type { CallOptions } from './types.ts';

/** What a take asks for. */
export interface TakeTerms {
  readonly limit: number;
  readonly ttrMs: number;
  readonly callMs: number;
}

/** A task and the log time at which it was given. */
export interface Given {
  readonly task: LeasedTask;
  readonly atMs: number;
}

/** A shard that does not answer for so long is passed over. */
const patienceMs = 250;

export type Taken = Extract<QueueResult, { readonly type: 'taken' }>;

/** One take of one shard. */
export async function takeFrom(
  calls: Calls,
  queue: string,
  shard: number,
  terms: TakeTerms,
  options: CallOptions & { readonly waitUntilMs: number },
  started?: (call: Call) => void,
): Promise<Taken> {
  const operation = { type: 'take', queue, ...terms } as const;
  const take = calls.take(shard, (session) => ({ ...operation, session }), { ...options, queue }, started);
  const result = await take;
  if (result.type === 'taken') return result;
  throw new ProtocolError(`a take was answered with ${result.type}`);
}

/** One take over all shards of a queue: in turn first, so that nothing is taken for nobody, then waiting at all of them at once. */
export class ShardTake {
  readonly #calls: Calls;
  readonly #queue: string;
  readonly #terms: TakeTerms;
  readonly #options: CallOptions;
  readonly #found: Given[] = [];
  readonly #waiting = new Map<number, Call | undefined>();
  /** Of the shards whose last answer was one, also while they are asked again. */
  readonly #errors = new Map<number, unknown>();
  #answerCount = 0;
  #isOver = false;
  #wake: () => void = () => {};

  constructor(calls: Calls, queue: string, terms: TakeTerms, options: CallOptions) {
    this.#calls = calls;
    this.#queue = queue;
    this.#terms = terms;
    this.#options = options;
  }

  /** Rejects only if no shard answered. */
  async run(shards: readonly ShardRef[], waitUntilMs: number): Promise<readonly Given[]> {
    try {
      await this.#askInTurn(shards);
      while (this.#found.length === 0 && !this.#isUseless(waitUntilMs) && !this.#isHopeless(shards)) {
        for (const { number } of shards) if (!this.#waiting.has(number)) this.#ask(number, waitUntilMs);
        await this.#changed(waitUntilMs - this.#calls.clock.monotonicMs());
        this.#options.signal?.throwIfAborted();
        if (this.#found.length === 0 && this.#hasFailed()) await this.#pause();
      }
      if (this.#answerCount === 0) for (const error of this.#errors.values()) throw error;
      return this.#found;
    } catch (error) {
      for (const { task } of this.#found) this.#giveBack(task);
      throw error;
    } finally {
      this.#isOver = true;
      for (const call of this.#waiting.values()) if (call !== undefined) this.#calls.endWait(call);
    }
  }

  async #askInTurn(shards: readonly ShardRef[]): Promise<void> {
    for (const { number } of shards) {
      if (this.#found.length >= this.#terms.limit) return;
      const answered = this.#ask(number, 0);
      const timer = this.#calls.clock.after(patienceMs, () => this.#wake());
      await Promise.race([answered, this.#woken()]);
      timer.cancel();
      this.#options.signal?.throwIfAborted();
    }
    // Somebody has to answer before this can say that there is nothing.
    while (this.#answerCount === 0 && this.#waiting.size > 0) await this.#woken();
  }

  #isUseless(waitUntilMs: number): boolean {
    this.#options.signal?.throwIfAborted();
    return this.#calls.clock.monotonicMs() >= waitUntilMs;
  }

  /** True if a shard's answer was an error, and it was not asked again since. */
  #hasFailed(): boolean {
    for (const shard of this.#errors.keys()) if (!this.#waiting.has(shard)) return true;
    return false;
  }

  /** Every shard has refused, and will again. */
  #isHopeless(shards: readonly ShardRef[]): boolean {
    return shards.every(({ number }) => {
      const error = this.#errors.get(number);
      return isRaftsmanError(error) && !error.retryable && error.outcome === 'refused';
    });
  }

  /** Never rejects. */
  async #ask(shard: number, waitUntilMs: number): Promise<void> {
    this.#waiting.set(shard, undefined);
    const limit = this.#terms.limit - this.#found.length;
    const options = { ...this.#options, waitUntilMs };
    try {
      const taken = await takeFrom(
        this.#calls,
        this.#queue,
        shard,
        { ...this.#terms, limit },
        options,
        (call) => void this.#waiting.set(shard, call),
      );
      this.#answerCount++;
      this.#errors.delete(shard);
      for (const task of taken.tasks) this.#take(task, taken.atMs);
    } catch (error) {
      this.#errors.set(shard, error);
    } finally {
      this.#waiting.delete(shard);
      this.#wake();
    }
  }

  #take(task: LeasedTask, atMs: number): void {
    if (!this.#isOver && this.#found.length < this.#terms.limit) this.#found.push({ task, atMs });
    else this.#giveBack(task);
  }

  /** Nobody is told of it. */
  #giveBack(task: LeasedTask): void {
    this.#calls.request(giveBackOperation(this.#queue, task)).catch(() => undefined);
  }

  #woken(): Promise<void> {
    return new Promise((resolve) => {
      this.#wake = resolve;
    });
  }

  async #changed(withinMs: number): Promise<void> {
    const timer = this.#calls.clock.after(withinMs, () => this.#wake());
    await this.#woken();
    timer.cancel();
  }

  #pause(): Promise<void> {
    return new Promise((resolve) => void this.#calls.clock.after(patienceMs, resolve));
  }
}
