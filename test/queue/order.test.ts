import { describe, expect, it } from 'vitest';
import { Bench, minute, queue } from './bench.ts';

describe('the order of takes', () => {
  it('urgent tasks come by expiry', () => {
    const bench = new Bench();
    for (const [id, inMs] of [
      ['c', 30_000],
      ['a', 10_000],
      ['b', 20_000],
    ] as const) {
      bench.put(id, { expiresAtMs: bench.nowMs + inMs });
    }
    expect(bench.ids(bench.take(3))).toEqual(['a', 'b', 'c']);
  });

  it("expired tasks come by a reader's wish, then weight, then age", () => {
    const bench = new Bench();
    bench.put('young', { expiresAtMs: bench.nowMs - 10 });
    bench.put('old', { expiresAtMs: bench.nowMs - 1_000 });
    bench.put('heavy', { expiresAtMs: bench.nowMs - 1, weight: 5 });
    bench.put('wanted', { expiresAtMs: bench.nowMs - 1 });
    expect(bench.command({ type: 'want', queue, id: 'wanted' })).toEqual({ type: 'done' });
    expect(bench.ids(bench.take(4))).toEqual(['wanted', 'heavy', 'old', 'young']);
  });

  it('tasks ahead of their time come last, by expiry', () => {
    const bench = new Bench();
    bench.put('later', { expiresAtMs: bench.nowMs + 4 * minute });
    bench.put('sooner', { expiresAtMs: bench.nowMs + 2 * minute });
    bench.put('expired', { expiresAtMs: bench.nowMs - 1 });
    bench.put('urgent');
    expect(bench.ids(bench.take(4))).toEqual(['urgent', 'expired', 'sooner', 'later']);
  });

  it('after nine urgent tasks given while an expired one waits, one expired is given', () => {
    const bench = new Bench();
    for (let at = 0; at < 30; at += 1) bench.put(`u${at}`, { expiresAtMs: bench.nowMs + 1_000 + at });
    for (let at = 0; at < 3; at += 1) bench.put(`e${at}`, { expiresAtMs: bench.nowMs - 1_000 + at });
    const order = bench.ids(bench.take(33)).map((id) => id[0]);
    expect(order.join('')).toBe(`${'u'.repeat(9)}e`.repeat(3) + 'u'.repeat(3));
  });

  it('urgent tasks given while nothing expired is eligible do not count for the share', () => {
    const bench = new Bench();
    for (let at = 0; at < 20; at += 1) bench.put(`u${at}`, { expiresAtMs: bench.nowMs + 1_000 + at });
    bench.take(5);
    bench.put('e', { expiresAtMs: bench.nowMs - 1, provider: 'limited' });
    bench.put('e2', { expiresAtMs: bench.nowMs - 1, provider: 'acme' });
    expect(bench.ids(bench.take(10))[9]).toBe('e');
  });

  it('the share is replicated state: it counts on from take to take', () => {
    const bench = new Bench();
    bench.setPolicy({ urgentShare: 2 });
    for (let at = 0; at < 6; at += 1) bench.put(`u${at}`, { expiresAtMs: bench.nowMs + 1_000 + at });
    bench.put('e', { expiresAtMs: bench.nowMs - 1 });
    const order = [1, 2, 3, 4].map(() => bench.takeOne().id);
    expect(order).toEqual(['u0', 'u1', 'e', 'u2']);
  });

  it('equal expiries come in the order of their puts, and an upsert goes to the end', () => {
    const bench = new Bench();
    for (const id of ['b', 'a', 'c']) bench.put(id);
    bench.put('b');
    expect(bench.ids(bench.take(3))).toEqual(['a', 'c', 'b']);
  });

  it('a released task keeps its place (pitfall 99)', () => {
    const bench = new Bench();
    for (const id of ['a', 'b', 'c']) bench.put(id);
    const first = bench.takeOne();
    expect(first.id).toBe('a');
    bench.release(first);
    expect(bench.ids(bench.take(3))).toEqual(['a', 'b', 'c']);
  });

  it('a task whose session ended keeps its place (pitfall 99)', () => {
    const bench = new Bench();
    bench.setProvider('acme', { kind: 'static' });
    for (const id of ['a', 'b', 'c']) bench.put(id);
    bench.takeOne();
    bench.detach();
    bench.attachment = bench.attach().attachment;
    expect(bench.ids(bench.take(3))).toEqual(['a', 'b', 'c']);
  });

  it('the band is state: a task that expired is still urgent until an entry advanced it', () => {
    const bench = new Bench();
    bench.put('a', { expiresAtMs: bench.nowMs + 1_000 });
    bench.nowMs += 1_000;
    expect(bench.state.stats(queue).bands).toEqual({ urgent: 1, expired: 0, ahead: 0 });
    bench.renew();
    expect(bench.state.stats(queue).bands).toEqual({ urgent: 0, expired: 1, ahead: 0 });
  });

  it('a task becomes ready a lead before it expires, urgent later, expired in the end', () => {
    const bench = new Bench();
    bench.put('a', { expiresAtMs: bench.nowMs + 60 * minute });
    expect(bench.stateOf('a')).toBe('delayed');
    bench.pass(55 * minute - 1);
    expect(bench.stateOf('a')).toBe('delayed');
    bench.pass(1);
    expect(bench.state.stats(queue).bands.ahead).toBe(1);
    bench.pass(4 * minute);
    expect(bench.state.stats(queue).bands.urgent).toBe(1);
    bench.pass(minute + 7);
    expect(bench.state.stats(queue).bands.expired).toBe(1);
    expect(bench.state.stats(queue).oldestExpiredMs).toBe(7);
  });

  it('refreshAt decides instead of the lead', () => {
    const bench = new Bench();
    bench.put('a', { expiresAtMs: bench.nowMs + 60 * minute, refreshAtMs: bench.nowMs + minute });
    expect(bench.state.nextDueMs()).toBeLessThanOrEqual(bench.nowMs + minute);
    bench.pass(minute);
    expect(bench.stateOf('a')).toBe('ready');
  });

  it('a policy counts for the bands at once and raises its version', () => {
    const bench = new Bench();
    bench.put('a', { expiresAtMs: bench.nowMs + 2 * minute });
    bench.setPolicy({ urgentMs: 3 * minute });
    bench.tick();
    expect(bench.state.stats(queue).bands).toEqual({ urgent: 1, expired: 0, ahead: 0 });
  });
});

describe('the back-off of a provider', () => {
  it('holds for the whole cluster and blocks no other provider', () => {
    const bench = new Bench();
    bench.put('limited-1', { provider: 'limited', expiresAtMs: bench.nowMs + 1_000 });
    bench.put('limited-2', { provider: 'limited', expiresAtMs: bench.nowMs + 1_001 });
    bench.put('free', { provider: 'free' });
    const [task] = bench.take(1);
    bench.release(task!, { scope: 'provider', delayMs: 5_000 });
    expect(bench.ids(bench.take(10))).toEqual(['free']);
    bench.passAlive(4_999);
    expect(bench.take(10)).toEqual([]);
    bench.state.takeEvents();
    bench.passAlive(1);
    expect(bench.state.takeEvents().ready).toEqual(new Set([queue]));
    expect(bench.ids(bench.take(10))).toEqual(['limited-1', 'limited-2']);
  });

  it('is lengthened, never shortened', () => {
    const bench = new Bench();
    for (const id of ['a', 'b', 'c']) bench.put(id);
    const [first, second] = bench.take(2);
    bench.release(first!, { scope: 'provider', delayMs: 5_000 });
    bench.release(second!, { scope: 'provider', delayMs: 1_000 });
    bench.passAlive(1_000);
    expect(bench.take(10)).toEqual([]);
    bench.passAlive(4_000);
    expect(bench.take(10)).toHaveLength(3);
  });
});
