import { Judge } from './checkers/judge.ts';
import { Coverage } from './coverage.ts';
import type { Prng } from './prng.ts';
import type { SeedOptions, SeedReport } from './seed-report.ts';
import type { SimulatedCluster } from './simulated-cluster.ts';
import { SimulatedNetwork } from './simulated-network.ts';
import { BusyLoopError, World } from './world.ts';
import type { WorldName } from './world-name.ts';

const transcriptLines = 60;

/** What every world stands on: time, wires, a judge, and the report of what was seen. */
export class Stage {
  readonly name: WorldName;
  readonly world: World;
  readonly random: Prng;
  readonly judge: Judge;
  readonly coverage: Coverage = new Coverage();
  readonly network: SimulatedNetwork;
  readonly #seed: number;
  readonly #unconverged: string[] = [];

  constructor(name: WorldName, seed: number, { onLine }: SeedOptions) {
    this.name = name;
    this.#seed = seed;
    this.world = new World(seed);
    if (onLine !== undefined) this.world.trace.follow(onLine);
    this.random = this.world.random.fork(name);
    this.judge = new Judge(() => this.world.nowMs());
    this.judge.onViolation(({ invariant, message }) => this.world.note(`VIOLATION ${invariant}: ${message}`));
    this.network = new SimulatedNetwork(this.world, this.world.random.fork('network'));
  }

  /** Plays the whole run; `conclude` counts what is known only at its end. */
  async play(
    live: () => Promise<void>,
    clusters: readonly SimulatedCluster[],
    conclude: () => void = () => {},
  ): Promise<SeedReport> {
    try {
      await live();
    } catch (error) {
      if (!(error instanceof BusyLoopError)) throw error;
      this.judge.violated('R1', `a process runs without waiting: ${error.message}`);
    }
    conclude();
    return this.#report(clusters);
  }

  /** Why the liveness phase did not end well. */
  didNot(what: string): false {
    this.world.note(`UNCONVERGED: it did not ${what}`);
    this.#unconverged.push(`it did not ${what}`);
    return false;
  }

  /** Code of the library threw where nothing may throw. */
  crashed(name: string, error: unknown): void {
    const text = error instanceof Error ? error.stack : String(error);
    this.judge.violated('R2', `${name} crashed: ${text}`);
  }

  #report(clusters: readonly SimulatedCluster[]): SeedReport {
    const { coverage, judge, world } = this;
    const { dropped, duplicated, reordered, refusedDials } = this.network.faultCounts();
    coverage.add({ 'frame dropped': dropped, 'frame duplicated': duplicated, 'frame reordered': reordered });
    coverage.count('dial refused', refusedDials);
    for (const { members } of clusters)
      for (const { disk } of members) coverage.count('torn write', disk.tornWrites);
    for (const [name, times] of judge.coverage) coverage.count(`reached ${name}`, times);
    return {
      seed: this.#seed,
      world: this.name,
      steps: world.steps(),
      violations: judge.violations,
      unconverged: this.#unconverged,
      coverage: coverage.toJSON(),
      traceHash: world.trace.hash(),
      lines: world.trace.last(transcriptLines),
    };
  }
}
