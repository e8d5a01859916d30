import { clientFaultKinds } from './client-nemesis.ts';
import { faultKinds } from './nemesis.ts';
import { partitionShapes } from './partition-shapes.ts';
import { leavings } from './release-probe.ts';
import { shardCoverage } from './shard-coverage.ts';
import { disturbances } from './stability-probe.ts';
import type { WorldName } from './world-name.ts';

/** What every large batch of one cluster must have met. */
const ofOneCluster: readonly string[] = [
  ...faultKinds.map((kind) => `fault ${kind}`),
  ...partitionShapes.map((shape) => `shape ${shape}`),
  ...disturbances.map((probe) => `reached probe ${probe}`),
  ...['frame dropped', 'frame duplicated', 'frame reordered', 'torn write', 'dial refused'],
  ...['size 1', 'size 3', 'size 5', 'scope returned', 'scope threw'],
  ...['I1', 'I2', 'I4', 'I5', 'I6', 'I7', 'I8', 'I9', 'I11', 'I12 scope', 'I14', 'I14 promise', 'P1'].map(
    (name) => `reached ${name}`,
  ),
];

const ofTheQueue: readonly string[] = [
  ...clientFaultKinds.map((kind) => `fault ${kind}`),
  ...leavings.map((probe) => `reached probe ${probe}`),
  ...['lostRequest', 'lostAnswer', 'lateAnswer', 'duplicate', 'busy', 'error'].map(
    (fault) => `provider ${fault}`,
  ),
  ...['client closed', 'lease forgotten'],
  ...['I12', 'Q1', 'Q3', 'Q6', 'P1 unknown', 'A1', 'A1 escrow', 'A1 stored'].map((name) => `reached ${name}`),
];

/**
 * What a large batch of each world must have met; a fault that was never drawn and a check that could not fail have shown nothing.
 */
export const requiredCoverage: Readonly<Record<WorldName, readonly string[]>> = {
  elections: [...ofOneCluster, 'reached I8 answer'],
  tokens: [...ofOneCluster, ...ofTheQueue],
  shards: shardCoverage,
};

/** Below so many seeds of a world nobody expects every fault to have been drawn. */
const seedsMin: Readonly<Record<WorldName, number>> = { elections: 100, tokens: 100, shards: 400 };

/**
 * What a batch of so many seeds of each world must have met. Elections and tokens draw the same faults of machines and wires: they
 * count together.
 */
export function coverageFor(seeds: ReadonlyMap<WorldName, number>): readonly string[] {
  const of = (world: WorldName): number => seeds.get(world) ?? 0;
  const ofCluster = of('elections') + of('tokens');
  const required = new Set<string>();
  for (const world of ['elections', 'tokens'] as const) {
    if (of(world) === 0 || ofCluster < seedsMin[world]) continue;
    for (const name of requiredCoverage[world]) required.add(name);
  }
  if (of('shards') >= seedsMin.shards) for (const name of requiredCoverage.shards) required.add(name);
  return [...required];
}
