import { clientFaultKinds } from './client-nemesis.ts';
import { ConsensusWorld } from './consensus-world.ts';
import { faultKinds } from './nemesis.ts';
import { partitionShapes } from './partition-shapes.ts';
import { Prng } from './prng.ts';
import { leavings } from './release-probe.ts';
import type { SeedOptions, SeedReport } from './seed-report.ts';
import { disturbances } from './stability-probe.ts';
import { TokenWorld } from './token-world.ts';

/** `elections`: nodes over a machine that only hashes. `tokens`: the queue, its clients and a provider too. */
export type WorldName = 'elections' | 'tokens';

/** Which world a seed is about. */
export function worldOf(seed: number): WorldName {
  return new Prng(`kind:${seed}`).chance(0.4) ? 'elections' : 'tokens';
}

/** Runs one seed to its end. The same seed gives the same report. */
export function runSeed(seed: number, options: SeedOptions = {}): Promise<SeedReport> {
  const world =
    worldOf(seed) === 'elections' ? new ConsensusWorld(seed, options) : new TokenWorld(seed, options);
  return world.run();
}

/** What a large batch must have met; a fault that was never drawn and a check that could not fail have shown nothing. */
export const requiredCoverage: readonly string[] = [
  ...[...faultKinds, ...clientFaultKinds].map((kind) => `fault ${kind}`),
  ...partitionShapes.map((shape) => `shape ${shape}`),
  ...[...leavings, ...disturbances].map((probe) => `reached probe ${probe}`),
  ...['lostRequest', 'lostAnswer', 'lateAnswer', 'duplicate', 'busy', 'error'].map(
    (fault) => `provider ${fault}`,
  ),
  ...['frame dropped', 'frame duplicated', 'frame reordered', 'torn write', 'dial refused'],
  ...['size 1', 'size 3', 'size 5', 'scope returned', 'scope threw', 'client closed', 'lease forgotten'],
  ...[
    'I1',
    'I2',
    'I4',
    'I5',
    'I6',
    'I7',
    'I8',
    'I8 answer',
    'I9',
    'I11',
    'I12',
    'I12 scope',
    'I14',
    'I14 promise',
  ].map((name) => `reached ${name}`),
  ...['Q1', 'Q3', 'Q6', 'P1', 'P1 unknown', 'A1', 'A1 escrow', 'A1 stored'].map((name) => `reached ${name}`),
];
