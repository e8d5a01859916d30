import type { Call } from './call.ts';

/** Correlations of attaches are from here; those of calls are below. */
export const attachCorrelation = 0x8000_0000;

/** The calls of one client by the number that their answer carries. */
export class Correlations {
  readonly #calls = new Map<number, Call>();
  #last = 0;

  add(call: Call): void {
    do this.#last = (this.#last + 1) % attachCorrelation;
    while (this.#last === 0 || this.#calls.has(this.#last));
    call.correlation = this.#last;
    this.#calls.set(call.correlation, call);
  }

  get(correlation: number): Call | undefined {
    return this.#calls.get(correlation);
  }

  remove(call: Call): void {
    this.#calls.delete(call.correlation);
  }
}
