import type { Clock, Scheduled } from '../ports/clock.ts';
import type { Prng } from './prng.ts';
import { type World, worldEpochMs } from './world.ts';

/** A machine: its clocks go on when a process on it dies. */
export class SimulatedHost {
  readonly name: string;
  readonly world: World;
  /** False after a power loss, until it boots again. */
  isUp = true;
  process: SimulatedProcess | undefined;
  /** Wall clock minus true time. */
  wallOffsetMs = 0;
  #rate = 1;
  #localMs: number;
  #sinceMs: number;
  #sleptMs = 0;
  #asleepFromLocalMs: number | undefined;
  #bootCount = 0;

  constructor(world: World, name: string, random: Prng) {
    this.world = world;
    this.name = name;
    this.#localMs = random.between(1_000, 1_000_000);
    this.#sinceMs = world.nowMs();
  }

  /** 1 is exact; 1.05 runs 5 % fast. */
  setRate(rate: number): void {
    this.#localMs = this.bootMs();
    this.#sinceMs = this.world.nowMs();
    this.#rate = rate;
  }

  get rate(): number {
    return this.#rate;
  }

  bootMs(): number {
    return this.#localMs + (this.world.nowMs() - this.#sinceMs) * this.#rate;
  }

  monotonicMs(): number {
    return (this.#asleepFromLocalMs ?? this.bootMs()) - this.#sleptMs;
  }

  wallMs(): number {
    return Math.floor(worldEpochMs + this.world.nowMs() + this.wallOffsetMs);
  }

  /** The machine sleeps: its process stands still and so does the monotonic clock; boot time and wall clock go on. */
  sleep(): void {
    this.#asleepFromLocalMs ??= this.bootMs();
    this.process?.pause();
  }

  wake(): void {
    if (this.#asleepFromLocalMs === undefined) return;
    this.#sleptMs += this.bootMs() - this.#asleepFromLocalMs;
    this.#asleepFromLocalMs = undefined;
    this.process?.resume();
  }

  /** Starts the next process of this machine. */
  boot(random: Prng, onCrash: (error: unknown) => void): SimulatedProcess {
    this.isUp = true;
    this.#bootCount += 1;
    this.process = new SimulatedProcess(this, this.#bootCount, random, onCrash);
    return this.process;
  }
}

interface Due {
  readonly atLocalMs: number;
  readonly run: () => void;
}

/** One life of a process: what the library sees as its clock. Dead processes run nothing any more. */
export class SimulatedProcess implements Clock {
  readonly host: SimulatedHost;
  readonly life: number;
  readonly random: Prng;
  readonly #onCrash: (error: unknown) => void;
  readonly #onDeath: (() => void)[] = [];
  #isAlive = true;
  #isPaused = false;
  /** What came due while nothing ran: timers run before sockets, as in Node. */
  #lateTimers: Due[] = [];
  #lateInput: (() => void)[] = [];

  constructor(host: SimulatedHost, life: number, random: Prng, onCrash: (error: unknown) => void) {
    this.host = host;
    this.life = life;
    this.random = random;
    this.#onCrash = onCrash;
  }

  get isAlive(): boolean {
    return this.#isAlive;
  }

  get isPaused(): boolean {
    return this.#isPaused;
  }

  monotonicMs(): number {
    return this.host.monotonicMs();
  }

  bootMs(): number {
    return this.host.bootMs();
  }

  wallMs(): number {
    return this.host.wallMs();
  }

  /** Timers are late by up to 1 ms, as `setTimeout` is. */
  after(delayMs: number, callback: () => void): Scheduled {
    const delay = Math.max(1, delayMs);
    if (!(delay < Number.POSITIVE_INFINITY)) return { cancel: () => {} };
    const timer = { atLocalMs: this.monotonicMs() + delay, run: callback, isCancelled: false };
    this.#armTimer(timer, delay / this.host.rate + this.random.next());
    return {
      cancel: () => {
        timer.isCancelled = true;
      },
    };
  }

  soon(callback: () => void): Scheduled {
    let isCancelled = false;
    this.host.world.after(0, () =>
      this.deliver(() => {
        if (!isCancelled) callback();
      }),
    );
    return {
      cancel: () => {
        isCancelled = true;
      },
    };
  }

  /** Input from outside (a frame, a disk completion): now, or after the timers once the process runs again. */
  deliver(input: () => void): void {
    if (!this.#isAlive) return;
    if (this.#isPaused) this.#lateInput.push(input);
    else this.execute(input);
  }

  /** Runs code of this process; what it throws kills the process and is a defect. */
  execute(code: () => void): void {
    if (!this.#isAlive) return;
    try {
      code();
    } catch (error) {
      this.#onCrash(error);
    }
  }

  pause(): void {
    this.#isPaused = true;
  }

  resume(): void {
    if (!this.#isPaused || !this.#isAlive) return;
    this.#isPaused = false;
    const timers = this.#lateTimers.sort((a, b) => a.atLocalMs - b.atLocalMs);
    const input = this.#lateInput;
    this.#lateTimers = [];
    this.#lateInput = [];
    for (const timer of timers) this.host.world.after(0, () => this.#runTimer(timer));
    for (const run of input) this.host.world.after(0, () => this.deliver(run));
  }

  /** The process is gone, as by SIGKILL: nothing of it runs again. */
  die(): void {
    if (!this.#isAlive) return;
    this.#isAlive = false;
    this.#lateTimers = [];
    this.#lateInput = [];
    if (this.host.process === this) this.host.process = undefined;
    for (const listener of this.#onDeath) listener();
  }

  onDeath(listener: () => void): void {
    this.#onDeath.push(listener);
  }

  #armTimer(timer: Due & { isCancelled: boolean }, inMs: number): void {
    this.host.world.after(inMs, () => {
      if (timer.isCancelled || !this.#isAlive) return;
      const run = (): void => {
        if (!timer.isCancelled) timer.run();
      };
      const missingMs = timer.atLocalMs - this.monotonicMs();
      // The machine slept or its clock was slowed meanwhile: the timer waits for what is left.
      if (missingMs > 1e-6 && !this.#isPaused) this.#armTimer(timer, missingMs / this.host.rate);
      else if (this.#isPaused) this.#lateTimers.push({ atLocalMs: timer.atLocalMs, run });
      else this.execute(run);
    });
  }

  #runTimer(timer: Due): void {
    if (this.#isPaused) {
      this.#lateTimers.push(timer);
      return;
    }
    const missingMs = timer.atLocalMs - this.monotonicMs();
    if (missingMs > 1e-6) this.#armTimer({ ...timer, isCancelled: false }, missingMs / this.host.rate);
    else this.execute(timer.run);
  }
}
