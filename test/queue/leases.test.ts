import { describe, expect, it } from 'vitest';
import { sessionId } from '../../src/base/ids.ts';
import { queueLimits } from '../../src/queue/limits.ts';
import { Bench, bytes, minute, queue } from './bench.ts';

const stale = { type: 'refused', code: 'STALE_LEASE' };

describe('put', () => {
  it('creates, then replaces, and counts versions', () => {
    const bench = new Bench();
    expect(bench.put('a')).toEqual({ type: 'put', version: 1, created: true });
    expect(bench.put('a', { payload: bytes('two') })).toEqual({ type: 'put', version: 2, created: false });
    expect(bench.state.get(queue, 'a')?.payload).toEqual(bytes('two'));
  });

  it('ifAbsent and ifVersion refuse and change nothing', () => {
    const bench = new Bench();
    expect(bench.put('a', { ifVersion: 1 })).toMatchObject({ code: 'CONDITION_FAILED' });
    expect(bench.put('a', { ifVersion: 0 })).toMatchObject({ created: true });
    const digest = bench.state.get(queue, 'a');
    expect(bench.put('a', { ifAbsent: true })).toMatchObject({ code: 'CONDITION_FAILED' });
    expect(bench.put('a', { ifVersion: 2 })).toMatchObject({ code: 'CONDITION_FAILED' });
    expect(bench.state.get(queue, 'a')).toEqual(digest);
    expect(bench.put('a', { ifVersion: 1 })).toEqual({ type: 'put', version: 2, created: false });
  });

  it('on a taken task stores the payload, raises the generation and ends the lease', () => {
    const bench = new Bench();
    bench.put('a');
    const old = bench.takeOne();
    bench.state.takeEvents();
    bench.put('a', { payload: bytes('newer') });
    expect(bench.state.takeEvents().leasesLost).toEqual([
      { session: 's1', queue, id: 'a', fence: old.fence, why: 'put' },
    ]);
    expect(bench.ack(old)).toMatchObject(stale);
    const again = bench.takeOne();
    expect(again.payload).toEqual(bytes('newer'));
    expect(again.generation).toBeGreaterThan(old.generation);
    expect(again.attempt).toBe(1);
  });

  it('revives a buried and a suspect task', () => {
    const bench = new Bench();
    for (const id of ['a', 'b']) bench.put(id);
    const [first, second] = bench.take(2);
    bench.bury(first!);
    bench.release(second!, { callMade: true });
    expect([bench.stateOf('a'), bench.stateOf('b')]).toEqual(['buried', 'suspect']);
    for (const id of ['a', 'b']) bench.put(id);
    expect([bench.stateOf('a'), bench.stateOf('b')]).toEqual(['ready', 'ready']);
    expect(bench.ack(second!)).toMatchObject(stale);
  });
});

describe('a lease', () => {
  it('an ack stores and schedules the next refresh in one entry', () => {
    const bench = new Bench();
    bench.put('a');
    const task = bench.takeOne();
    expect(bench.ack(task, bench.nowMs + 60 * minute)).toEqual({ type: 'done' });
    expect(bench.state.get(queue, 'a')).toMatchObject({
      state: 'delayed',
      version: 2,
      payload: bytes('fresh'),
    });
    bench.pass(55 * minute);
    expect(bench.stateOf('a')).toBe('ready');
  });

  it('is answered once: a second ack under the same fence is stale (Q3)', () => {
    const bench = new Bench();
    bench.put('a');
    const task = bench.takeOne();
    bench.ack(task);
    expect(bench.ack(task)).toMatchObject(stale);
    expect(bench.release(task)).toMatchObject(stale);
    expect(bench.bury(task)).toMatchObject(stale);
  });

  it('an ack whose expiry is not after its own stamp is refused and the lease goes on', () => {
    const bench = new Bench();
    bench.put('a');
    const task = bench.takeOne();
    expect(bench.ack(task, bench.nowMs)).toMatchObject({ code: 'INVALID_ARGUMENT' });
    expect(bench.stateOf('a')).toBe('taken');
    expect(bench.ack(task, bench.nowMs + 1)).toEqual({ type: 'done' });
  });

  it('a token that lives less than the lead rests for half its life after an ack', () => {
    const bench = new Bench();
    bench.put('a');
    bench.ack(bench.takeOne(), bench.nowMs + 2 * minute);
    expect(bench.stateOf('a')).toBe('delayed');
    bench.passAlive(minute - 1);
    expect(bench.stateOf('a')).toBe('delayed');
    bench.passAlive(1);
    expect(bench.stateOf('a')).toBe('ready');
  });

  it('ackDone removes the task', () => {
    const bench = new Bench();
    bench.put('a');
    const task = bench.takeOne();
    expect(bench.ackDone(task)).toEqual({ type: 'done' });
    expect(bench.state.get(queue, 'a')).toBeUndefined();
    expect(bench.ackDone(task)).toMatchObject({ code: 'TASK_NOT_FOUND' });
    bench.put('a');
    expect(bench.ackDone(task)).toMatchObject(stale);
  });

  it('fences only grow, over all tasks and through put and ackDone (I12)', () => {
    const bench = new Bench();
    let last = 0;
    for (let round = 0; round < 20; round += 1) {
      bench.put('a');
      const task = bench.takeOne();
      expect(task.fence).toBeGreaterThan(last);
      last = task.fence;
      if (round % 2 === 0) bench.ackDone(task);
      else bench.release(task);
    }
  });

  it('a release with a delay gives the task to nobody before it', () => {
    const bench = new Bench();
    bench.put('a');
    bench.release(bench.takeOne(), { delayMs: 1_000 });
    expect(bench.stateOf('a')).toBe('delayed');
    bench.pass(999);
    expect(bench.take(1)).toEqual([]);
    bench.pass(1);
    expect(bench.takeOne()).toMatchObject({ id: 'a', attempt: 2 });
  });

  it('bury keeps the reason and gives the task to nobody', () => {
    const bench = new Bench();
    bench.put('a');
    bench.bury(bench.takeOne(), 'invalid_grant');
    bench.pass(10 * 60 * minute);
    expect(bench.state.get(queue, 'a')).toMatchObject({ state: 'buried', buriedReason: 'invalid_grant' });
    bench.attachment = bench.attach('s2', 'c2').attachment;
    expect(bench.state.stats(queue).states).toMatchObject({ buried: 1, ready: 0 });
  });

  it('ends at its time to run, and only its holder is told', () => {
    const bench = new Bench();
    bench.setProvider('acme', { kind: 'static' });
    bench.put('a');
    const task = bench.takeOne({ ttrMs: 5_000 });
    expect(task.leaseEndsAtMs).toBe(bench.nowMs + 5_000);
    bench.state.takeEvents();
    bench.passAlive(4_999);
    expect(bench.stateOf('a')).toBe('taken');
    bench.passAlive(1);
    expect(bench.stateOf('a')).toBe('ready');
    expect(bench.state.takeEvents()).toMatchObject({
      leasesLost: [{ id: 'a', fence: task.fence, why: 'ttr' }],
    });
  });

  it('a late answer lands while its fence is current, also from a new session', () => {
    const bench = new Bench();
    bench.setProvider('acme', { kind: 'static' });
    bench.put('a');
    const task = bench.takeOne();
    bench.detach();
    bench.attach('s2');
    expect(bench.stateOf('a')).toBe('ready');
    expect(bench.ack(task)).toEqual({ type: 'done' });
    expect(bench.stateOf('a')).toBe('delayed');
  });

  it('a late answer is stale once somebody else holds the task (I16)', () => {
    const bench = new Bench();
    bench.setProvider('acme', { kind: 'static' });
    bench.put('a');
    const old = bench.takeOne();
    bench.detach();
    bench.attachment = bench.attach().attachment;
    const current = bench.takeOne();
    expect(bench.ack(old)).toMatchObject(stale);
    expect(bench.ack(current)).toEqual({ type: 'done' });
  });

  it('a take for a session that is gone takes nothing (pitfall 95)', () => {
    const bench = new Bench();
    bench.put('a');
    bench.detach();
    const take = {
      type: 'take',
      queue,
      limit: 1,
      session: sessionId('s1'),
      ttrMs: 1_000,
      callMs: 500,
    } as const;
    expect(bench.request(take)).toMatchObject(stale);
    expect(bench.stateOf('a')).toBe('ready');
  });

  it('a take whose session falls silent in the very entry that would give is refused (pitfall 95)', () => {
    const bench = new Bench();
    bench.put('a');
    bench.nowMs += 3_000;
    const take = {
      type: 'take',
      queue,
      limit: 1,
      session: sessionId('s1'),
      ttrMs: 1_000,
      callMs: 500,
    } as const;
    expect(bench.request(take)).toMatchObject(stale);
    expect(bench.stateOf('a')).toBe('ready');
  });

  it("a take under another client's session is refused", () => {
    const bench = new Bench();
    bench.put('a');
    bench.attach('s2', 'c2');
    const take = {
      type: 'take',
      queue,
      limit: 1,
      session: sessionId('s2'),
      ttrMs: 1_000,
      callMs: 500,
    } as const;
    expect(bench.request(take)).toMatchObject({ code: 'INVALID_ARGUMENT' });
  });

  it('a session holds a bounded number of leases', () => {
    const bench = new Bench();
    const max = queueLimits.leasesPerSessionMax;
    for (let at = 0; at < max + 5; at += 1) bench.put(`t${at}`);
    let held = 0;
    while (held < max) held += bench.take(1_000).length;
    expect(held).toBe(max);
    expect(() => bench.take(1)).toThrow('BUSY');
  });

  it('a take answers a bounded number of payload bytes', () => {
    const bench = new Bench();
    const payload = new Uint8Array(queueLimits.payloadBytesMax);
    const fits = queueLimits.takeBytesMax / queueLimits.payloadBytesMax;
    for (let at = 0; at < fits + 2; at += 1) bench.put(`t${at}`, { payload });
    expect(bench.take(1_000)).toHaveLength(fits);
    expect(bench.take(1_000)).toHaveLength(2);
  });
});
