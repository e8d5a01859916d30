import { describe, expect, it } from 'vitest';
import { json } from '../../src/client/codec.ts';
import type { Queue, QueueClient } from '../../src/client/types.ts';
import { decodeHeader } from '../../src/wire/client-header.ts';
import { endOf, rejected, resolved, testClient } from './test-client.ts';
import { type Fate, TestCluster } from './test-cluster.ts';

const codec = json<string>();
const tokensOf = (client: QueueClient): Queue<string> => client.queue('tokens', { codec });
const soon = (cluster: TestCluster): number => cluster.clock.wallMs() + 30_000;
const later = (cluster: TestCluster): number => cluster.clock.wallMs() + 3_600_000;

async function started(leader: string | null = 'a'): Promise<TestCluster> {
  const cluster = new TestCluster();
  cluster.lead(leader ?? undefined);
  await cluster.clock.settle();
  return cluster;
}

describe('a leader that is lost', () => {
  for (const fate of ['commitAndLose', 'lose'] as const satisfies readonly Fate[]) {
    for (const endpoint of ['a', 'b']) {
      it(`(${fate}, client at ${endpoint}) is no error: the same id is asked again and applied once (pitfall 101)`, async () => {
        const cluster = await started('a');
        const tokens = tokensOf(testClient(cluster, { endpoints: [endpoint] }).client);
        await resolved(cluster, tokens.put({ id: 't0', payload: 'zero', expiresAt: soon(cluster) }));
        cluster.fate = fate;
        const put = tokens.put({ id: 't1', payload: 'one', expiresAt: soon(cluster) }, { ifAbsent: true });
        expect(await endOf(cluster, put, 200)).toBe('pending');
        cluster.lead('c');
        expect(await resolved(cluster, put, 200)).toEqual({ version: 1, created: true });
        expect(await resolved(cluster, tokens.get('t1'))).toMatchObject({ payload: 'one', version: 1 });
      });
    }
  }

  it('without a word, frozen, is left for the next one: what it had is asked again there', async () => {
    const cluster = await started('a');
    const tokens = tokensOf(testClient(cluster, { endpoints: ['b'] }).client);
    await cluster.clock.advance(50);
    cluster.fate = 'stall';
    const put = tokens.put({ id: 't1', payload: 'one', expiresAt: soon(cluster) });
    expect(await endOf(cluster, put, 500)).toBe('pending');
    cluster.fate = 'commit';
    cluster.lead('c');
    expect(await resolved(cluster, put, 100)).toMatchObject({ version: 1 });
  });

  it('after it gave a task away in the log gives the same task to the same take (pitfall 98)', async () => {
    const cluster = await started('a');
    const tokens = tokensOf(testClient(cluster, { endpoints: ['b'] }).client);
    await resolved(cluster, tokens.put({ id: 't1', payload: 'one', expiresAt: soon(cluster) }));
    cluster.fate = 'commitAndLose';
    const taken = tokens.take();
    await cluster.clock.advance(100);
    cluster.lead('c');
    const [lease] = await resolved(cluster, taken, 200);
    expect(lease).toMatchObject({ fence: 1, attempt: 1 });
    expect((await resolved(cluster, tokens.stats())).states).toMatchObject({ ready: 0, taken: 1 });
    await resolved(
      cluster,
      lease?.ack({ payload: 'two', expiresAt: later(cluster) }) ?? Promise.reject(new Error()),
    );
  });

  it('with waiting takes hands them to the next one', async () => {
    const cluster = await started('a');
    const tokens = tokensOf(testClient(cluster, { endpoints: ['b'] }).client);
    const taken = tokens.take({ waitMs: 30_000 });
    await cluster.clock.advance(100);
    cluster.lead(undefined);
    await cluster.clock.advance(500);
    cluster.lead('c');
    await cluster.clock.advance(100);
    await resolved(cluster, tokens.put({ id: 't1', payload: 'one', expiresAt: soon(cluster) }));
    expect((await resolved(cluster, taken))[0]?.task.id).toBe('t1');
  });

  it('does not end the session of a client whose node lives: its lease is good under the next leader', async () => {
    const cluster = await started('a');
    const tokens = tokensOf(testClient(cluster, { endpoints: ['b'] }).client);
    await resolved(cluster, tokens.put({ id: 't1', payload: 'one', expiresAt: soon(cluster) }));
    const [lease] = await resolved(cluster, tokens.take());
    cluster.lead(undefined);
    await cluster.clock.advance(2_500);
    cluster.lead('c');
    await cluster.clock.advance(4_000);
    expect(lease?.signal.aborted).toBe(false);
    await resolved(cluster, lease?.ack({ done: true }) ?? Promise.reject(new Error()));
  });
});

describe('a cluster without a leader', () => {
  it('refuses in time what was never in a log, as certainly not applied', async () => {
    const cluster = await started(null);
    const tokens = tokensOf(testClient(cluster).client);
    const put = tokens.put({ id: 't1', payload: 'one', expiresAt: soon(cluster) }, { timeoutMs: 1_000 });
    expect(await rejected(cluster, put, 1_100)).toMatchObject({
      code: 'DEADLINE_EXCEEDED',
      outcome: 'refused',
    });
  });

  it('keeps an outcome unknown that became unknown once, whatever later attempts say', async () => {
    const cluster = await started('a');
    const tokens = tokensOf(testClient(cluster, { endpoints: ['b'] }).client);
    await cluster.clock.advance(50);
    cluster.fate = 'lose';
    const put = tokens.put({ id: 't1', payload: 'one', expiresAt: soon(cluster) }, { timeoutMs: 2_000 });
    await cluster.clock.advance(100);
    cluster.fate = 'logFull';
    cluster.lead('c');
    expect(await rejected(cluster, put, 2_500)).toMatchObject({
      code: 'UNKNOWN_OUTCOME',
      outcome: 'unknown',
    });
  });

  it('refuses at a full log what never left, with a typed error', async () => {
    const cluster = await started('a');
    const tokens = tokensOf(testClient(cluster, { endpoints: ['b'] }).client);
    await cluster.clock.advance(50);
    cluster.fate = 'logFull';
    const put = tokens.put({ id: 't1', payload: 'one', expiresAt: soon(cluster) });
    expect(await rejected(cluster, put)).toMatchObject({ code: 'LOG_FULL', outcome: 'refused' });
  });

  it('waits for a full inbox instead of failing', async () => {
    const cluster = await started('a');
    const tokens = tokensOf(testClient(cluster, { endpoints: ['b'] }).client);
    await cluster.clock.advance(50);
    cluster.fate = 'busy';
    const put = tokens.put({ id: 't1', payload: 'one', expiresAt: soon(cluster) });
    expect(await endOf(cluster, put, 200)).toBe('pending');
    cluster.fate = 'commit';
    expect(await resolved(cluster, put, 200)).toMatchObject({ created: true });
  });
});

describe('a path between two nodes that is cut', () => {
  it('with requests on it sends them again when it is healed', async () => {
    const cluster = await started('a');
    const tokens = tokensOf(testClient(cluster, { endpoints: ['b'] }).client);
    await cluster.clock.advance(50);
    const put = tokens.put({ id: 't1', payload: 'one', expiresAt: soon(cluster) }, { ifAbsent: true });
    await cluster.clock.settle();
    cluster.cut('a', 'b');
    await cluster.clock.advance(500);
    cluster.cut('a', 'b', false);
    expect(await resolved(cluster, put, 200)).toEqual({ version: 1, created: true });
  });

  it('moves the client to another node, with its session and its leases', async () => {
    const cluster = await started('a');
    const { client, sockets } = testClient(cluster, { endpoints: ['b', 'c'] });
    const tokens = tokensOf(client);
    await resolved(cluster, tokens.put({ id: 't1', payload: 'one', expiresAt: soon(cluster) }));
    const [lease] = await resolved(cluster, tokens.take());
    cluster.cut('a', 'b');
    await cluster.clock.advance(1_200);
    expect(sockets.map((socket) => socket.node)).toEqual(['b', 'c']);
    cluster.cut('a', 'b', false);
    await cluster.clock.advance(5_000);
    expect(lease?.signal.aborted).toBe(false);
    await resolved(cluster, lease?.ack({ done: true }) ?? Promise.reject(new Error()));
  });
});

describe('a frame between nodes', () => {
  it('that was passed on once is answered by a node that does not lead, and passed on no further (P2)', async () => {
    const cluster = await started('a');
    const tokens = tokensOf(testClient(cluster, { endpoints: ['b'] }).client);
    await cluster.clock.advance(50);
    const before = cluster.frames.length;
    const put = tokens.put({ id: 't1', payload: 'one', expiresAt: soon(cluster) });
    cluster.leader = undefined;
    await cluster.clock.advance(1);
    const passed = cluster.frames
      .slice(before)
      .map(({ from, to, frame }) => ({ from, to, header: decodeHeader(frame) }));
    expect(passed.filter(({ header }) => header.kind === 'request').every(({ from }) => from === 'b')).toBe(
      true,
    );
    expect(passed.filter(({ header }) => header.kind === 'notLeader').every(({ from }) => from === 'a')).toBe(
      true,
    );
    expect(passed.every(({ header }) => header.marked && header.hops === 3)).toBe(true);
    cluster.lead('c');
    expect(await resolved(cluster, put, 200)).toMatchObject({ created: true });
  });

  it('that is garbage is dropped and counted', async () => {
    const cluster = await started('a');
    const { service } = cluster.node('a');
    for (const bytes of [new Uint8Array(0), new Uint8Array(64), new Uint8Array(500).fill(255)]) {
      service.fromNode(cluster.node('b').id, bytes);
    }
    expect(service.malformedCount).toBe(3);
  });
});
