import type { RouterProblem } from './types.ts';

/** Reports each problem once until it is over. */
export class ProblemList {
  readonly #report: (problem: RouterProblem) => void;
  readonly #known = new Map<string, RouterProblem>();

  constructor(report: (problem: RouterProblem) => void) {
    this.#report = report;
  }

  report(problem: RouterProblem): void {
    const key = `${problem.kind} ${problem.shard} ${problem.address ?? ''}`;
    if (this.#known.has(key)) return;
    this.#known.set(key, problem);
    this.#report(problem);
  }

  /** Whatever was wrong there is not any more. */
  over(shard: string, address: string | undefined): void {
    for (const [key, problem] of this.#known)
      if (problem.shard === shard && problem.address === address) this.#known.delete(key);
  }
}
