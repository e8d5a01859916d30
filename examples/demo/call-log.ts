/** One answered call, by the clocks of the process that made it: when it began in Unix ms, how long it took, which cluster holds its key. */
export type AnsweredCall = readonly [at: number, tookMs: number, home: number];

/** What a process noted of its calls since it last told. */
export interface CallJournal {
  readonly answered: readonly AnsweredCall[];
  /** Calls that rejected, for whatever reason: an unknown outcome is a failure, too. */
  readonly rejected: number;
  /** Answered, but slower than anybody should have to wait. */
  readonly tooSlow: number;
  readonly failures: readonly string[];
}

const tooSlowMs = 2_000;
const failuresKept = 20;

/** Notes the calls of one process as their caller sees them. */
export class CallLog {
  #answered: AnsweredCall[] = [];
  #rejected = 0;
  #tooSlow = 0;
  #failures: string[] = [];

  /** @returns undefined if the call rejected. */
  async timed<T>(what: string, home: number, call: () => Promise<T>): Promise<T | undefined> {
    const at = Date.now();
    const startedAt = performance.now();
    try {
      const result = await call();
      const tookMs = performance.now() - startedAt;
      this.#answered.push([at, tookMs, home]);
      if (tookMs > tooSlowMs) {
        this.#tooSlow++;
        this.#note(`${what} took ${Math.round(tookMs)} ms`);
      }
      return result;
    } catch (error) {
      this.fail(`${what}: ${error}`);
      return undefined;
    }
  }

  fail(why: string): void {
    this.#rejected++;
    this.#note(why);
  }

  /** Hands over what was noted, and begins anew. */
  take(): CallJournal {
    const journal = {
      answered: this.#answered,
      rejected: this.#rejected,
      tooSlow: this.#tooSlow,
      failures: this.#failures,
    };
    this.#answered = [];
    this.#rejected = 0;
    this.#tooSlow = 0;
    this.#failures = [];
    return journal;
  }

  #note(why: string): void {
    if (this.#failures.length < failuresKept) this.#failures.push(why);
  }
}

/** @returns one journal of what several say, or of what one said in several parts. */
export function joinJournals(journals: readonly CallJournal[]): CallJournal {
  return {
    answered: journals.flatMap(({ answered }) => answered),
    rejected: journals.reduce((sum, { rejected }) => sum + rejected, 0),
    tooSlow: journals.reduce((sum, { tooSlow }) => sum + tooSlow, 0),
    failures: journals.flatMap(({ failures }) => failures).slice(0, failuresKept),
  };
}

/** @returns the longest of the calls, in ms; 0 if there was none. */
export function longestMs(calls: readonly AnsweredCall[]): number {
  return calls.reduce((longest, [, tookMs]) => Math.max(longest, tookMs), 0);
}
