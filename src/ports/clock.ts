/** A handle on a scheduled callback. */
export interface Scheduled {
  /** Forgets the callback; harmless after it ran. */
  cancel(): void;
}

/** The only source of time. All values are milliseconds; fractions are allowed. */
export interface Clock {
  /** Monotonic time: never goes back, may stand still while the machine sleeps. */
  monotonicMs(): number;
  /** Time since the machine booted: runs while the machine sleeps. A divergence from `monotonicMs` is a sleep. */
  bootMs(): number;
  /** Unix time in whole milliseconds; may jump and may be wrong. */
  wallMs(): number;
  /** Calls back once, `delayMs` from now or later (bounded by the adapter to what the platform can wait); not before the current turn ends. */
  after(delayMs: number, callback: () => void): Scheduled;
  /** Calls back once after the input and output that is ready now has been polled (Node: `setImmediate`). */
  soon(callback: () => void): Scheduled;
}
