import { ConsensusWorld } from './consensus-world.ts';
import type { SeedOptions, SeedReport } from './seed-report.ts';
import { ShardWorld } from './shard-world.ts';
import { TokenWorld } from './token-world.ts';
import { worldOf } from './world-name.ts';

/** Runs one seed to its end. The same seed in the same world gives the same report. */
export function runSeed(seed: number, options: SeedOptions = {}): Promise<SeedReport> {
  switch (options.world ?? worldOf(seed)) {
    case 'elections':
      return new ConsensusWorld(seed, options).run();
    case 'tokens':
      return new TokenWorld(seed, options).run();
    case 'shards':
      return new ShardWorld(seed, options).run();
  }
}
