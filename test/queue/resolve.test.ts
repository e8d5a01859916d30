import { describe, expect, it } from 'vitest';
import { clientId } from '../../src/base/ids.ts';
import type { Operation } from '../../src/queue/types.ts';
import { Bench, minute, putOf, queue, takeOf } from './bench.ts';

const resolve: Operation = { type: 'resolve', queue, id: 'a' };
const resolveTake: Operation = { type: 'resolve', queue, id: '' };

describe('a resolve', () => {
  it('of a request that was applied gets its answer, whatever it was', () => {
    const bench = new Bench();
    const answer = bench.requestAs({ seq: 1 }, putOf('a', bench.nowMs));
    expect(bench.requestAs({ seq: 1 }, resolve)).toEqual(answer);
    expect(bench.requestAs({ seq: 1 }, putOf('a', bench.nowMs))).toEqual(answer);
    expect(bench.state.get(queue, 'a')?.version).toBe(1);
  });

  it('of a request that was not applied makes sure that it never is: late copies get the same refusal', () => {
    const bench = new Bench();
    const refused = bench.requestAs({ seq: 1 }, resolve);
    expect(refused).toMatchObject({ type: 'refused', code: 'NEVER_APPLIED' });
    expect(bench.requestAs({ seq: 1 }, putOf('a', bench.nowMs))).toEqual(refused);
    expect(bench.requestAs({ seq: 1 }, putOf('b', bench.nowMs))).toEqual(refused);
    expect(bench.requestAs({ seq: 1 }, resolve)).toEqual(refused);
    expect([bench.stateOf('a'), bench.stateOf('b')]).toEqual([undefined, undefined]);
  });

  it('of a take gets the leases it was given', () => {
    const bench = new Bench();
    bench.requestAs({ seq: 1 }, putOf('a', bench.nowMs));
    const taken = bench.requestAs({ seq: 2 }, takeOf(bench.session, 1));
    bench.nowMs += 500;
    expect(bench.requestAs({ seq: 2 }, resolveTake)).toEqual({ ...taken, atMs: bench.nowMs });
  });

  it('of a take that waits ends it: it found nothing, and a late copy takes nothing for nobody', () => {
    const bench = new Bench();
    const waiting = { seq: 1, mayWait: true };
    const empty = bench.requestAs(waiting, takeOf(bench.session, 1));
    expect(bench.requestAs({ seq: 1 }, resolveTake)).toEqual(empty);
    bench.requestAs({ seq: 2 }, putOf('a', bench.nowMs));
    expect(bench.requestAs(waiting, takeOf(bench.session, 1))).toEqual(empty);
    expect(bench.stateOf('a')).toBe('ready');
  });

  it('of a take that never came here takes nothing, now or later', () => {
    const bench = new Bench();
    bench.requestAs({ seq: 2 }, putOf('a', bench.nowMs));
    expect(bench.requestAs({ seq: 1 }, resolveTake)).toMatchObject({ code: 'NEVER_APPLIED' });
    expect(bench.requestAs({ seq: 1, mayWait: true }, takeOf(bench.session, 1))).toMatchObject({
      code: 'NEVER_APPLIED',
    });
    expect(bench.stateOf('a')).toBe('ready');
  });

  it('of a settled request says that its answer is forgotten', () => {
    const bench = new Bench();
    bench.requestAs({ seq: 1 }, putOf('a', bench.nowMs));
    bench.requestAs({ seq: 2, settledUpTo: 1 }, putOf('b', bench.nowMs));
    expect(bench.requestAs({ seq: 1 }, resolve)).toMatchObject({ code: 'REQUEST_SETTLED' });
  });

  it('of a client nobody knows is refused, and of what cannot be meant too', () => {
    const bench = new Bench();
    expect(bench.requestAs({ client: clientId('stranger') }, resolve)).toMatchObject({
      code: 'CLIENT_EXPIRED',
    });
    const tooLong: Operation = { type: 'resolve', queue, id: 'x'.repeat(257) };
    expect(bench.requestAs({ seq: 1 }, tooLong)).toMatchObject({ code: 'TOO_LARGE' });
    expect(bench.requestAs({ seq: 2 }, { ...resolve, queue: '' })).toMatchObject({
      code: 'INVALID_ARGUMENT',
    });
  });
});

describe('a settle', () => {
  it('frees the answers of its stream up to there, and no other', () => {
    const bench = new Bench();
    for (const seq of [1, 2, 3]) bench.requestAs({ seq }, putOf(`t${seq}`, bench.nowMs));
    bench.requestAs({ seq: 1, stream: 5 }, putOf('other', bench.nowMs));
    const settle = { type: 'settle', client: bench.client, stream: 0, settledUpTo: 2 } as const;
    expect(bench.command(settle)).toEqual({ type: 'done' });
    const codes = [1, 2].map((seq) => bench.requestAs({ seq }, putOf(`t${seq}`, bench.nowMs)));
    for (const answer of codes) expect(answer).toMatchObject({ code: 'REQUEST_SETTLED' });
    expect(bench.requestAs({ seq: 3 }, putOf('t3', bench.nowMs))).toMatchObject({
      version: 1,
      created: true,
    });
    expect(bench.requestAs({ seq: 1, stream: 5 }, putOf('other', bench.nowMs))).toMatchObject({ version: 1 });
  });

  it('never takes back what an earlier one said', () => {
    const bench = new Bench();
    const settle = { type: 'settle', client: bench.client, stream: 0, settledUpTo: 7 } as const;
    bench.command(settle);
    bench.command({ ...settle, settledUpTo: 3 });
    expect(bench.requestAs({ seq: 7 }, putOf('a', bench.nowMs))).toMatchObject({ code: 'REQUEST_SETTLED' });
  });

  it('of a stream that never came here is noted: a late copy is refused, not run', () => {
    const bench = new Bench();
    bench.command({ type: 'settle', client: bench.client, stream: 9, settledUpTo: 4 });
    const late = { stream: 9, seq: 4 };
    expect(bench.requestAs(late, putOf('a', bench.nowMs))).toMatchObject({ code: 'REQUEST_SETTLED' });
    expect(bench.stateOf('a')).toBeUndefined();
  });

  it('of a client nobody knows does nothing', () => {
    const bench = new Bench();
    const digest = bench.state.digest();
    const settle = { type: 'settle', client: clientId('stranger'), stream: 0, settledUpTo: 1 } as const;
    expect(bench.command(settle)).toEqual({ type: 'done' });
    expect(bench.state.digest()).toBe(digest);
  });

  it('keeps its client alive', () => {
    const bench = new Bench();
    bench.setPolicy({ sessionTimeoutMs: 1_000, clientTimeoutMs: minute });
    for (let at = 0; at < 3; at += 1) {
      bench.pass(minute - 1);
      bench.settle();
    }
    expect(bench.put('a')).toMatchObject({ type: 'put' });
  });
});
