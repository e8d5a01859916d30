import { describe, expect, it } from 'vitest';
import { requiredCoverage, runSeed, type SeedReport, worldOf } from '../../src/simulation/index.ts';

const seeds = Array.from({ length: 10 }, (_, place) => 7_001 + place);
const reports: SeedReport[] = [];

describe('the worlds', () => {
  it('hold every invariant and converge, for seeds of every kind', async () => {
    for (const seed of seeds) reports.push(await runSeed(seed));
    expect(reports.flatMap(({ seed, violations }) => violations.map((one) => ({ seed, ...one })))).toEqual(
      [],
    );
    expect(reports.flatMap(({ seed, unconverged }) => unconverged.map((why) => ({ seed, why })))).toEqual([]);
    expect(new Set(seeds.map(worldOf)).size).toBe(3);
  }, 60_000);

  it('are the same for the same seed, to the last event (D1)', async () => {
    for (const { seed, traceHash, steps } of reports.slice(0, 3)) {
      const lines: string[] = [];
      const again = await runSeed(seed, { onLine: (line) => lines.push(line) });
      expect([seed, again.traceHash, again.steps]).toEqual([seed, traceHash, steps]);
      expect(lines.length).toBeGreaterThan(5);
    }
  }, 60_000);

  it('draw faults and meet the situations in which an invariant could break (D2)', () => {
    const met = new Set(
      reports.flatMap(({ coverage }) => Object.keys(coverage).filter((name) => coverage[name]! > 0)),
    );
    for (const required of Object.values(requiredCoverage)) {
      const missing = required.filter((name) => !met.has(name));
      expect(missing.length).toBeLessThanOrEqual(required.length / 3);
    }
  });
});
