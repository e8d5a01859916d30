/** What an alarm needs of a clock; `ports/clock.ts` has more. */
export interface AlarmClock {
  monotonicMs(): number;
  after(delayMs: number, callback: () => void): { cancel(): void };
}

/**
 * One timer for many deadlines: rings at the earliest that was asked for since the last ring; what is due then, and what to ask
 * for next, is its owner's to know. A deadline that moves away leaves the armed timer alone: that is cheaper than a new one.
 */
export class Alarm {
  readonly #clock: AlarmClock;
  readonly #onRing: (lateMs: number) => void;
  #scheduled: { cancel(): void } | undefined;
  #dueMs = Number.POSITIVE_INFINITY;

  /** @param onRing - told how much later than asked the timer ran: how long this process did not run. */
  constructor(clock: AlarmClock, onRing: (lateMs: number) => void) {
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
      this.#onRing(this.#clock.monotonicMs() - deadlineMs);
    });
  }

  cancel(): void {
    this.#scheduled?.cancel();
    this.#scheduled = undefined;
    this.#dueMs = Number.POSITIVE_INFINITY;
  }
}
