import type { Clock, Scheduled } from './clock.ts';

/**
 * One timer for many deadlines: rings at the earliest that was asked for since the last ring; what is due then, and what to ask
 * for next, is its owner's to know. A deadline that moves away leaves the armed timer alone: that is cheaper than a new one.
 */
export class Alarm {
  readonly #clock: Clock;
  readonly #onRing: () => void;
  #scheduled: Scheduled | undefined;
  #dueMs = Number.POSITIVE_INFINITY;

  constructor(clock: Clock, onRing: () => void) {
    this.#clock = clock;
    this.#onRing = onRing;
  }

  /** Rings at `deadlineMs` (monotonic) at the latest; Infinity asks for nothing. */
  at(deadlineMs: number): void {
    if (deadlineMs >= this.#dueMs) return;
    this.#scheduled?.cancel();
    this.#dueMs = deadlineMs;
    this.#scheduled = this.#clock.after(Math.max(0, deadlineMs - this.#clock.monotonicMs()), () => {
      this.#scheduled = undefined;
      this.#dueMs = Number.POSITIVE_INFINITY;
      this.#onRing();
    });
  }

  cancel(): void {
    this.#scheduled?.cancel();
    this.#scheduled = undefined;
    this.#dueMs = Number.POSITIVE_INFINITY;
  }
}
