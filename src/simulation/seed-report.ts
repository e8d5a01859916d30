import type { Violation } from './checkers/judge.ts';
import type { WorldName } from './world-name.ts';

/** What one seed showed. */
export interface SeedReport {
  readonly seed: number;
  readonly world: WorldName;
  readonly steps: number;
  readonly violations: readonly Violation[];
  /** Why the liveness phase did not end well, one line each. */
  readonly unconverged: readonly string[];
  readonly coverage: Readonly<Record<string, number>>;
  /** Over everything that happened; equal for equal runs. */
  readonly traceHash: string;
  /** The last lines of the transcript. */
  readonly lines: readonly string[];
}

/** Which seed is run in which world, and how much is kept of it. */
export interface SeedOptions {
  /** The one that the seed draws (`worldOf`) unless given. */
  readonly world?: WorldName | undefined;
  /** Gets every line of the transcript as it is written. */
  readonly onLine?: ((line: string) => void) | undefined;
}
