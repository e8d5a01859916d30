import { describe, expect, it } from 'vitest';
import { json } from '../../src/client/codec.ts';
import type { Queue, QueueClient, WorkHandler, WorkOptions } from '../../src/client/types.ts';
import type { Escrow, EscrowRecord } from '../../src/ports/escrow.ts';
import { endOf, rejected, resolved, testClient } from '../service/test-client.ts';
import { TestCluster } from '../service/test-cluster.ts';

const codec = json<string>();
const tokensOf = (client: QueueClient): Queue<string> => client.queue('tokens', { codec });

/** An escrow that remembers what was asked of it, and when. */
class TestEscrow implements Escrow {
  records: EscrowRecord[] = [];
  readonly story: string[] = [];
  failing = false;
  isHolding = false;

  load(): Promise<readonly EscrowRecord[]> {
    return Promise.resolve([...this.records]);
  }

  append(record: EscrowRecord, done: (error: Error | undefined) => void): void {
    this.story.push(`append ${record.id}`);
    if (this.isHolding) return;
    if (!this.failing) this.records.push(record);
    queueMicrotask(() => done(this.failing ? new Error('disk full') : undefined));
  }

  settle({ id, fence }: Pick<EscrowRecord, 'queue' | 'id' | 'fence'>): void {
    this.story.push(`settle ${id}`);
    this.records = this.records.filter((record) => record.id !== id || record.fence !== fence);
  }

  close(): Promise<void> {
    return Promise.resolve();
  }
}

interface Scene {
  readonly cluster: TestCluster;
  readonly putter: Queue<string>;
  readonly escrow: TestEscrow;
  readonly errors: unknown[];
  readonly stop: AbortController;
  put(...ids: readonly string[]): Promise<void>;
  work(handler: WorkHandler<string>, more?: Partial<WorkOptions>): Promise<void>;
  readonly worker: ReturnType<typeof testClient>;
}

async function scene(
  kind: 'static' | 'rotating' = 'rotating',
  escrow: TestEscrow = new TestEscrow(),
): Promise<Scene> {
  const cluster = new TestCluster();
  cluster.lead('a');
  await cluster.clock.settle();
  const putter = tokensOf(testClient(cluster, { endpoints: ['c'], seed: 99 }).client);
  const openEscrow = () => Promise.resolve(escrow);
  const worker = testClient(cluster, { endpoints: ['b'], seed: 1, openEscrow });
  await resolved(cluster, putter.setProvider('acme', { kind }));
  const errors: unknown[] = [];
  const stop = new AbortController();
  return {
    cluster,
    putter,
    escrow,
    errors,
    stop,
    worker,
    put: async (...ids) => {
      const expiresAt = cluster.clock.wallMs() + 30_000;
      const puts = ids.map((id) => putter.put({ id, payload: `old ${id}`, expiresAt, provider: 'acme' }));
      await resolved(cluster, Promise.all(puts));
    },
    work: (handler, more = {}) => {
      const onError = (error: unknown): void => void errors.push(error);
      return tokensOf(worker.client).work(handler, { workerId: 'w1', signal: stop.signal, onError, ...more });
    },
  };
}

const hour = 3_600_000;

describe('the updater loop', () => {
  it('stores what the handler answers: escrow before the ack, settled after it', async () => {
    const { cluster, putter, escrow, put, work, stop } = await scene();
    await put('t1');
    const seen: unknown[] = [];
    const loop = work(({ task, attempt, fence }) => {
      seen.push({ id: task.id, payload: task.payload, attempt, fence });
      return { payload: 'new', expiresAt: cluster.clock.wallMs() + hour };
    });
    await cluster.clock.advance(50);
    expect(seen).toEqual([{ id: 't1', payload: 'old t1', attempt: 1, fence: 1 }]);
    expect(escrow.story).toEqual(['append t1', 'settle t1']);
    expect(await resolved(cluster, putter.get('t1'))).toMatchObject({ payload: 'new', state: 'delayed' });
    stop.abort();
    await resolved(cluster, loop);
  });

  it('sends no ack before the escrow is durable', async () => {
    const { cluster, putter, escrow, put, work } = await scene();
    await put('t1');
    escrow.isHolding = true;
    void work(() => ({ payload: 'new', expiresAt: cluster.clock.wallMs() + hour })).catch(() => undefined);
    await cluster.clock.advance(100);
    expect(escrow.story).toEqual(['append t1']);
    expect(await resolved(cluster, putter.get('t1'))).toMatchObject({ payload: 'old t1', state: 'taken' });
  });

  it('stores the answer although the escrow fails, and says so', async () => {
    const { cluster, putter, escrow, put, work, errors } = await scene();
    await put('t1');
    escrow.failing = true;
    void work(() => ({ payload: 'new', expiresAt: cluster.clock.wallMs() + hour })).catch(() => undefined);
    await cluster.clock.advance(100);
    expect(errors).toMatchObject([{ code: 'STORAGE_FAILED' }]);
    expect((await resolved(cluster, putter.get('t1')))?.payload).toBe('new');
  });

  it('takes only what it starts at once', async () => {
    const { cluster, putter, put, work } = await scene('static');
    await put('t1', 't2', 't3', 't4', 't5');
    let running = 0;
    let most = 0;
    const release: (() => void)[] = [];
    void work(
      async () => {
        running++;
        most = Math.max(most, running);
        await new Promise<void>((resolve) => release.push(resolve));
        running--;
        return { done: true };
      },
      { concurrency: 2 },
    );
    await cluster.clock.advance(100);
    expect((await resolved(cluster, putter.stats())).states).toMatchObject({ taken: 2, ready: 3 });
    for (let i = 0; i < 5; i++) {
      release.shift()?.();
      await cluster.clock.advance(50);
    }
    expect(most).toBe(2);
    expect((await resolved(cluster, putter.stats())).states).toMatchObject({ taken: 0, ready: 0 });
  });

  it('offers what an earlier life was answered first, under the fence of then', async () => {
    const first = await scene();
    await first.put('t1');
    first.escrow.isHolding = true;
    void first.work(() => ({ payload: 'never stored', expiresAt: 0 })).catch(() => undefined);
    await first.cluster.clock.advance(50);
    // The process dies between the provider's answer and its ack: what is left is the record.
    void first.worker.client.close();
    await first.cluster.clock.advance(50);
    expect((await resolved(first.cluster, first.putter.stats())).states).toMatchObject({
      suspect: 1,
      ready: 0,
    });
    const escrow = new TestEscrow();
    const payload = codec.encode('from the escrow');
    const expiresAtMs = first.cluster.clock.wallMs() + hour;
    escrow.records.push({ queue: 'tokens', id: 't1', fence: 1, payload, expiresAtMs });
    const back = testClient(first.cluster, {
      endpoints: ['c'],
      seed: 5,
      openEscrow: () => Promise.resolve(escrow),
    });
    let calls = 0;
    const again = tokensOf(back.client).work(
      () => {
        calls++;
        return { done: true };
      },
      { workerId: 'w1', signal: first.stop.signal },
    );
    await first.cluster.clock.advance(100);
    expect(calls).toBe(0);
    expect(await resolved(first.cluster, first.putter.get('t1'))).toMatchObject({
      payload: 'from the escrow',
      state: 'delayed',
    });
    expect(escrow.records).toEqual([]);
    first.stop.abort();
    await resolved(first.cluster, again);
  });

  it('drops an escrowed answer that the cluster has judged too late', async () => {
    const escrow = new TestEscrow();
    const { cluster, putter, put, work, errors, stop } = await scene('static', escrow);
    await put('t1');
    const payload = codec.encode('too late');
    escrow.records.push({
      queue: 'tokens',
      id: 't1',
      fence: 77,
      payload,
      expiresAtMs: cluster.clock.wallMs() + hour,
    });
    stop.abort();
    await resolved(
      cluster,
      work(() => ({ done: true })),
    );
    expect(errors).toMatchObject([{ code: 'STALE_LEASE' }]);
    expect(escrow.records).toEqual([]);
    expect((await resolved(cluster, putter.get('t1')))?.payload).toBe('old t1');
  });

  it('keeps an answer that expired before it was stored: its refresh token may be the only good one', async () => {
    const { cluster, putter, put, work, errors, escrow } = await scene();
    await put('t1');
    void work(() => ({ payload: 'new', expiresAt: cluster.clock.wallMs() - 5_000 })).catch(() => undefined);
    await cluster.clock.advance(50);
    expect((await resolved(cluster, putter.get('t1')))?.payload).toBe('new');
    expect(errors).toMatchObject([{ code: 'INVALID_ARGUMENT' }]);
    expect(escrow.records).toEqual([]);
  });

  it('keeps an answer of a worker whose wall clock is hours behind log time, and gives it no longer life than that', async () => {
    const { cluster, putter, put, work, errors, escrow } = await scene();
    await put('t1');
    cluster.stampAheadMs = 5 * hour;
    void work(() => ({ payload: 'new', expiresAt: cluster.clock.wallMs() + hour })).catch(() => undefined);
    await cluster.clock.advance(500);
    const stored = await resolved(cluster, putter.get('t1'));
    expect(stored?.payload).toBe('new');
    expect(stored?.expiresAt).toBeGreaterThan(cluster.clock.wallMs() + 5 * hour);
    expect(stored?.expiresAt).toBeLessThan(cluster.clock.wallMs() + 10 * hour);
    expect(errors[0]).toMatchObject({ code: 'INVALID_ARGUMENT' });
    expect(escrow.records).toEqual([]);
  });

  it('makes a task suspect when its handler throws, and ready when the error says that no call was made', async () => {
    for (const [error, state] of [
      [new Error('connection reset'), 'suspect'],
      [Object.assign(new Error('no such host'), { callMade: false }), 'delayed'],
    ] as const) {
      const { cluster, putter, put, work, errors } = await scene();
      await put('t1');
      void work(() => Promise.reject(error)).catch(() => undefined);
      await cluster.clock.advance(50);
      expect(errors).toEqual([error]);
      expect((await resolved(cluster, putter.get('t1')))?.state).toBe(state);
    }
  });

  it('carries out the other answers: done, later, later for the whole provider, buried', async () => {
    const { cluster, putter, put, work } = await scene();
    await put('t1', 't2', 't3', 't4');
    void work(
      ({ task }) => {
        if (task.id === 't1') return { done: true };
        if (task.id === 't2') return { retryAfterMs: 500 };
        if (task.id === 't3') return { bury: 'invalid_grant' };
        return { retryAfterMs: 60_000, scope: 'provider' };
      },
      { concurrency: 4 },
    );
    await cluster.clock.advance(50);
    expect(await resolved(cluster, putter.get('t1'))).toBeUndefined();
    expect(await resolved(cluster, putter.get('t2'))).toMatchObject({ state: 'delayed' });
    expect(await resolved(cluster, putter.get('t3'))).toMatchObject({
      state: 'buried',
      buriedReason: 'invalid_grant',
    });
    expect(await resolved(cluster, putter.get('t4'))).toMatchObject({ state: 'delayed' });
  });

  it('reports an answer that is none, and releases its task', async () => {
    const { cluster, put, work, errors } = await scene('static');
    await put('t1');
    const handler: WorkHandler<string> = () => JSON.parse('{"what":1}');
    void work(handler);
    await cluster.clock.advance(50);
    expect(errors).toMatchObject([{ code: 'INVALID_ARGUMENT' }]);
  });

  it("aborts a handler's signal when its lease is lost, and when its time is over", async () => {
    const { cluster, put, work } = await scene('static');
    await put('t1', 't2');
    const signals = new Map<string, AbortSignal>();
    void work(
      async ({ task, signal }) => {
        if (!signals.has(task.id)) signals.set(task.id, signal);
        await new Promise((resolve) => signal.addEventListener('abort', resolve, { once: true }));
        throw Object.assign(new Error('aborted'), { callMade: false });
      },
      { concurrency: 2, timeoutMs: 4_000 },
    );
    await cluster.clock.advance(50);
    await put('t1');
    expect(signals.get('t1')?.reason).toMatchObject({ code: 'STALE_LEASE' });
    expect(signals.get('t2')?.aborted).toBe(false);
    await cluster.clock.advance(4_000);
    expect(signals.get('t2')?.aborted).toBe(true);
  });

  it('ends when its signal aborts and its handlers have settled; what it did not start is ready again', async () => {
    const { cluster, putter, put, work, stop } = await scene();
    await put('t1');
    let finish: () => void = () => {};
    const loop = work(
      async () => {
        await new Promise<void>((resolve) => {
          finish = resolve;
        });
        return { payload: 'new', expiresAt: cluster.clock.wallMs() + hour };
      },
      { concurrency: 3 },
    );
    await cluster.clock.advance(50);
    stop.abort();
    await put('t2', 't3');
    expect(await endOf(cluster, loop, 100)).toBe('pending');
    finish();
    await resolved(cluster, loop, 100);
    expect((await resolved(cluster, putter.get('t1')))?.payload).toBe('new');
    expect((await resolved(cluster, putter.stats())).states).toMatchObject({
      taken: 0,
      suspect: 0,
      ready: 2,
    });
  });

  it('gives back, unspent, what a take brings while the loop ends', async () => {
    const { cluster, putter, work, stop } = await scene();
    let calls = 0;
    const loop = work(() => {
      calls++;
      return { done: true };
    });
    await cluster.clock.advance(50);
    const expiresAt = cluster.clock.wallMs() + 30_000;
    void putter.put({ id: 't1', payload: 'p', expiresAt, provider: 'acme' });
    // The log has given the task away; the answer is on its way.
    await cluster.clock.advance(3);
    expect(cluster.node('a').group.machine.state.stats('tokens').states.taken).toBe(1);
    stop.abort();
    await resolved(cluster, loop, 200);
    expect(calls).toBe(0);
    expect((await resolved(cluster, putter.stats())).states).toMatchObject({
      taken: 0,
      suspect: 0,
      ready: 1,
    });
  });

  it('goes on through the loss of its leader and of its node', async () => {
    const { cluster, putter, put, work, errors, worker } = await scene();
    const calls = new Map<string, number>();
    void work(
      ({ task }) => {
        calls.set(task.id, (calls.get(task.id) ?? 0) + 1);
        return { payload: 'new', expiresAt: cluster.clock.wallMs() + hour };
      },
      { concurrency: 4 },
    );
    const ids = Array.from({ length: 12 }, (_, i) => `t${i}`);
    await put(...ids.slice(0, 4));
    cluster.fate = 'commitAndLose';
    const puts = put(...ids.slice(4, 8)).catch(() => undefined);
    await cluster.clock.advance(50);
    cluster.lead('c');
    await cluster.clock.advance(200);
    await puts;
    worker.sockets[0]?.cut('timeout');
    await cluster.clock.advance(500);
    await put(...ids.slice(8));
    await cluster.clock.advance(500);
    expect(errors).toEqual([]);
    expect([...calls.values()]).toEqual(Array(12).fill(1));
    expect((await resolved(cluster, putter.stats())).states).toMatchObject({
      delayed: 12,
      suspect: 0,
      taken: 0,
    });
  });

  it('rejects when it may not take, and when onError throws', async () => {
    const cluster = new TestCluster();
    cluster.lead('a');
    const putter = testClient(cluster, { endpoints: ['b'], may: new Set(['put']) });
    const forbidden = tokensOf(putter.client).work(() => ({ done: true }), { workerId: 'w1' });
    expect(await rejected(cluster, forbidden, 100)).toMatchObject({ code: 'FORBIDDEN' });
    const { cluster: other, put, work } = await scene();
    await put('t1');
    const fatal = new Error('stop everything');
    const ended = work(
      () => {
        throw new Error('handler');
      },
      {
        onError: () => {
          throw fatal;
        },
      },
    );
    expect(await rejected(other, ended, 500)).toBe(fatal);
  });
});
