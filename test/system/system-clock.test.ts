import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { bootSampleMs, type ClockSources, SystemClock, timeoutMaxMs } from '../../src/system/system-clock.ts';

class Sources implements ClockSources {
  nowMs = 5_000;
  bootedMs = 900_000;
  samples = 0;
  readonly toleranceMs = 20;

  monotonicMs(): number {
    return this.nowMs;
  }

  uptimeMs(): number {
    this.samples++;
    // A kernel counts in steps of 10 ms.
    return Math.floor(this.bootedMs / 10) * 10;
  }

  wallMs(): number {
    return 1_800_000_000_000;
  }

  pass(ms: number): void {
    this.nowMs += ms;
    this.bootedMs += ms;
  }
}

describe('the boot clock', () => {
  it('runs with the monotonic one, without the steps of the uptime', () => {
    const sources = new Sources();
    const clock = new SystemClock(sources);
    const ahead = clock.bootMs() - clock.monotonicMs();
    for (let n = 0; n < 1_000; n++) {
      sources.pass(7.3);
      expect(clock.bootMs() - clock.monotonicMs()).toBeCloseTo(ahead, 6);
    }
  });

  it('is ahead by the sleep of the machine, which the monotonic one does not see (pitfall 83)', () => {
    const sources = new Sources();
    const clock = new SystemClock(sources);
    const before = clock.bootMs();
    sources.bootedMs += 60_000;
    sources.pass(bootSampleMs);
    const passed = clock.bootMs() - before;
    expect(Math.abs(passed - 60_000 - bootSampleMs)).toBeLessThanOrEqual(10);
    sources.bootedMs += 30;
    sources.pass(bootSampleMs);
    expect(clock.bootMs() - before).toBeGreaterThan(passed + bootSampleMs);
  });

  it('is read from the system at most every 50 ms', () => {
    const sources = new Sources();
    const clock = new SystemClock(sources);
    for (let n = 0; n < 1_000; n++) {
      sources.pass(1);
      clock.bootMs();
    }
    expect(sources.samples).toBe(1 + 1_000 / bootSampleMs);
  });

  it('never goes back, even if the uptime does', () => {
    const sources = new Sources();
    const clock = new SystemClock(sources);
    let last = clock.bootMs();
    for (const step of [-1_000, 0, 500, -40, 3_000, -2_000]) {
      sources.bootedMs += step;
      sources.pass(bootSampleMs);
      expect(clock.bootMs()).toBeGreaterThan(last);
      last = clock.bootMs();
    }
  });
});

describe('timers', () => {
  beforeEach(() => {
    vi.useFakeTimers();
  });
  afterEach(() => {
    vi.useRealTimers();
  });

  it('wait 30 days without firing in between (pitfall 84)', () => {
    const clock = new SystemClock();
    const dayMs = 86_400_000;
    let fired = 0;
    clock.after(30 * dayMs, () => fired++);
    vi.advanceTimersByTime(timeoutMaxMs + 1_000);
    expect(fired).toBe(0);
    vi.advanceTimersByTime(30 * dayMs - timeoutMaxMs - 1_001);
    expect(fired).toBe(0);
    vi.advanceTimersByTime(2);
    expect(fired).toBe(1);
    expect(vi.getTimerCount()).toBe(0);
  });

  it('can be cancelled after they were armed again, and wait for ever for Infinity', () => {
    const clock = new SystemClock();
    let fired = 0;
    const scheduled = clock.after(Number.POSITIVE_INFINITY, () => fired++);
    vi.advanceTimersByTime(timeoutMaxMs * 3);
    expect([fired, vi.getTimerCount()]).toEqual([0, 1]);
    scheduled.cancel();
    expect(vi.getTimerCount()).toBe(0);
  });

  it('with a delay of 0 or less come after the current turn', () => {
    const clock = new SystemClock();
    const order: string[] = [];
    clock.after(-5, () => order.push('after'));
    order.push('turn');
    vi.advanceTimersByTime(2);
    expect(order).toEqual(['turn', 'after']);
  });
});

describe('the real clock', () => {
  it('calls back at the time asked for or later, once', async () => {
    const clock = new SystemClock();
    const calls: number[] = [];
    const start = clock.monotonicMs();
    for (const delay of [0, 1, 1.5, 5, 12.3])
      clock.after(delay, () => calls.push(clock.monotonicMs() - start - delay));
    clock.after(3, () => calls.push(-1_000)).cancel();
    await sleep(60);
    expect(calls).toHaveLength(5);
    for (const late of calls) expect(late).toBeGreaterThanOrEqual(0);
  });

  it('calls back soon after the input that is ready, not in the current turn', async () => {
    const clock = new SystemClock();
    const order: string[] = [];
    clock.soon(() => order.push('cancelled')).cancel();
    await new Promise<void>((resolve) => {
      clock.soon(() => {
        order.push('soon');
        resolve();
      });
      queueMicrotask(() => order.push('microtask'));
      order.push('turn');
    });
    expect(order).toEqual(['turn', 'microtask', 'soon']);
  });

  it('agrees with the platform', () => {
    const clock = new SystemClock();
    expect(Math.abs(clock.wallMs() - Date.now())).toBeLessThan(1_000);
    expect(Number.isSafeInteger(clock.wallMs())).toBe(true);
    expect(clock.bootMs()).toBeGreaterThanOrEqual(clock.monotonicMs());
  });
});
