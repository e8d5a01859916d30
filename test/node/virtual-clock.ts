import type { Clock, Scheduled } from '../../src/ports/clock.ts';

interface Timer {
  readonly dueMs: number;
  readonly callback: () => void;
  cancelled: boolean;
}

/** Time that stands still until a test moves it. `jump` is a blocked loop: time passes and nothing runs. */
export class VirtualClock implements Clock {
  #nowMs = 1_000;
  #sleptMs = 0;
  #wallMs = 1_700_000_000_000;
  #timers: Timer[] = [];
  #soon: Timer[] = [];

  monotonicMs(): number {
    return this.#nowMs;
  }

  bootMs(): number {
    return this.#nowMs + this.#sleptMs;
  }

  wallMs(): number {
    return Math.floor(this.#wallMs);
  }

  after(delayMs: number, callback: () => void): Scheduled {
    return this.#schedule(this.#timers, this.#nowMs + Math.max(0, delayMs), callback);
  }

  soon(callback: () => void): Scheduled {
    return this.#schedule(this.#soon, this.#nowMs, callback);
  }

  /** The loop is blocked: timers come due and do not run. */
  jump(ms: number): void {
    this.#nowMs += ms;
    this.#wallMs += ms;
  }

  /** The machine sleeps: monotonic time stands still. */
  sleep(ms: number): void {
    this.#sleptMs += ms;
    this.#wallMs += ms;
  }

  get armedTimers(): number {
    return this.#timers.filter((timer) => !timer.cancelled).length;
  }

  /** Lets `ms` pass: timers first, then what was asked for soon, then microtasks, as Node does. */
  async advance(ms: number): Promise<void> {
    const untilMs = this.#nowMs + ms;
    await this.settle();
    for (;;) {
      const next = this.#nextDueMs();
      if (next > untilMs) break;
      this.jump(Math.max(0, next - this.#nowMs));
      await this.#runDue();
      await this.settle();
    }
    this.jump(Math.max(0, untilMs - this.#nowMs));
  }

  /** Runs what is ready now, and nothing that time has to pass for. */
  async settle(): Promise<void> {
    await microtasks();
    while (this.#soon.length > 0) {
      const ready = this.#soon;
      this.#soon = [];
      for (const timer of ready) if (!timer.cancelled) timer.callback();
      await microtasks();
    }
  }

  /** One turn of the loop, no more: what it asks for soon waits. */
  async turnOver(): Promise<void> {
    const ready = this.#soon;
    this.#soon = [];
    for (const timer of ready) if (!timer.cancelled) timer.callback();
    await microtasks();
  }

  /** The loop runs again after a jump: timers that came due run first, then I/O and the rest. */
  async resume(): Promise<void> {
    await this.#runDue();
    await this.settle();
  }

  async #runDue(): Promise<void> {
    const due = this.#timers.filter((timer) => timer.dueMs <= this.#nowMs);
    this.#timers = this.#timers.filter((timer) => timer.dueMs > this.#nowMs);
    for (const timer of due.sort((a, b) => a.dueMs - b.dueMs)) {
      if (!timer.cancelled) timer.callback();
      await microtasks();
    }
  }

  #nextDueMs(): number {
    this.#timers = this.#timers.filter((timer) => !timer.cancelled);
    return Math.min(Number.POSITIVE_INFINITY, ...this.#timers.map((timer) => timer.dueMs));
  }

  #schedule(list: Timer[], dueMs: number, callback: () => void): Scheduled {
    const timer: Timer = { dueMs, callback, cancelled: false };
    list.push(timer);
    return {
      cancel: () => {
        timer.cancelled = true;
      },
    };
  }
}

/** Lets promises settle; takes no virtual time. */
function microtasks(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
