import { describe, expect, it } from 'vitest';
import { clientId, nodeId, sessionId } from '../../src/base/ids.ts';
import { Clients } from '../../src/queue/clients.ts';
import { defaultPolicy, queueLimits } from '../../src/queue/limits.ts';
import { Occupancy } from '../../src/queue/occupancy.ts';
import type { Operation, Request } from '../../src/queue/types.ts';
import { Bench, minute, putOf, queue, takeOf } from './bench.ts';

describe('a client that was forgotten', () => {
  it('is not registered anew under its old id: somebody may still hold its old requests', () => {
    const bench = new Bench();
    const ids = { client: bench.client, session: bench.session, gateway: nodeId('g'), workerId: '' };
    const attach = (registration: number) => bench.command({ type: 'attach', ...ids, registration });
    const first = attach(0);
    const registration = first.type === 'attached' ? first.registration : 0;
    expect(attach(registration)).toMatchObject({ type: 'attached', registration });
    bench.nowMs += defaultPolicy.clientTimeoutMs + minute;
    for (let ticks = 0; ticks < 3; ticks++) bench.command({ type: 'tick' });
    expect(bench.state.stats(queue).clients).toBe(0);
    expect(attach(registration)).toMatchObject({ code: 'CLIENT_EXPIRED' });
    expect(bench.requestAs({ seq: 1 }, putOf('a', bench.nowMs))).toMatchObject({ code: 'CLIENT_EXPIRED' });
  });
});

describe('a request id', () => {
  it('is applied once and answered the same each time (pitfall 101, Q6)', () => {
    const bench = new Bench();
    const put = putOf('a', bench.nowMs);
    const first = bench.requestAs({ seq: 1 }, put);
    expect(bench.requestAs({ seq: 1 }, { ...put })).toEqual(first);
    expect(bench.state.get(queue, 'a')?.version).toBe(1);
  });

  it('a repeated take answers the same leases and takes nothing more', () => {
    const bench = new Bench();
    for (const [at, id] of ['a', 'b'].entries()) bench.requestAs({ seq: at + 1 }, putOf(id, bench.nowMs));
    const first = bench.requestAs({ seq: 3 }, takeOf(bench.session, 1));
    bench.opened();
    expect(bench.requestAs({ seq: 3 }, takeOf(bench.session, 1))).toEqual(first);
    expect(bench.state.stats(queue).states).toMatchObject({ taken: 1, ready: 1 });
  });

  it('a take that found nothing is asked again under its own id until it finds something, then no more', () => {
    const bench = new Bench();
    const take = takeOf(bench.session, 1);
    const empty = { type: 'taken', tasks: [], atMs: bench.nowMs };
    const waiting = { seq: 1, mayWait: true };
    expect([1, 2].map(() => bench.requestAs(waiting, take))).toEqual([empty, empty]);
    expect(bench.requestAs({ seq: 1 }, takeOf(bench.session, 2))).toMatchObject({
      code: 'REQUEST_ID_REUSED',
    });
    for (const [at, id] of ['a', 'b'].entries()) bench.requestAs({ seq: at + 2 }, putOf(id, bench.nowMs));
    const found = bench.requestAs({ seq: 1 }, take);
    expect(found).toMatchObject({ tasks: [{ id: 'a' }] });
    expect(bench.requestAs({ seq: 1 }, take)).toEqual(found);
    expect(bench.state.stats(queue).states).toMatchObject({ taken: 1, ready: 1 });
  });

  it('a take that found nothing and may not wait is answered for good: a late copy takes nothing for nobody', () => {
    const bench = new Bench();
    const take = takeOf(bench.session, 1);
    bench.requestAs({ seq: 1, mayWait: true }, take);
    const empty = bench.requestAs({ seq: 1 }, take);
    bench.requestAs({ seq: 2 }, putOf('a', bench.nowMs));
    for (const mayWait of [true, false]) expect(bench.requestAs({ seq: 1, mayWait }, take)).toEqual(empty);
    expect(bench.state.stats(queue).states).toMatchObject({ taken: 0, ready: 1 });
  });

  it('a repeated take says how much is left of its leases', () => {
    const bench = new Bench();
    bench.requestAs({ seq: 1 }, putOf('a', bench.nowMs));
    const first = bench.requestAs({ seq: 2 }, takeOf(bench.session, 1));
    bench.nowMs += 1_000;
    expect(bench.requestAs({ seq: 2 }, takeOf(bench.session, 1))).toEqual({ ...first, atMs: bench.nowMs });
  });

  it('of a put is refused for good once a later put of its stream on the task was carried out', () => {
    const bench = new Bench();
    const put = (seq: number) => bench.requestAs({ seq }, { ...putOf('a', bench.nowMs), weight: seq });
    expect([put(1), put(3)]).toMatchObject([{ version: 1 }, { version: 2 }]);
    const refused = put(2);
    expect(refused).toMatchObject({ type: 'refused', code: 'OVERTAKEN' });
    bench.requestAs({ seq: 4, settledUpTo: 1 }, putOf('b', bench.nowMs));
    expect(put(2)).toEqual(refused);
    expect(bench.requestAs({ seq: 2 }, { type: 'resolve', queue, id: 'a' })).toEqual(refused);
    expect(bench.state.get(queue, 'a')?.version).toBe(2);
    expect(put(5)).toMatchObject({ version: 3 });
  });

  it('of a put is not held back by another stream, client, queue or task, a refused put, or the end of a lease', () => {
    const bench = new Bench();
    const put = putOf('a', bench.nowMs);
    bench.requestAs({ seq: 1 }, put);
    const taken = bench.requestAs({ seq: 2 }, takeOf(bench.session, 1));
    const fence = taken.type === 'taken' ? taken.tasks[0]!.fence : 0;
    const later: readonly [Partial<Request>, Operation][] = [
      [{ seq: 9 }, { ...put, id: 'b' }],
      [{ seq: 10 }, { ...put, queue: 'others' }],
      [{ seq: 11 }, { ...put, ifAbsent: true }],
      [{ seq: 12 }, { ...put, type: 'ack', id: 'a', fence, expiresAtMs: bench.nowMs + minute }],
      [{ seq: 13, stream: 1 }, put],
    ];
    const answers = later.map(([request, operation]) => bench.requestAs(request, operation).type);
    expect(answers).toEqual(['put', 'put', 'refused', 'done', 'put']);
    expect(bench.requestAs({ seq: 3 }, put)).toMatchObject({ type: 'put', created: false });
  });

  it('of a put in a log from before groups kept that order is carried out as it was then', () => {
    const bench = new Bench();
    const put = putOf('a', bench.nowMs);
    bench.requestAs({ seq: 2, inOrder: false }, put);
    expect(bench.requestAs({ seq: 1, inOrder: false }, put)).toMatchObject({ version: 2 });
    expect(bench.requestAs({ seq: 1, inOrder: false }, put)).toMatchObject({ version: 2 });
  });

  it('remembers refusals, too: what failed once does not succeed as a repeat', () => {
    const bench = new Bench();
    const conditional = { ...putOf('a', bench.nowMs), ifVersion: 1 };
    expect(bench.requestAs({ seq: 1 }, conditional)).toMatchObject({ code: 'CONDITION_FAILED' });
    bench.requestAs({ seq: 2 }, putOf('a', bench.nowMs));
    expect(bench.requestAs({ seq: 1 }, conditional)).toMatchObject({ code: 'CONDITION_FAILED' });
    expect(bench.state.get(queue, 'a')?.version).toBe(1);
  });

  it('with another body is refused', () => {
    const bench = new Bench();
    bench.requestAs({ seq: 1 }, putOf('a', bench.nowMs));
    for (const other of [
      { ...putOf('a', bench.nowMs), weight: 1 },
      { ...putOf('a', bench.nowMs), payload: new Uint8Array(3) },
      putOf('b', bench.nowMs),
    ]) {
      expect(bench.requestAs({ seq: 1 }, other)).toMatchObject({ code: 'REQUEST_ID_REUSED' });
    }
    expect(bench.state.get(queue, 'b')).toBeUndefined();
  });

  it('answers are in any order, and streams are apart', () => {
    const bench = new Bench();
    for (const seq of [3, 1, 2]) {
      expect(bench.requestAs({ seq }, putOf(`t${seq}`, bench.nowMs))).toMatchObject({ created: true });
    }
    expect(bench.requestAs({ seq: 3, stream: 1 }, putOf('other', bench.nowMs))).toMatchObject({
      created: true,
    });
  });

  it('at or below settledUpTo is refused and never applied', () => {
    const bench = new Bench();
    bench.requestAs({ seq: 1 }, putOf('a', bench.nowMs));
    bench.requestAs({ seq: 3, settledUpTo: 2 }, putOf('b', bench.nowMs));
    for (const seq of [1, 2]) {
      expect(bench.requestAs({ seq }, putOf('c', bench.nowMs))).toMatchObject({ code: 'REQUEST_SETTLED' });
    }
    expect(bench.state.get(queue, 'c')).toBeUndefined();
    expect(bench.requestAs({ seq: 3, settledUpTo: 0 }, putOf('b', bench.nowMs))).toMatchObject({
      created: true,
    });
  });

  it('a row above settledUpTo is kept: a repeat after others settled is answered, not applied', () => {
    const bench = new Bench();
    const put = putOf('a', bench.nowMs);
    bench.requestAs({ seq: 5 }, put);
    bench.requestAs({ seq: 6, settledUpTo: 4 }, putOf('b', bench.nowMs));
    expect(bench.requestAs({ seq: 5 }, put)).toMatchObject({ version: 1, created: true });
    expect(bench.state.get(queue, 'a')?.version).toBe(1);
  });

  it('a jump of settledUpTo costs the rows, not the distance', () => {
    const bench = new Bench();
    bench.requestAs({ seq: 1 }, putOf('a', bench.nowMs));
    const far = Number.MAX_SAFE_INTEGER;
    expect(bench.requestAs({ seq: far, settledUpTo: far - 1 }, putOf('b', bench.nowMs))).toMatchObject({
      created: true,
    });
    expect(bench.requestAs({ seq: 1 }, putOf('a', bench.nowMs))).toMatchObject({ code: 'REQUEST_SETTLED' });
  });

  it('at most 1,024 per stream are unsettled; the next is refused unapplied until some are', () => {
    const bench = new Bench();
    const max = queueLimits.unsettledPerStreamMax;
    for (let seq = 1; seq <= max; seq += 1) bench.requestAs({ seq }, putOf(`t${seq}`, bench.nowMs));
    expect(bench.requestAs({ seq: max + 1 }, putOf('over', bench.nowMs))).toMatchObject({ code: 'BUSY' });
    expect(bench.state.get(queue, 'over')).toBeUndefined();
    expect(bench.requestAs({ seq: max }, putOf(`t${max}`, bench.nowMs))).toMatchObject({ created: true });
    expect(bench.requestAs({ seq: max + 1, settledUpTo: 1 }, putOf('over', bench.nowMs))).toMatchObject({
      created: true,
    });
  });
});

describe('a client', () => {
  it('of a group that remembers too many answers is refused unapplied, until a client is forgotten with all of its', () => {
    const clients = new Clients(new Occupancy());
    const take = takeOf(sessionId('s1'), 1);
    const admit = (client: number, seq: number): boolean => {
      const request = {
        client: clientId(`c${client}`),
        stream: 1,
        seq,
        settledUpTo: 0,
        mayWait: false,
        inOrder: true,
        mapVersion: 0,
      };
      const admission = clients.admit(request, take);
      if ('answer' in admission) return false;
      admission.remember({ type: 'done' }, undefined);
      return true;
    };
    const each = 1_000;
    const count = queueLimits.rememberedAnswersMax / each;
    for (let client = 0; client <= count; client++) clients.add(clientId(`c${client}`), client + 1, 0);
    for (let client = 0; client < count; client++) for (let seq = 1; seq <= each; seq++) admit(client, seq);
    expect(admit(count, 1)).toBe(false);
    clients.delete(clientId('c0'));
    for (let seq = 1; seq <= each; seq++) expect(admit(count, seq)).toBe(true);
    expect(admit(count, each + 1)).toBe(false);
  });

  it('that is unknown gets CLIENT_EXPIRED, never an execution', () => {
    const bench = new Bench();
    const result = bench.requestAs({ client: clientId('stranger') }, putOf('a', bench.nowMs));
    expect(result).toMatchObject({ code: 'CLIENT_EXPIRED' });
    expect(bench.state.get(queue, 'a')).toBeUndefined();
  });

  it('is forgotten after clientTimeoutMs of log time without a sign of life', () => {
    const bench = new Bench();
    const put = putOf('a', bench.nowMs);
    bench.requestAs({ seq: 1 }, put);
    bench.pass(59 * minute);
    expect(bench.requestAs({ seq: 1 }, put)).toMatchObject({ created: true });
    bench.pass(60 * minute - 1);
    expect(bench.state.stats(queue).clients).toBe(1);
    bench.pass(1);
    expect(bench.state.stats(queue).clients).toBe(0);
    expect(bench.requestAs({ seq: 1 }, put)).toMatchObject({ code: 'CLIENT_EXPIRED' });
  });

  it('with a session that is renewed is not forgotten, however long it waits for work', () => {
    const bench = new Bench();
    bench.passAlive(61 * minute);
    expect(bench.state.stats(queue).clients).toBe(1);
  });

  it('is told when an attach registered it anew', () => {
    const bench = new Bench();
    const { attachment, registration } = bench.attach();
    expect(registration).toBeLessThan(attachment);
    expect(bench.attach().registration).toBe(registration);
    bench.pass(61 * minute);
    const anew = bench.attach();
    expect(anew.registration).toBe(anew.attachment);
    // An answer may be lost: the next attach says the same.
    expect(bench.attach().registration).toBe(anew.registration);
  });
});
