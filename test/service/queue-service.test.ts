import { describe, expect, it } from 'vitest';
import { json } from '../../src/client/codec.ts';
import type { Queue, QueueClient } from '../../src/client/types.ts';
import { rejected, resolved, testClient } from './test-client.ts';
import { TestCluster } from './test-cluster.ts';

interface Token {
  readonly access: string;
}

const codec = json<Token>();
const tokensOf = (client: QueueClient): Queue<Token> => client.queue('tokens', { codec });
const soon = (cluster: TestCluster): number => cluster.clock.wallMs() + 30_000;

async function started(leader = 'a'): Promise<TestCluster> {
  const cluster = new TestCluster();
  cluster.lead(leader);
  await cluster.clock.settle();
  return cluster;
}

describe('a client of the queue', () => {
  it('puts, takes, acks and gets through the leader', async () => {
    const cluster = await started('a');
    const { client } = testClient(cluster, { endpoints: ['a'] });
    const tokens = tokensOf(client);
    await expect(
      resolved(cluster, tokens.put({ id: 't1', payload: { access: 'one' }, expiresAt: soon(cluster) })),
    ).resolves.toEqual({ version: 1, created: true });
    const [lease] = await resolved(cluster, tokens.take());
    expect(lease?.task).toMatchObject({ id: 't1', version: 1, payload: { access: 'one' } });
    const expiresAt = cluster.clock.wallMs() + 3_600_000;
    await resolved(
      cluster,
      lease?.ack({ payload: { access: 'two' }, expiresAt }) ?? Promise.reject(new Error('no lease')),
    );
    const record = await resolved(cluster, tokens.get('t1'));
    expect(record).toMatchObject({ payload: { access: 'two' }, expiresAt, state: 'delayed', ageMs: 0 });
    expect(await resolved(cluster, tokens.get('nobody'))).toBeUndefined();
    expect((await resolved(cluster, tokens.stats())).states).toMatchObject({ delayed: 1, taken: 0 });
  });

  it('is served through a node that does not lead', async () => {
    const cluster = await started('a');
    const { client } = testClient(cluster, { endpoints: ['b'] });
    const tokens = tokensOf(client);
    await resolved(cluster, tokens.put({ id: 't1', payload: { access: 'one' }, expiresAt: soon(cluster) }));
    const [lease] = await resolved(cluster, tokens.take());
    await resolved(cluster, lease?.ack({ done: true }) ?? Promise.reject(new Error('no lease')));
    expect(await resolved(cluster, tokens.get('t1'))).toBeUndefined();
  });

  it('waits for a task and gets it when it is put', async () => {
    const cluster = await started('a');
    const one = tokensOf(testClient(cluster, { endpoints: ['b'], seed: 1 }).client);
    const other = tokensOf(testClient(cluster, { endpoints: ['c'], seed: 2 }).client);
    const taken = one.take({ waitMs: 30_000 });
    await cluster.clock.advance(5_000);
    await resolved(cluster, other.put({ id: 't1', payload: { access: 'one' }, expiresAt: soon(cluster) }));
    const [lease] = await resolved(cluster, taken);
    expect(lease?.task.id).toBe('t1');
  });

  it('serves waiters in the order in which they came', async () => {
    const cluster = await started('a');
    const order: string[] = [];
    for (const [seed, name] of [
      [1, 'first'],
      [2, 'second'],
      [3, 'third'],
    ] as const) {
      const tokens = tokensOf(testClient(cluster, { endpoints: ['b'], seed }).client);
      void tokens
        .take({ waitMs: 30_000 })
        .then((leases) => order.push(...leases.map((lease) => `${name} ${lease.task.id}`)));
      await cluster.clock.advance(20);
    }
    const putter = tokensOf(testClient(cluster, { endpoints: ['c'], seed: 9 }).client);
    for (const id of ['t1', 't2', 't3']) {
      await resolved(cluster, putter.put({ id, payload: { access: id }, expiresAt: soon(cluster) }));
    }
    expect(order).toEqual(['first t1', 'second t2', 'third t3']);
  });

  it('wakes all waiters within a few entries when many tasks become ready in one (pitfall 100)', async () => {
    const cluster = await started('a');
    const got: string[] = [];
    const taker = tokensOf(testClient(cluster, { endpoints: ['b'], seed: 1 }).client);
    for (let count = 0; count < 40; count++) {
      void taker.take({ waitMs: 30_000 }).then((leases) => got.push(...leases.map((lease) => lease.task.id)));
    }
    await cluster.clock.advance(50);
    const putter = tokensOf(testClient(cluster, { endpoints: ['c'], seed: 9 }).client);
    for (let count = 0; count < 40; count++) {
      void putter.put({ id: `t${count}`, payload: { access: '' }, expiresAt: soon(cluster) });
    }
    await cluster.clock.advance(20);
    expect(new Set(got).size).toBe(40);
  });

  it('gets a task that was put in the very entry in which its take found nothing', async () => {
    const cluster = await started('a');
    const tokens = tokensOf(testClient(cluster, { endpoints: ['b'] }).client);
    await cluster.clock.advance(20);
    const taken = tokens.take({ waitMs: 30_000 });
    void tokens.put({ id: 't1', payload: { access: 'one' }, expiresAt: soon(cluster) });
    expect((await resolved(cluster, taken))[0]?.task.id).toBe('t1');
  });

  it('is answered empty when its wait is over, and no earlier', async () => {
    const cluster = await started('a');
    const tokens = tokensOf(testClient(cluster, { endpoints: ['b'] }).client);
    await cluster.clock.advance(20);
    let leases: unknown;
    void tokens.take({ waitMs: 1_000 }).then((value) => {
      leases = value;
    });
    await cluster.clock.advance(980);
    expect(leases).toBeUndefined();
    await cluster.clock.advance(60);
    expect(leases).toEqual([]);
  });

  it('is told when a task that was ahead of its time becomes ready: log time passes on an idle leader', async () => {
    const cluster = await started('a');
    const tokens = tokensOf(testClient(cluster, { endpoints: ['b'] }).client);
    const expiresAt = cluster.clock.wallMs() + 310_000;
    await resolved(cluster, tokens.put({ id: 't1', payload: { access: 'one' }, expiresAt }));
    const taken = tokens.take({ waitMs: 30_000 });
    const [lease] = await resolved(cluster, taken, 10_500);
    expect(lease?.task.id).toBe('t1');
  });

  it('gets what its secret allows and a typed error for the rest', async () => {
    const cluster = await started('a');
    const { client, sockets } = testClient(cluster, { endpoints: ['b'], may: new Set(['put']) });
    const tokens = tokensOf(client);
    await resolved(cluster, tokens.put({ id: 't1', payload: { access: 'one' }, expiresAt: soon(cluster) }));
    for (const call of [
      () => tokens.take(),
      () => tokens.get('t1'),
      () => tokens.stats(),
      () => tokens.setPolicy({}),
      () => tokens.setProvider('acme', {}),
    ]) {
      expect(await rejected(cluster, call())).toMatchObject({ code: 'FORBIDDEN', outcome: 'refused' });
    }
    expect(sockets).toHaveLength(1);
  });
});
