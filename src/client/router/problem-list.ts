import type { RouterEvents, RouterProblem } from './types.ts';

/** Reports each problem once, and that it is over. */
export class ProblemList {
  readonly #events: Pick<RouterEvents, 'problem' | 'problemOver'>;
  readonly #known = new Map<string, RouterProblem>();

  constructor(events: Pick<RouterEvents, 'problem' | 'problemOver'>) {
    this.#events = events;
  }

  report(problem: RouterProblem): void {
    const key = `${problem.kind} ${problem.shard} ${problem.address ?? ''}`;
    if (this.#known.has(key)) return;
    this.#known.set(key, problem);
    this.#events.problem(problem);
  }

  /** Whatever was wrong there is not any more. */
  over(shard: string, address: string | undefined): void {
    for (const [key, problem] of this.#known) {
      if (problem.shard !== shard || problem.address !== address) continue;
      this.#known.delete(key);
      this.#events.problemOver(problem);
    }
  }
}
