/** A value together with how many newer-than-last-read values were replaced before this one was read. */
export interface Latest<T> {
  readonly value: T;
  readonly missed: number;
}

interface Waiter<T> {
  readonly resolve: (result: IteratorResult<Latest<T>, undefined>) => void;
}

/**
 * One reader's view of a value that changes: the newest wins, so that a slow reader holds one value and never a queue.
 * `missed` counts what it did not see. Reads beyond the first wait in line; `end` finishes them all.
 */
export class LatestChannel<T> implements AsyncIterableIterator<Latest<T>, undefined> {
  #pending: Latest<T> | undefined;
  #waiters: Waiter<T>[] = [];
  #ended = false;
  readonly #onEnd: () => void;

  /** @param onEnd - called once, by `end` or when the reader leaves its loop. */
  constructor(onEnd: () => void = () => {}) {
    this.#onEnd = onEnd;
  }

  /** Replaces what was not read yet. Ignored after the end. */
  push(value: T): void {
    if (this.#ended) return;
    const waiter = this.#waiters.shift();
    if (waiter !== undefined) {
      waiter.resolve({ done: false, value: { value, missed: 0 } });
      return;
    }
    const missed = this.#pending === undefined ? 0 : this.#pending.missed + 1;
    this.#pending = { value, missed };
  }

  /** No more values; one that was pushed and not read is still given. Twice is harmless. */
  end(): void {
    if (this.#ended) return;
    this.#ended = true;
    const waiters = this.#waiters;
    this.#waiters = [];
    for (const waiter of waiters) waiter.resolve({ done: true, value: undefined });
    this.#onEnd();
  }

  next(): Promise<IteratorResult<Latest<T>, undefined>> {
    const pending = this.#pending;
    if (pending !== undefined) {
      this.#pending = undefined;
      return Promise.resolve({ done: false, value: pending });
    }
    if (this.#ended) return Promise.resolve({ done: true, value: undefined });
    return new Promise((resolve) => this.#waiters.push({ resolve }));
  }

  /** Called by `break` in a `for await` loop. */
  return(): Promise<IteratorResult<Latest<T>, undefined>> {
    this.#pending = undefined;
    this.end();
    return Promise.resolve({ done: true, value: undefined });
  }

  [Symbol.asyncIterator](): this {
    return this;
  }
}
