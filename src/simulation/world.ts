import type { Scheduled } from '../ports/clock.ts';
import { EventHeap, type WorldEvent } from './event-heap.ts';
import { Prng } from './prng.ts';
import { Trace } from './trace.ts';

/** Unix time at which every world begins. */
export const worldEpochMs = 1_767_225_600_000;

/** Events at one moment; more is a loop that never waits. */
const stepsAtOnceMax = 20_000;

/** Something in the world runs without end and lets no time pass: a process would burn its core. */
export class BusyLoopError extends Error {
  override readonly name = 'BusyLoopError';
}

/**
 * The only time there is: a heap of events and nothing else. One event runs, then everything it promised (all microtasks), then the
 * listeners of the step; the next event sees a world at rest. The same seed gives the same run.
 */
export class World {
  readonly random: Prng;
  readonly trace: Trace = new Trace();
  readonly #heap = new EventHeap();
  readonly #stepListeners: (() => void)[] = [];
  #nowMs = 0;
  #sequence = 0;
  #steps = 0;
  #stepsAtOnce = 0;
  #isRunning = false;

  constructor(seed: string | number) {
    this.random = new Prng(`world:${seed}`);
  }

  /** Real time of this world, in ms since it began; no process reads it. */
  nowMs(): number {
    return this.#nowMs;
  }

  steps(): number {
    return this.#steps;
  }

  at(atMs: number, run: () => void): Scheduled {
    const event: WorldEvent = {
      atMs: Math.max(atMs, this.#nowMs),
      sequence: this.#sequence++,
      run,
      cancelled: false,
    };
    this.#heap.push(event);
    return {
      cancel: () => {
        event.cancelled = true;
      },
    };
  }

  after(delayMs: number, run: () => void): Scheduled {
    return this.at(this.#nowMs + delayMs, run);
  }

  note(text: string): void {
    this.trace.note(this.#nowMs, text);
  }

  /** Called after each event and all its microtasks. */
  onStep(listener: () => void): void {
    this.#stepListeners.push(listener);
  }

  /** Runs what is due until `untilMs` (which is then the time) or until `isDone` says so after a step. */
  run(untilMs: number, isDone?: () => boolean): Promise<void> {
    if (this.#isRunning) throw new Error('this world is already running: await the run before');
    this.#isRunning = true;
    return new Promise((resolve, reject) => {
      const finish = (settle: () => void): void => {
        this.#isRunning = false;
        settle();
      };
      // A tick asked for by a microtask runs when no microtask is left: a whole drain at the price of two calls.
      const drained = (): void => process.nextTick(turn);
      const turn = (): void => {
        try {
          for (const listener of this.#stepListeners) listener();
          if (isDone?.() === true || !this.#runNext(untilMs)) finish(resolve);
          else queueMicrotask(drained);
        } catch (error) {
          finish(() => reject(error));
        }
      };
      queueMicrotask(drained);
    });
  }

  #runNext(untilMs: number): boolean {
    for (;;) {
      const event = this.#heap.peek();
      if (event === undefined || event.atMs > untilMs) {
        this.#nowMs = Math.max(this.#nowMs, untilMs);
        return false;
      }
      this.#heap.pop();
      if (event.cancelled) continue;
      this.#stepsAtOnce = event.atMs > this.#nowMs ? 0 : this.#stepsAtOnce + 1;
      if (this.#stepsAtOnce > stepsAtOnceMax)
        throw new BusyLoopError(`${stepsAtOnceMax} events at ${this.#nowMs} ms`);
      this.#nowMs = event.atMs;
      this.#steps += 1;
      this.trace.mix(event.atMs);
      event.run();
      return true;
    }
  }
}
