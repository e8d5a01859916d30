import { describe, expect, it } from 'vitest';
import { measureRate, quantiles } from '../../bench/measure.ts';
import { parseBenchOptions } from '../../bench/options.ts';

describe('the figures of the benches', () => {
  it('are taken from the sorted samples', () => {
    const samples = Array.from({ length: 100 }, (_, index) => 100 - index);
    expect(quantiles(samples)).toEqual({ n: 100, p50: 51, p90: 91, p99: 100, max: 100 });
    expect(quantiles([])).toEqual({ n: 0, p50: 0, p90: 0, p99: 0, max: 0 });
  });

  it('count what ended inside the measured time, with so many calls open', async () => {
    let open = 0;
    let most = 0;
    const rate = await measureRate(0.1, 4, async () => {
      most = Math.max(most, ++open);
      await new Promise((resolve) => setImmediate(resolve));
      open--;
    });
    expect(most).toBe(4);
    expect(rate.perSecond).toBeGreaterThan(0);
    expect(rate.p50).toBeLessThanOrEqual(rate.p99);
  });
});

describe('the options of the benches', () => {
  it('have defaults, and refuse what they do not know in one sentence', () => {
    expect(parseBenchOptions(['write'])).toEqual({ bench: 'write', json: false, rounds: 15, seconds: 5 });
    expect(() => parseBenchOptions([])).toThrow('which bench?');
    expect(() => parseBenchOptions(['queue', '--round', '1'])).toThrow('unknown argument --round');
    expect(() => parseBenchOptions(['queue', '--rounds', '0'])).toThrow('--rounds must be a whole number');
  });
});
