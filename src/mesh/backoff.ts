import type { Random } from '../ports/random.ts';
import { backoffMs } from './limits.ts';

/** Waits between dials: doubling, capped, each drawn between half and all of its step, so that many nodes do not come back at once (pitfall 93). */
export class Backoff {
  readonly #random: Random;
  #stepMs: number = backoffMs.first;

  constructor(random: Random) {
    this.#random = random;
  }

  nextMs(): number {
    const stepMs = this.#stepMs;
    this.#stepMs = Math.min(stepMs * 2, backoffMs.longest);
    return stepMs * (0.5 + this.#random.next() / 2);
  }

  reset(): void {
    this.#stepMs = backoffMs.first;
  }
}
