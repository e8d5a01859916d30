import type { Release, Round, Term } from './types.ts';

interface LeasePromise {
  readonly term: Term;
  readonly round: Round;
  readonly untilMs: number;
}

/** How long an answered round binds its answerer: the lease as a clock that is `driftBound` wrong may see it, and a margin. */
export function promiseLengthMs(leaseMs: number, driftBound: number): number {
  if (leaseMs === 0) return 0;
  return (leaseMs * (1 + driftBound)) / (1 - driftBound) + Math.max(10, leaseMs / 20);
}

/** The lease promises this node gave, by the (term, round) it answered. */
export class Promises {
  #promises: LeasePromise[] = [];

  add(term: Term, round: Round, untilMs: number): void {
    // A later promise that lasts longer makes the earlier ones moot: a release that forgets it forgets them too.
    this.#promises = this.#promises.filter((promise) => promise.untilMs > untilMs);
    this.#promises.push({ term, round, untilMs });
  }

  /** Forgets the promises up to and including the release, and no later ones. */
  forget(release: Release): void {
    this.#promises = this.#promises.filter((promise) => isAfter(promise, release));
  }

  /** The end of the longest promise; `-Infinity` for none. */
  untilMs(): number {
    let untilMs = Number.NEGATIVE_INFINITY;
    for (const promise of this.#promises) untilMs = Math.max(untilMs, promise.untilMs);
    return untilMs;
  }

  remainingMs(nowMs: number): number {
    return Math.max(0, this.untilMs() - nowMs);
  }
}

function isAfter(promise: LeasePromise, release: Release): boolean {
  if (promise.term !== release.term) return promise.term > release.term;
  return promise.round > release.round;
}
