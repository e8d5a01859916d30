import { describe, expect, it } from 'vitest';
import { json } from '../../src/client/codec.ts';
import type { Lease, Queue, QueueClient } from '../../src/client/types.ts';
import { endOf, rejected, resolved, testClient } from './test-client.ts';
import { TestCluster } from './test-cluster.ts';

const codec = json<string>();
const tokensOf = (client: QueueClient): Queue<string> => client.queue('tokens', { codec });
const soon = (cluster: TestCluster): number => cluster.clock.wallMs() + 30_000;
const none = (): Promise<never> => Promise.reject(new Error('no lease'));

/** A cluster with one task of a static provider, and the client that put it. */
async function withTask(
  kind: 'static' | 'rotating' = 'static',
): Promise<{ cluster: TestCluster; putter: Queue<string> }> {
  const cluster = new TestCluster();
  cluster.lead('a');
  await cluster.clock.settle();
  const putter = tokensOf(testClient(cluster, { endpoints: ['c'], seed: 99 }).client);
  await resolved(cluster, putter.setProvider('acme', { kind }));
  await resolved(
    cluster,
    putter.put({ id: 't1', payload: 'one', expiresAt: soon(cluster), provider: 'acme' }),
  );
  return { cluster, putter };
}

async function takeOne(cluster: TestCluster, tokens: Queue<string>): Promise<Lease<string>> {
  const [lease] = await resolved(cluster, tokens.take());
  return lease ?? none();
}

describe('a client that closes its socket', () => {
  it('gives its tasks back at once: a waiting take gets them in milliseconds (I18)', async () => {
    const { cluster, putter } = await withTask();
    const holder = testClient(cluster, { endpoints: ['b'], seed: 1 });
    await takeOne(cluster, tokensOf(holder.client));
    const waiting = putter.take({ waitMs: 30_000 });
    await cluster.clock.advance(50);
    void holder.client.close();
    expect((await resolved(cluster, waiting, 10))[0]).toMatchObject({ fence: 2, attempt: 2 });
  });

  it('before its take is applied leaves no task taken by nobody (pitfall 95)', async () => {
    const { cluster, putter } = await withTask();
    const holder = testClient(cluster, { endpoints: ['b'], seed: 1 });
    await cluster.clock.advance(50);
    void tokensOf(holder.client)
      .take()
      .catch(() => undefined);
    await cluster.clock.settle();
    void holder.client.close();
    await cluster.clock.advance(100);
    expect((await resolved(cluster, putter.stats())).states).toMatchObject({ taken: 0, ready: 1 });
  });

  it('before its attach is answered is detached when the answer comes', async () => {
    const { cluster, putter } = await withTask();
    cluster.fate = 'stall';
    const holder = testClient(cluster, { endpoints: ['b'], seed: 1 });
    await cluster.clock.advance(20);
    void holder.client.close();
    await cluster.clock.advance(20);
    cluster.fate = 'commit';
    cluster.lead('a');
    await cluster.clock.advance(100);
    expect((await resolved(cluster, putter.stats())).sessions).toBe(1);
  });

  it('while nobody leads is detached by the next leader', async () => {
    const { cluster, putter } = await withTask();
    const holder = testClient(cluster, { endpoints: ['b'], seed: 1 });
    await takeOne(cluster, tokensOf(holder.client));
    cluster.lead(undefined);
    void holder.client.close();
    await cluster.clock.advance(300);
    cluster.lead('c');
    await cluster.clock.advance(20);
    expect((await resolved(cluster, putter.stats())).states).toMatchObject({ taken: 0, ready: 1 });
  });
});

describe('a client whose socket breaks without a word', () => {
  it('comes back with its session within the timeout and acks its lease (pitfall 96)', async () => {
    const { cluster } = await withTask();
    const holder = testClient(cluster, { endpoints: ['b', 'c'], seed: 1 });
    const lease = await takeOne(cluster, tokensOf(holder.client));
    holder.sockets[0]?.cut('timeout');
    await cluster.clock.advance(1_000);
    expect(holder.sockets).toHaveLength(2);
    await cluster.clock.advance(5_000);
    expect(lease.signal.aborted).toBe(false);
    await resolved(cluster, lease.ack({ payload: 'two', expiresAt: cluster.clock.wallMs() + 3_600_000 }));
  });

  it('and does not come back loses its leases after the session timeout, not before (pitfall 97)', async () => {
    const { cluster, putter } = await withTask();
    const holder = testClient(cluster, { endpoints: ['b'], seed: 1 });
    const lease = await takeOne(cluster, tokensOf(holder.client));
    holder.down.add('b');
    holder.sockets[0]?.cut('timeout');
    const waiting = putter.take({ waitMs: 30_000 });
    expect(await endOf(cluster, waiting, 2_200)).toBe('pending');
    expect((await resolved(cluster, waiting, 2_000))[0]?.task.id).toBe('t1');
    holder.down.clear();
    await cluster.clock.advance(3_000);
    const late = lease.ack({ payload: 'late', expiresAt: cluster.clock.wallMs() + 3_600_000 });
    expect(await rejected(cluster, late)).toMatchObject({ code: 'STALE_LEASE' });
  });

  it('replays what was under way with the same ids at another node, applied once', async () => {
    const { cluster, putter } = await withTask();
    const writer = testClient(cluster, { endpoints: ['b', 'c'], seed: 1 });
    await cluster.clock.advance(50);
    const puts = ['t2', 't3', 't4'].map((id) =>
      tokensOf(writer.client).put({ id, payload: id, expiresAt: soon(cluster) }, { ifAbsent: true }),
    );
    await cluster.clock.settle();
    writer.sockets[0]?.cut('timeout');
    const results = await resolved(cluster, Promise.all(puts), 1_000);
    expect(results).toEqual(Array(3).fill({ version: 1, created: true }));
    expect((await resolved(cluster, putter.stats())).states.ready).toBe(4);
  });
});

describe('a client that is frozen', () => {
  it('expires although its socket stands: a renewal lists who was heard (pitfalls 94, 97)', async () => {
    const { cluster, putter } = await withTask();
    const holder = testClient(cluster, { endpoints: ['b'], seed: 1 });
    const lease = await takeOne(cluster, tokensOf(holder.client));
    const socket = holder.sockets[0];
    if (socket === undefined) throw new Error('no socket');
    socket.frozen = true;
    holder.down.add('b');
    const waiting = putter.take({ waitMs: 30_000 });
    expect(await endOf(cluster, waiting, 2_000)).toBe('pending');
    expect((await resolved(cluster, waiting, 2_500))[0]?.fence).toBe(2);
    // It thaws: its old fence changes nothing.
    holder.down.clear();
    const late = lease.ack({ payload: 'late', expiresAt: cluster.clock.wallMs() + 3_600_000 });
    expect(await rejected(cluster, late, 3_000)).toMatchObject({ code: 'STALE_LEASE' });
  });

  it('takes again after its session ended: the session is attached anew', async () => {
    const { cluster, putter } = await withTask();
    const holder = testClient(cluster, { endpoints: ['b'], seed: 1 });
    await cluster.clock.advance(50);
    const socket = holder.sockets[0];
    if (socket === undefined) throw new Error('no socket');
    socket.frozen = true;
    holder.down.add('b');
    await cluster.clock.advance(5_000);
    holder.down.clear();
    expect((await resolved(cluster, tokensOf(holder.client).take(), 3_000))[0]?.task.id).toBe('t1');
    expect((await resolved(cluster, putter.stats())).states.taken).toBe(1);
  });
});

describe('a client that leaves a silent node', () => {
  it('says that it goes on elsewhere: its session is not ended', async () => {
    const { cluster, putter } = await withTask();
    const holder = testClient(cluster, { endpoints: ['b', 'c'], seed: 1 });
    const lease = await takeOne(cluster, tokensOf(holder.client));
    const socket = holder.sockets[0];
    if (socket === undefined) throw new Error('no socket');
    socket.mute = true;
    await cluster.clock.advance(3_000);
    expect(holder.sockets).toHaveLength(2);
    expect(lease.signal.aborted).toBe(false);
    expect((await resolved(cluster, putter.stats())).states.taken).toBe(1);
  });

  it('is told at its node, as soon as that knows, that its session is over', async () => {
    const { cluster, putter } = await withTask();
    const holder = testClient(cluster, { endpoints: ['b'], seed: 1 });
    const lease = await takeOne(cluster, tokensOf(holder.client));
    await resolved(cluster, putter.setPolicy({ sessionTimeoutMs: 100 }));
    await cluster.clock.advance(4_500);
    expect(lease.signal.aborted).toBe(true);
    // It attaches the session again without being asked for anything, each time it ends.
    await resolved(cluster, putter.setPolicy({}));
    await cluster.clock.advance(1_000);
    expect((await resolved(cluster, putter.stats())).sessions).toBe(2);
  });
});

describe('a lease', () => {
  it('that ends because the task is put again aborts its signal, and its ack is refused', async () => {
    const { cluster, putter } = await withTask();
    const lease = await takeOne(cluster, tokensOf(testClient(cluster, { endpoints: ['b'], seed: 1 }).client));
    expect(lease.signal.aborted).toBe(false);
    await resolved(
      cluster,
      putter.put({ id: 't1', payload: 'new', expiresAt: soon(cluster), provider: 'acme' }),
    );
    expect(lease.signal.aborted).toBe(true);
    expect(lease.signal.reason).toMatchObject({ code: 'STALE_LEASE' });
    const late = lease.ack({ payload: 'late', expiresAt: cluster.clock.wallMs() + 3_600_000 });
    expect(await rejected(cluster, late)).toMatchObject({ code: 'STALE_LEASE', outcome: 'refused' });
    expect((await resolved(cluster, putter.get('t1')))?.payload).toBe('new');
  });

  it('ends after its time to run, on an idle cluster too', async () => {
    const { cluster, putter } = await withTask();
    const holder = tokensOf(testClient(cluster, { endpoints: ['b'], seed: 1 }).client);
    const [lease] = await resolved(cluster, holder.take({ ttrMs: 5_000 }));
    const waiting = putter.take({ waitMs: 30_000 });
    expect(await endOf(cluster, waiting, 4_800)).toBe('pending');
    expect((await resolved(cluster, waiting, 400))[0]?.fence).toBe(2);
    expect(lease?.signal.aborted).toBe(true);
  });

  it('of a rotating provider, given back before the call, is ready at once', async () => {
    const { cluster, putter } = await withTask('rotating');
    const lease = await takeOne(cluster, tokensOf(testClient(cluster, { endpoints: ['b'], seed: 1 }).client));
    await resolved(cluster, lease.release({ callMade: false }));
    expect((await resolved(cluster, putter.stats())).states).toMatchObject({ ready: 1, suspect: 0 });
  });
});
