import type { Clock, Scheduled } from '../ports/clock.ts';

/**
 * The one timer of a node. A deadline that moves away leaves the armed timer alone: it fires early, finds nothing due and is
 * armed again, which is cheaper than a new timer at every turn.
 */
export class Alarm {
  readonly #clock: Clock;
  readonly #onFire: (lateMs: number) => void;
  #scheduled: Scheduled | undefined;
  #dueMs = Number.POSITIVE_INFINITY;

  /** @param onFire - told how much later than asked the timer ran: how long this process did not run. */
  constructor(clock: Clock, onFire: (lateMs: number) => void) {
    this.#clock = clock;
    this.#onFire = onFire;
  }

  /** Fires at `deadlineMs` (monotonic) at the latest; Infinity asks for nothing. */
  set(deadlineMs: number): void {
    if (deadlineMs >= this.#dueMs) return;
    this.#scheduled?.cancel();
    this.#dueMs = deadlineMs;
    this.#scheduled = this.#clock.after(Math.max(0, deadlineMs - this.#clock.monotonicMs()), () => {
      this.#scheduled = undefined;
      this.#dueMs = Number.POSITIVE_INFINITY;
      this.#onFire(this.#clock.monotonicMs() - deadlineMs);
    });
  }

  cancel(): void {
    this.#scheduled?.cancel();
    this.#scheduled = undefined;
    this.#dueMs = Number.POSITIVE_INFINITY;
  }
}
