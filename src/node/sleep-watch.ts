import type { Clock } from '../ports/clock.ts';

/** Two readings of two clocks, one after the other, differ by less than this without a sleep. */
const sleepToleranceMs = 20;

/**
 * Finds out that the machine slept: the boot clock went on while the monotonic clock, by which leases are counted, stood still
 * (pitfall 83). How often the boot clock is really read is the adapter's business (at most every 50 ms).
 */
export class SleepWatch {
  readonly #clock: Pick<Clock, 'monotonicMs' | 'bootMs'>;
  #aheadMs: number;

  constructor(clock: Pick<Clock, 'monotonicMs' | 'bootMs'>) {
    this.#clock = clock;
    this.#aheadMs = this.#readAheadMs();
  }

  /** @returns how long the machine slept since the watch was made or last reset; 0 if it did not. */
  sleptMs(): number {
    const sleptMs = this.#readAheadMs() - this.#aheadMs;
    return sleptMs > sleepToleranceMs ? sleptMs : 0;
  }

  /** Counts from now on. */
  reset(): void {
    this.#aheadMs = this.#readAheadMs();
  }

  #readAheadMs(): number {
    return this.#clock.bootMs() - this.#clock.monotonicMs();
  }
}
