import type { Clock, Scheduled } from '../../src/ports/clock.ts';
import type { Random } from '../../src/ports/random.ts';

interface Timer {
  readonly dueMs: number;
  readonly sequence: number;
  readonly callback: () => void;
}

/** Virtual time: turns are run one by one, microtasks are drained after each. */
export class VirtualClock implements Clock {
  #nowMs = 0;
  #sequence = 0;
  #timers: Timer[] = [];

  monotonicMs(): number {
    return this.#nowMs;
  }

  bootMs(): number {
    return this.#nowMs;
  }

  wallMs(): number {
    return 1_700_000_000_000 + Math.trunc(this.#nowMs);
  }

  after(delayMs: number, callback: () => void): Scheduled {
    const timer = { dueMs: this.#nowMs + Math.max(0, delayMs), sequence: this.#sequence++, callback };
    this.#timers.push(timer);
    return {
      cancel: () => {
        this.#timers = this.#timers.filter((other) => other !== timer);
      },
    };
  }

  /** A turn takes a tenth of a millisecond, so that round trips take time. */
  soon(callback: () => void): Scheduled {
    return this.after(0.1, callback);
  }

  /** Lets time pass and runs everything that is due. */
  async advance(ms: number): Promise<void> {
    const untilMs = this.#nowMs + ms;
    await drainMicrotasks();
    while (true) {
      const next = this.#next(untilMs);
      if (next === undefined) break;
      this.#timers = this.#timers.filter((other) => other !== next);
      this.#nowMs = Math.max(this.#nowMs, next.dueMs);
      next.callback();
      await drainMicrotasks();
    }
    this.#nowMs = untilMs;
  }

  /** The process stands still: time passes and nothing runs until the next `advance`. */
  stall(ms: number): void {
    this.#nowMs += ms;
  }

  /** Advances until the condition holds. */
  async until(condition: () => boolean, limitMs = 30_000): Promise<void> {
    const limit = this.#nowMs + limitMs;
    while (!condition()) {
      if (this.#nowMs > limit) throw new Error(`did not happen within ${limitMs} ms`);
      await this.advance(1);
    }
  }

  #next(untilMs: number): Timer | undefined {
    let next: Timer | undefined;
    for (const timer of this.#timers) {
      if (timer.dueMs > untilMs) continue;
      if (next === undefined || timer.dueMs < next.dueMs) next = timer;
      else if (timer.dueMs === next.dueMs && timer.sequence < next.sequence) next = timer;
    }
    return next;
  }
}

async function drainMicrotasks(): Promise<void> {
  for (let i = 0; i < 12; i++) await Promise.resolve();
}

/** A small generator with a seed (mulberry32). */
export class SeededRandom implements Random {
  #state: number;

  constructor(seed: number) {
    this.#state = seed >>> 0;
  }

  next(): number {
    this.#state = (this.#state + 0x6d2b79f5) >>> 0;
    let t = this.#state;
    t = Math.imul(t ^ (t >>> 15), t | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 4_294_967_296;
  }

  bytes(count: number): Uint8Array {
    return Uint8Array.from({ length: count }, () => Math.floor(this.next() * 256));
  }
}
