import type { Link } from '../ports/transport.ts';
import type { SimulatedLink } from './simulated-link.ts';
import type { SimulatedProcess } from './simulated-process.ts';

/** One attempt to connect, until it is answered, refused or given up. */
export class DialCall {
  readonly process: SimulatedProcess;
  readonly address: string;
  readonly promise: Promise<Link>;
  readonly #signal: AbortSignal;
  readonly #onAbort: () => void;
  #resolve: (link: Link) => void = () => {};
  #reject: (error: unknown) => void = () => {};
  #isOver = false;

  constructor(process: SimulatedProcess, address: string, signal: AbortSignal) {
    this.process = process;
    this.address = address;
    this.#signal = signal;
    this.promise = new Promise((resolve, reject) => {
      this.#resolve = resolve;
      this.#reject = reject;
    });
    this.#onAbort = () => this.fail(signal.reason);
    if (signal.aborted) this.fail(signal.reason);
    else signal.addEventListener('abort', this.#onAbort, { once: true });
    process.onDeath(() => {
      this.#isOver = true;
    });
  }

  get isOver(): boolean {
    return this.#isOver;
  }

  /** The connection stands. Nobody may want it any more, or it may be lost already. */
  succeed(link: SimulatedLink): void {
    if (!this.#isOver && link.isOpen) {
      this.#end();
      this.#resolve(link);
      return;
    }
    link.close();
    this.fail(new Error(`ECONNRESET ${this.address}`));
  }

  fail(error: unknown): void {
    if (this.#isOver) return;
    this.#end();
    this.#reject(error);
  }

  #end(): void {
    this.#isOver = true;
    this.#signal.removeEventListener('abort', this.#onAbort);
  }
}
