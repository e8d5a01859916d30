import { describe, expect, it } from 'vitest';
import { buriedUnknown, buriedUnknownTwice } from '../../src/queue/outcomes.ts';
import type { LeasedTask } from '../../src/queue/types.ts';
import { Bench, bytes, minute, queue } from './bench.ts';

function loseTask(bench: Bench, callMs = 10_000): LeasedTask {
  const task = bench.takeOne({ callMs, ttrMs: callMs + 5_000 });
  bench.detach();
  bench.attachment = bench.attach().attachment;
  return task;
}

describe('a rotating task whose lease ended without an answer', () => {
  it('is suspect and given to nobody for suspectMs, then tried once more', () => {
    const bench = new Bench();
    bench.put('a');
    loseTask(bench);
    expect(bench.stateOf('a')).toBe('suspect');
    bench.passAlive(minute - 1);
    expect(bench.take(1)).toEqual([]);
    bench.passAlive(1);
    expect(bench.takeOne()).toMatchObject({ id: 'a', attempt: 2 });
  });

  it('is not tried again before the deadline of its own call', () => {
    const bench = new Bench();
    bench.put('a');
    loseTask(bench, 3 * minute);
    bench.passAlive(3 * minute - 1);
    expect(bench.stateOf('a')).toBe('suspect');
    bench.passAlive(1);
    expect(bench.stateOf('a')).toBe('ready');
  });

  it('takes the escrowed answer under its fence while suspect', () => {
    const bench = new Bench();
    bench.put('a');
    const task = loseTask(bench);
    expect(bench.ack(task)).toEqual({ type: 'done' });
    expect(bench.state.get(queue, 'a')).toMatchObject({ state: 'delayed', payload: bytes('fresh') });
  });

  it('takes the escrowed answer after it was buried, too, and lives again', () => {
    const bench = new Bench();
    bench.setProvider('acme', { onUnknown: 'bury' });
    bench.put('a');
    const task = loseTask(bench);
    bench.passAlive(2 * minute);
    expect(bench.state.get(queue, 'a')).toMatchObject({ state: 'buried', buriedReason: buriedUnknown });
    expect(bench.ack(task)).toEqual({ type: 'done' });
    expect(bench.state.get(queue, 'a')).toMatchObject({ state: 'delayed', buriedReason: undefined });
  });

  it('is buried at the second unknown outcome', () => {
    const bench = new Bench();
    bench.put('a');
    loseTask(bench);
    bench.passAlive(minute);
    const retry = loseTask(bench);
    expect(bench.stateOf('a')).toBe('suspect');
    bench.passAlive(minute);
    expect(bench.state.get(queue, 'a')).toMatchObject({ state: 'buried', buriedReason: buriedUnknownTwice });
    expect(bench.ack(retry)).toEqual({ type: 'done' });
  });

  it('an answer between forgives the first unknown outcome', () => {
    const bench = new Bench();
    bench.put('a');
    loseTask(bench);
    bench.passAlive(minute);
    bench.ack(bench.takeOne(), bench.nowMs + 2_000);
    bench.passAlive(1_000);
    loseTask(bench);
    bench.passAlive(minute);
    expect(bench.stateOf('a')).toBe('ready');
  });

  it('becomes suspect at its time to run, too', () => {
    const bench = new Bench();
    bench.put('a');
    bench.takeOne({ ttrMs: 5_000 });
    bench.passAlive(5_000);
    expect(bench.stateOf('a')).toBe('suspect');
  });

  it('is never suspect when given back before the call', () => {
    const bench = new Bench();
    bench.put('a');
    bench.release(bench.takeOne());
    expect(bench.stateOf('a')).toBe('ready');
  });

  it('is suspect when given back after the call, until the later of suspicion and delay', () => {
    const bench = new Bench();
    bench.put('a');
    const task = bench.takeOne();
    bench.release(task, { callMade: true, delayMs: 2 * minute });
    bench.passAlive(2 * minute - 1);
    expect(bench.stateOf('a')).toBe('suspect');
    bench.passAlive(1);
    expect(bench.stateOf('a')).toBe('ready');
  });

  it('a holder who returns and says the call was never made clears the suspicion', () => {
    const bench = new Bench();
    bench.put('a');
    const task = loseTask(bench);
    bench.release(task);
    expect(bench.stateOf('a')).toBe('ready');
    loseTask(bench);
    bench.passAlive(minute);
    expect(bench.stateOf('a')).toBe('ready');
  });

  it('a late "the call was made" does not count as a second unknown outcome', () => {
    const bench = new Bench();
    bench.put('a');
    const task = loseTask(bench);
    expect(bench.release(task, { callMade: true })).toEqual({ type: 'done' });
    bench.passAlive(minute);
    expect(bench.stateOf('a')).toBe('ready');
  });
});

describe('grace', () => {
  it('a graced task is ready at once within the grace', () => {
    const bench = new Bench();
    bench.setProvider('acme', { graceMs: minute });
    bench.put('a');
    loseTask(bench);
    expect(bench.takeOne()).toMatchObject({ id: 'a', attempt: 2 });
  });

  it('is suspect when the next call could end after the grace', () => {
    const bench = new Bench();
    bench.setProvider('acme', { graceMs: 30_000 });
    bench.put('a', { expiresAtMs: bench.nowMs + 10 * minute, refreshAtMs: 0 });
    loseTask(bench, 10_000);
    bench.passAlive(20_001);
    expect(bench.stateOf('a')).toBe('ready');
    expect(bench.take(1, { callMs: 10_000 })).toEqual([]);
    expect(bench.stateOf('a')).toBe('suspect');
    bench.passAlive(minute);
    expect(bench.takeOne().id).toBe('a');
  });

  it('counts from the first call that may have spent the token', () => {
    const bench = new Bench();
    bench.setProvider('acme', { graceMs: 30_000 });
    bench.put('a');
    loseTask(bench);
    bench.passAlive(10_000);
    loseTask(bench);
    bench.passAlive(15_000);
    expect(bench.take(1)).toEqual([]);
    expect(bench.stateOf('a')).toBe('suspect');
  });

  it('a task taken longer ago than the grace is suspect', () => {
    const bench = new Bench();
    bench.setProvider('acme', { graceMs: 5_000 });
    bench.put('a');
    bench.takeOne({ ttrMs: 5_000 });
    bench.passAlive(5_000);
    expect(bench.stateOf('a')).toBe('suspect');
  });
});
