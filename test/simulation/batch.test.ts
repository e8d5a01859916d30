import { describe, expect, it } from 'vitest';
import { parseArguments } from '../../src/simulation/arguments.ts';
import { Batch, isClean } from '../../src/simulation/batch.ts';
import { requiredCoverage } from '../../src/simulation/required-coverage.ts';
import type { SeedReport } from '../../src/simulation/seed-report.ts';

const everything = Object.fromEntries(
  Object.values(requiredCoverage)
    .flat()
    .map((name) => [name, 1]),
);

const report = (seed: number, parts: Partial<SeedReport> = {}): SeedReport => ({
  seed,
  world: 'tokens',
  steps: 10,
  violations: [],
  unconverged: [],
  coverage: everything,
  traceHash: '',
  lines: [],
  ...parts,
});

describe('a batch of seeds', () => {
  it('is clean when nothing broke, all converged and everything was met', () => {
    const batch = new Batch();
    for (let seed = 1; seed <= 100; seed += 1) expect(batch.add(report(seed))).toBeUndefined();
    const summary = batch.summary(500);
    expect(summary).toMatchObject({
      seeds: 100,
      steps: 1_000,
      stepsPerSecond: 2_000,
      violations: 0,
      unconverged: 0,
    });
    expect(Object.keys(summary)).toEqual([
      'seeds',
      'steps',
      'stepsPerSecond',
      'violations',
      'unconverged',
      'coverage',
      'failures',
    ]);
    expect(isClean(summary)).toBe(true);
  });

  it('fails for one violation or one world that did not converge, and says how to see it again', () => {
    const broken = new Batch();
    const failure = broken.add(
      report(7, { world: 'shards', violations: [{ invariant: 'I1', atMs: 5, message: 'two leaders' }] }),
    );
    expect(failure).toEqual({
      seed: 7,
      replay: 'npm run sim -- --world shards --replay 7',
      messages: ['I1 at 5.000 ms: two leaders'],
    });
    expect(isClean(broken.summary(1))).toBe(false);
    const stuck = new Batch();
    stuck.add(report(8, { unconverged: ['no leader'] }));
    expect(isClean(stuck.summary(1))).toBe(false);
  });

  it('fails when a fault was never drawn, from a hundred seeds on (D2)', () => {
    const batch = new Batch();
    const { 'shape bridge': _, ...rest } = everything;
    for (let seed = 1; seed < 100; seed += 1) batch.add(report(seed, { coverage: rest }));
    expect(isClean(batch.summary(1))).toBe(true);
    batch.add(report(100, { coverage: rest }));
    expect(batch.summary(1).coverage.missing).toEqual(['shape bridge']);
    expect(isClean(batch.summary(1))).toBe(false);
  });

  it('asks each world for what belongs to it, where the batch holds enough of it', () => {
    const missingOf = (seeds: number, world: SeedReport['world']): readonly string[] => {
      const batch = new Batch();
      for (let seed = 1; seed <= seeds; seed += 1) batch.add(report(seed, { world, coverage: {} }));
      return batch.summary(1).coverage.missing;
    };
    expect(missingOf(100, 'elections')).toEqual(requiredCoverage.elections);
    expect(missingOf(100, 'tokens')).toEqual(requiredCoverage.tokens);
    expect(missingOf(399, 'shards')).toEqual([]);
    expect(missingOf(400, 'shards')).toEqual(requiredCoverage.shards);
  });
});

describe('the arguments', () => {
  it('have defaults and are checked', () => {
    expect(parseArguments([])).toEqual({
      type: 'batch',
      from: 1,
      seeds: 100,
      json: false,
      world: undefined,
    });
    expect(parseArguments(['--seeds', '5', '--from', '9', '--json'])).toEqual({
      type: 'batch',
      from: 9,
      seeds: 5,
      json: true,
      world: undefined,
    });
    expect(parseArguments(['--world', 'shards'])).toMatchObject({ type: 'batch', world: 'shards' });
    expect(parseArguments(['--replay', '12'])).toEqual({ type: 'replay', seed: 12, world: undefined });
    expect(parseArguments(['--help'])).toEqual({ type: 'help' });
    for (const wrong of [
      ['--seeds'],
      ['--seeds', '-1'],
      ['--seeds', '0'],
      ['--seed', '1'],
      ['--replay', 'x'],
      ['--world'],
      ['--world', 'tables'],
    ]) {
      expect(() => parseArguments(wrong), wrong.join(' ')).toThrow();
    }
  });
});
