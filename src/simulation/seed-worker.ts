import { runSeed } from './run-seed.ts';
import type { SeedReport } from './seed-report.ts';
import { type WorldName, worldOf } from './world-name.ts';

/** Every so many seeds one is run twice (D1). */
const twiceEvery = 100;

/**
 * Runs seeds one after the other and adds to each what only the process can see: promises nobody waits for, warnings of the
 * platform (R2), and a second run that differs from the first (D1).
 */
export class SeedWorker {
  readonly #hostTurn: () => Promise<void>;
  #complaints: string[] = [];

  /** @param hostTurn - gives the platform a turn, in which it reports rejections that nobody handled. */
  constructor(hostTurn: () => Promise<void>) {
    this.#hostTurn = hostTurn;
    process.on('unhandledRejection', (reason) =>
      this.#complain(`a rejection that nobody handled: ${textOf(reason)}`),
    );
    process.on('warning', (warning) => this.#complain(`a warning: ${warning.message}`));
  }

  async run(seed: number, world: WorldName = worldOf(seed)): Promise<SeedReport> {
    const report = await this.#once(seed, world);
    if (seed % twiceEvery !== 0) return report;
    const again = await this.#once(seed, world);
    if (again.traceHash === report.traceHash) return report;
    return complained(report, 'D1', `two runs differ: ${report.traceHash}, ${again.traceHash}`);
  }

  async #once(seed: number, world: WorldName): Promise<SeedReport> {
    this.#complaints = [];
    const report = await runSeed(seed, { world }).catch((error: unknown) => broken(seed, world, error));
    await this.#hostTurn();
    return this.#complaints.reduce((sum, complaint) => complained(sum, 'R2', complaint), report);
  }

  #complain(text: string): void {
    this.#complaints.push(text);
  }
}

function complained(report: SeedReport, invariant: string, message: string): SeedReport {
  return { ...report, violations: [...report.violations, { invariant, atMs: 0, message }] };
}

function broken(seed: number, world: WorldName, error: unknown): SeedReport {
  const violations = [{ invariant: 'R2', atMs: 0, message: `the run ended with ${textOf(error)}` }];
  return { seed, world, steps: 0, violations, unconverged: [], coverage: {}, traceHash: '', lines: [] };
}

function textOf(reason: unknown): string {
  return reason instanceof Error ? (reason.stack ?? reason.message) : String(reason);
}
