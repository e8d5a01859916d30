import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import type { JournalEvent } from '../../examples/demo/journal.ts';
import { LapseWatch } from '../../examples/demo/lapse-watch.ts';

beforeEach(() => void vi.useFakeTimers({ now: 0 }));
afterEach(() => void vi.useRealTimers());

const grant: JournalEvent = {
  type: 'granted',
  at: 0,
  family: 'one',
  client: 'steady',
  refresh: 'r',
  access: 'a0',
  expiresAt: 10_000,
};

function issue(access: string, at: number): JournalEvent {
  const about = { call: 1, worker: 'u:1', family: 'one', client: 'steady', refresh: 'r', rotated: false };
  return { type: 'issued', at, ...about, access, expiresAt: at + 10_000 };
}

/** A cluster that stores one access token after the other. */
function watching(storedAt: (now: number) => string | undefined): LapseWatch {
  const watch = new LapseWatch(async () => storedAt(Date.now()));
  watch.note(grant);
  return watch;
}

describe('the watch for lapses', () => {
  it('is content when each token is replaced before it expires', async () => {
    const watch = watching((now) => (now < 8_000 ? 'a0' : now < 16_000 ? 'a1' : 'a2'));
    watch.note(issue('a1', 8_000));
    watch.note(issue('a2', 16_000));
    await vi.advanceTimersByTimeAsync(20_000);
    expect(watch.lapses).toEqual([]);
  });

  it('counts a token that is still the stored one when it expires, once', async () => {
    const watch = watching((now) => (now < 12_000 ? 'a0' : 'a1'));
    watch.note(issue('a1', 11_900));
    await vi.advanceTimersByTimeAsync(15_000);
    expect(watch.lapses).toEqual([{ family: 'one', at: 10_000 }]);
  });

  it('counts it also when the cluster could not be read meanwhile and the new token is younger than the expiry', async () => {
    const watch = watching((now) => (now < 9_000 ? 'a0' : now < 12_000 ? undefined : 'a1'));
    watch.note(issue('a1', 11_900));
    await vi.advanceTimersByTimeAsync(15_000);
    expect(watch.lapses).toHaveLength(1);
  });

  it('goes on with the token that replaced the lapsed one', async () => {
    const watch = watching((now) => (now < 12_000 ? 'a0' : 'a1'));
    watch.note(issue('a1', 11_900));
    await vi.advanceTimersByTimeAsync(30_000);
    expect(watch.lapses.map((lapse) => lapse.at)).toEqual([10_000, 21_900]);
  });

  it('waits for the journal to name a token that it finds stored', async () => {
    const watch = watching((now) => (now < 8_000 ? 'a0' : 'a1'));
    await vi.advanceTimersByTimeAsync(12_000);
    watch.note(issue('a1', 8_000));
    await vi.advanceTimersByTimeAsync(5_000);
    expect(watch.lapses).toEqual([]);
    await vi.advanceTimersByTimeAsync(2_000);
    expect(watch.lapses).toEqual([{ family: 'one', at: 18_000 }]);
  });

  it('judges nothing after it was stopped', async () => {
    const watch = watching(() => 'a0');
    watch.stop();
    await vi.advanceTimersByTimeAsync(15_000);
    expect(watch.lapses).toEqual([]);
  });
});
