import type { Node } from '../node/node.ts';
import type { Judge } from './checkers/judge.ts';
import type { Coverage } from './coverage.ts';
import type { SeedReport } from './seed-report.ts';
import type { SimulatedCluster } from './simulated-cluster.ts';

const transcriptLines = 60;

/** What a world of one cluster showed. */
export function reportOf(shown: {
  readonly seed: number;
  readonly cluster: SimulatedCluster;
  readonly judge: Judge;
  readonly coverage: Coverage;
  readonly unconverged: readonly string[];
}): SeedReport {
  const { seed, cluster, judge, coverage, unconverged } = shown;
  const { world, network, members } = cluster;
  const { dropped, duplicated, reordered, refusedDials } = network.faultCounts();
  coverage.add({ 'frame dropped': dropped, 'frame duplicated': duplicated, 'frame reordered': reordered });
  coverage.count('dial refused', refusedDials);
  for (const { disk } of members) coverage.count('torn write', disk.tornWrites);
  for (const [name, times] of judge.coverage) coverage.count(`reached ${name}`, times);
  return {
    seed,
    steps: world.steps(),
    violations: judge.violations,
    unconverged,
    coverage: coverage.toJSON(),
    traceHash: world.trace.hash(),
    lines: world.trace.last(transcriptLines),
  };
}

/** Where a node stands: the last index it applied and the state there. */
export function markOf(node: Node | undefined): string | undefined {
  const group = node?.group();
  return group === undefined ? undefined : `${group.applied().index} ${group.machine.digest()}`;
}
