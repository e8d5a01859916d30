import { uptime } from 'node:os';
import type { Clock, Scheduled } from '../ports/clock.ts';

/** The longest wait that `setTimeout` keeps: beyond 2^31 - 1 ms it fires at once (pitfall 84). Longer waits are armed again. */
export const timeoutMaxMs: number = 2 ** 31 - 1;
/** The boot clock costs a system call of its own (on Linux a read of /proc/uptime), so it is read at most this often. */
export const bootSampleMs = 50;
/** Clocks that step by 10 ms differ by less than this without a sleep. */
const fineToleranceMs = 20;
/** The uptime of macOS and the BSDs counts whole seconds. */
const coarseToleranceMs = 2_000;

/** What the clock reads; replaced in tests. */
export interface ClockSources {
  monotonicMs(): number;
  uptimeMs(): number;
  wallMs(): number;
  /** How far uptime and monotonic time differ without a sleep, by their resolution. */
  readonly toleranceMs: number;
}

const platform: ClockSources = {
  monotonicMs: () => performance.now(),
  uptimeMs: () => uptime() * 1_000,
  wallMs: () => Date.now(),
  toleranceMs:
    process.platform === 'linux' || process.platform === 'win32' ? fineToleranceMs : coarseToleranceMs,
};

/**
 * The real clock. `performance.now()` stands still while the machine sleeps and the uptime does not (pitfall 83): `bootMs` is
 * monotonic time plus the sleep found so far, so it never goes back and does not step with the resolution of the uptime.
 *
 * Timers keep the process alive, as a listening server does: whoever scheduled one cancels it in its own `close()`.
 */
export class SystemClock implements Clock {
  readonly #sources: ClockSources;
  #bootAheadMs: number;
  #sampledMs: number;

  constructor(sources: ClockSources = platform) {
    this.#sources = sources;
    this.#sampledMs = sources.monotonicMs();
    this.#bootAheadMs = sources.uptimeMs() - this.#sampledMs;
  }

  monotonicMs(): number {
    return this.#sources.monotonicMs();
  }

  bootMs(): number {
    const monotonicMs = this.#sources.monotonicMs();
    if (monotonicMs - this.#sampledMs >= bootSampleMs) this.#sample(monotonicMs);
    return monotonicMs + this.#bootAheadMs;
  }

  wallMs(): number {
    return this.#sources.wallMs();
  }

  after(delayMs: number, callback: () => void): Scheduled {
    const dueMs = this.#sources.monotonicMs() + Math.max(0, delayMs);
    let timer: NodeJS.Timeout | undefined;
    const arm = (): void => {
      const leftMs = dueMs - this.#sources.monotonicMs();
      timer = setTimeout(fire, Math.min(timeoutMaxMs, Math.max(0, Math.ceil(leftMs))));
    };
    // A timer of Node may be up to a millisecond early, and a long one was cut short: look again.
    const fire = (): void => {
      if (this.#sources.monotonicMs() < dueMs) arm();
      else callback();
    };
    arm();
    return { cancel: () => clearTimeout(timer) };
  }

  soon(callback: () => void): Scheduled {
    const immediate = setImmediate(callback);
    return { cancel: () => clearImmediate(immediate) };
  }

  #sample(monotonicMs: number): void {
    this.#sampledMs = monotonicMs;
    const aheadMs = this.#sources.uptimeMs() - monotonicMs;
    if (aheadMs - this.#bootAheadMs > this.#sources.toleranceMs) this.#bootAheadMs = aheadMs;
  }
}
