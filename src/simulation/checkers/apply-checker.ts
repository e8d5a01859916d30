import { contentHash } from './content-hash.ts';
import type { Judge } from './judge.ts';
import type { ObservedEntry } from './log-checker.ts';

/** I7 (everybody applies the same entries and gets the same state) and I9 (commit and applied only rise, applied never beyond commit). */
export class ApplyChecker {
  readonly #judge: Judge;
  readonly #entryAt = new Map<number, number>();
  readonly #digestAt = new Map<number, string>();
  readonly #progress = new Map<string, { commitIndex: number; applied: number }>();

  constructor(judge: Judge) {
    this.#judge = judge;
  }

  /** `life` names one process of one node. `digest` is undefined where it was not taken. */
  applied(life: string, entry: ObservedEntry, digest: string | undefined): void {
    const progress = this.#of(life);
    // The first entry that is seen of a process may be any: it may have begun before it was watched.
    if (progress.applied > 0 && entry.index !== progress.applied + 1) {
      this.#judge.violated('I9', `${life} applied ${entry.index} after ${progress.applied}`);
    }
    progress.applied = entry.index;
    const hash = contentHash(0, [entry.term, entry.stampMs], entry.data);
    this.#same(this.#entryAt, entry.index, hash, () => `${life} applied another entry ${entry.index}`);
    if (digest !== undefined) {
      this.#same(
        this.#digestAt,
        entry.index,
        digest,
        () => `${life} has another state at ${entry.index}: ${digest}`,
      );
    }
  }

  committed(life: string, commitIndex: number): void {
    const progress = this.#of(life);
    if (commitIndex < progress.commitIndex) {
      this.#judge.violated(
        'I9',
        `the commit index of ${life} fell from ${progress.commitIndex} to ${commitIndex}`,
      );
    }
    progress.commitIndex = commitIndex;
    if (progress.applied > commitIndex) {
      this.#judge.violated('I9', `${life} applied ${progress.applied}, committed is ${commitIndex}`);
    }
    if (commitIndex > 0) this.#judge.reached('I9');
  }

  #same<T>(seen: Map<number, T>, index: number, value: T, message: () => string): void {
    const known = seen.get(index);
    if (known === undefined) {
      seen.set(index, value);
      return;
    }
    this.#judge.reached('I7');
    if (known !== value) this.#judge.violated('I7', message());
  }

  #of(life: string): { commitIndex: number; applied: number } {
    let progress = this.#progress.get(life);
    if (progress === undefined) {
      progress = { commitIndex: 0, applied: 0 };
      this.#progress.set(life, progress);
    }
    return progress;
  }
}
