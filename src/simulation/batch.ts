import { Coverage } from './coverage.ts';
import { coverageFor } from './required-coverage.ts';
import type { SeedReport } from './seed-report.ts';
import { type WorldName, worldOf } from './world-name.ts';

export interface Failure {
  readonly seed: number;
  /** The command that shows it again. */
  readonly replay: string;
  readonly messages: readonly string[];
}

/** The last line of `--json`. */
export interface BatchSummary {
  readonly seeds: number;
  readonly steps: number;
  readonly stepsPerSecond: number;
  readonly violations: number;
  readonly unconverged: number;
  readonly coverage: {
    readonly missing: readonly string[];
    readonly counts: Readonly<Record<string, number>>;
  };
  readonly failures: readonly Failure[];
}

/** Adds up what many seeds showed. */
export class Batch {
  readonly #coverage = new Coverage();
  readonly #failures: Failure[] = [];
  readonly #worlds = new Map<WorldName, number>();
  #seeds = 0;
  #steps = 0;
  #violations = 0;
  #unconverged = 0;

  get seeds(): number {
    return this.#seeds;
  }

  get steps(): number {
    return this.#steps;
  }

  get failureCount(): number {
    return this.#failures.length;
  }

  /** @returns the failure that the report holds, if any. */
  add(report: SeedReport): Failure | undefined {
    this.#seeds += 1;
    this.#steps += report.steps;
    this.#violations += report.violations.length;
    this.#unconverged += report.unconverged.length;
    this.#coverage.add(report.coverage);
    this.#coverage.count(`world ${report.world}`);
    this.#worlds.set(report.world, (this.#worlds.get(report.world) ?? 0) + 1);
    if (report.violations.length === 0 && report.unconverged.length === 0) return undefined;
    const failure: Failure = {
      seed: report.seed,
      replay: replayOf(report),
      messages: [
        ...report.violations.map(
          ({ invariant, atMs, message }) => `${invariant} at ${atMs.toFixed(3)} ms: ${message}`,
        ),
        ...report.unconverged,
      ],
    };
    this.#failures.push(failure);
    return failure;
  }

  summary(elapsedMs: number): BatchSummary {
    return {
      seeds: this.#seeds,
      steps: this.#steps,
      stepsPerSecond: Math.round((this.#steps * 1_000) / Math.max(1, elapsedMs)),
      violations: this.#violations,
      unconverged: this.#unconverged,
      coverage: {
        missing: this.#coverage.missing(coverageFor(this.#worlds)),
        counts: this.#coverage.toJSON(),
      },
      failures: this.#failures,
    };
  }
}

function replayOf({ seed, world }: SeedReport): string {
  const which = world === worldOf(seed) ? '' : ` --world ${world}`;
  return `npm run sim --${which} --replay ${seed}`;
}

/** True if the batch is clean: then the runner exits with 0. */
export function isClean({ violations, unconverged, coverage }: BatchSummary): boolean {
  return violations === 0 && unconverged === 0 && coverage.missing.length === 0;
}
