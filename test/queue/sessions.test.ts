import { describe, expect, it } from 'vitest';
import { nodeId, sessionId } from '../../src/base/ids.ts';
import { Bench, minute, putOf, queue, takeOf } from './bench.ts';

describe('a session', () => {
  it('on detach all its leases end in one commit and are ready for others (I17)', () => {
    const bench = new Bench();
    bench.setProvider('acme', { kind: 'static' });
    for (let at = 0; at < 100; at += 1) bench.put(`t${at}`);
    bench.take(100);
    bench.state.takeEvents();
    expect(bench.detach()).toEqual({ type: 'done' });
    expect(bench.state.stats(queue).states).toMatchObject({ ready: 100, taken: 0 });
    const events = bench.state.takeEvents();
    expect(events.leasesLost).toHaveLength(100);
    expect(events.sessionsEnded).toEqual(['s1']);
    expect(events.ready).toEqual(new Set([queue]));
  });

  it('a detach with an old attachment number changes nothing', () => {
    const bench = new Bench();
    const old = bench.attachment;
    bench.put('a');
    bench.takeOne();
    bench.attachment = bench.attach().attachment;
    expect(bench.attachment).toBeGreaterThan(old);
    expect(bench.detach('s1', old)).toMatchObject({ code: 'CONDITION_FAILED' });
    expect(bench.stateOf('a')).toBe('taken');
  });

  it('an attachment number never comes back, so a late detach cannot end a successor', () => {
    const bench = new Bench();
    const old = bench.attachment;
    bench.detach();
    bench.attachment = bench.attach().attachment;
    expect(bench.detach('s1', old)).toMatchObject({ code: 'CONDITION_FAILED' });
  });

  it('resumes by its id within the timeout and keeps its leases (pitfall 96)', () => {
    const bench = new Bench();
    bench.put('a');
    const task = bench.takeOne();
    bench.pass(2_999);
    bench.attachment = bench.attach().attachment;
    bench.pass(2_999);
    expect(bench.stateOf('a')).toBe('taken');
    expect(bench.ack(task)).toEqual({ type: 'done' });
  });

  it('ends by silence when nothing was heard for sessionTimeoutMs, not before (pitfall 97)', () => {
    const bench = new Bench();
    bench.put('a');
    bench.takeOne();
    bench.pass(2_000);
    bench.renew();
    bench.pass(2_999);
    expect(bench.stateOf('a')).toBe('taken');
    expect(bench.state.nextDueMs()).toBe(bench.nowMs + 1);
    bench.pass(1);
    expect(bench.stateOf('a')).toBe('suspect');
    expect(bench.state.takeEvents().leasesLost).toMatchObject([{ id: 'a', why: 'session' }]);
    expect(bench.state.stats(queue).sessions).toBe(0);
  });

  it('a renewal under an old attachment or by another gateway renews nothing', () => {
    const bench = new Bench();
    const old = bench.attachment;
    bench.attachment = bench.attach().attachment;
    bench.nowMs += 2_000;
    bench.renew('s1', old);
    const sessions = [{ session: sessionId('s1'), attachment: bench.attachment }];
    bench.command({ type: 'renew', gateway: nodeId('b'), sessions });
    bench.pass(1_000);
    expect(bench.state.stats(queue).sessions).toBe(0);
  });

  it('another client cannot attach to it', () => {
    const bench = new Bench();
    expect(() => bench.attach('s1', 'c2')).toThrow('another client');
  });

  it('a lease does not depend on a timer of its worker: a session renewed by its gateway keeps it (pitfall 94)', () => {
    const bench = new Bench();
    bench.put('a');
    const task = bench.takeOne({ ttrMs: 10 * minute, callMs: 5_000 });
    bench.passAlive(9 * minute);
    expect(bench.ack(task)).toEqual({ type: 'done' });
  });
});

describe('a new leader', () => {
  it('ends nothing by time before its first entry + sessionTimeoutMs', () => {
    const bench = new Bench();
    bench.put('a');
    bench.takeOne({ ttrMs: 1_000 });
    bench.nowMs += 10_000;
    bench.opened();
    expect(bench.state.nextDueMs()).toBe(bench.nowMs + 3_000);
    bench.pass(2_999);
    expect(bench.stateOf('a')).toBe('taken');
    expect(bench.state.stats(queue)).toMatchObject({ sessions: 1, clients: 1 });
    bench.pass(1);
    expect(bench.stateOf('a')).toBe('suspect');
    expect(bench.state.stats(queue).sessions).toBe(0);
  });

  it('holds suspicions and clients to the floor, too', () => {
    const bench = new Bench();
    bench.setPolicy({ clientTimeoutMs: 3_000 });
    bench.put('a');
    bench.takeOne();
    bench.detach();
    bench.nowMs += 2 * minute;
    bench.opened();
    bench.pass(2_999);
    expect(bench.stateOf('a')).toBe('suspect');
    expect(bench.state.stats(queue).clients).toBe(1);
    bench.pass(1);
    expect(bench.stateOf('a')).toBe('ready');
    expect(bench.state.stats(queue).clients).toBe(0);
  });

  it('keeps taken tasks with their holders (pitfall 98)', () => {
    const bench = new Bench();
    bench.put('a');
    const task = bench.takeOne();
    bench.opened();
    bench.attachment = bench.attach().attachment;
    expect(bench.take(1)).toEqual([]);
    expect(bench.ack(task)).toEqual({ type: 'done' });
  });

  it('does not hold back bands and delays', () => {
    const bench = new Bench();
    bench.put('a', { expiresAtMs: bench.nowMs + 60 * minute, refreshAtMs: bench.nowMs + 1_000 });
    bench.nowMs += 1_000;
    bench.opened();
    bench.tick();
    expect(bench.stateOf('a')).toBe('ready');
  });
});

describe('a mass release', () => {
  it('costs the tasks of the session, and time passes in bounded slices (pitfall 100)', () => {
    const bench = new Bench();
    bench.setProvider('acme', { kind: 'static' });
    bench.setPolicy({ sessionTimeoutMs: minute, clientTimeoutMs: minute });
    for (let at = 0; at < 10_000; at += 1) {
      bench.put(`t${at}`, { expiresAtMs: bench.nowMs + 60 * minute, refreshAtMs: bench.nowMs + 1_000 });
    }
    bench.nowMs += 1_000;
    expect(bench.tick()).toBe(true);
    expect(bench.state.stats(queue).states.ready).toBe(4_096);
    bench.renew();
    expect(bench.state.stats(queue).states.ready).toBe(4_096 + 256);
    expect(bench.tick()).toBe(true);
    expect(bench.tick()).toBe(false);
    expect(bench.state.stats(queue).states).toMatchObject({ ready: 10_000, delayed: 0 });
  });

  it('the commands of one entry share one slice', () => {
    const bench = new Bench();
    bench.setPolicy({ sessionTimeoutMs: minute, clientTimeoutMs: minute });
    for (let at = 0; at < 1_000; at += 1) {
      bench.put(`t${at}`, { expiresAtMs: bench.nowMs + 60 * minute, refreshAtMs: bench.nowMs + 1_000 });
    }
    bench.nowMs += 1_000;
    const wants = [1, 2, 3].map((at) => ({ type: 'want', queue, id: `t${at}` }) as const);
    bench.entry(wants);
    expect(bench.state.stats(queue).states.ready).toBe(256);
  });

  it('bands advance in slices, and a take between two slices goes by the bands as they are', () => {
    const bench = new Bench();
    bench.setPolicy({ sessionTimeoutMs: minute, clientTimeoutMs: minute });
    for (let at = 0; at < 5_000; at += 1) bench.put(`t${at}`, { expiresAtMs: bench.nowMs + 1_000 });
    bench.nowMs += 1_000;
    expect(bench.tick()).toBe(true);
    expect(bench.state.stats(queue).bands).toEqual({ urgent: 904, expired: 4_096, ahead: 0 });
    const request = {
      client: bench.client,
      stream: 9,
      seq: 1,
      settledUpTo: 0,
      mayWait: false,
      inOrder: true,
      mapVersion: 0,
    };
    const take = { type: 'request', request, operation: takeOf(bench.session, 1) } as const;
    expect(bench.command(take)).toMatchObject({ tasks: [{ id: `t${4_096 + 256}` }] });
  });
});

describe('events', () => {
  it('are taken once', () => {
    const bench = new Bench();
    bench.put('a');
    expect(bench.state.takeEvents().ready.size).toBe(1);
    expect(bench.state.takeEvents()).toEqual({
      ready: new Set(),
      leasesLost: [],
      sessionsEnded: [],
      holders: new Map(),
    });
    bench.request({ ...putOf('b', bench.nowMs), expiresAtMs: bench.nowMs + 60 * minute });
    expect(bench.state.takeEvents().ready.size).toBe(0);
  });
});
