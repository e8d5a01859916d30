import { describe, expect, it } from 'vitest';
import { json } from '../../src/client/codec.ts';
import type { Queue, QueueClient } from '../../src/client/types.ts';
import { decodeHeader } from '../../src/wire/client-header.ts';
import { endOf, rejected, resolved, testClient } from '../service/test-client.ts';
import { TestCluster } from '../service/test-cluster.ts';

const codec = json<string>();
const tokensOf = (client: QueueClient): Queue<string> => client.queue('tokens', { codec });
const soon = (cluster: TestCluster): number => cluster.clock.wallMs() + 30_000;

async function started(): Promise<TestCluster> {
  const cluster = new TestCluster();
  cluster.lead('a');
  await cluster.clock.settle();
  return cluster;
}

describe('a call', () => {
  it('rejects with the reason of its signal, before and after it was sent', async () => {
    const cluster = await started();
    const tokens = tokensOf(testClient(cluster, { endpoints: ['b'] }).client);
    const reason = new Error('enough');
    expect(await rejected(cluster, tokens.take({ signal: AbortSignal.abort(reason) }))).toBe(reason);
    const stop = new AbortController();
    const taken = tokens.take({ waitMs: 10_000, signal: stop.signal });
    await cluster.clock.advance(50);
    stop.abort(reason);
    expect(await rejected(cluster, taken)).toBe(reason);
  });

  it('that takes and is aborted gives back what it got (pitfall 95)', async () => {
    const cluster = await started();
    const tokens = tokensOf(testClient(cluster, { endpoints: ['b'] }).client);
    await resolved(cluster, tokens.put({ id: 't1', payload: 'one', expiresAt: soon(cluster) }));
    const stop = new AbortController();
    const taken = tokens.take({ signal: stop.signal });
    await cluster.clock.settle();
    stop.abort(new Error('enough'));
    await rejected(cluster, taken, 100);
    expect((await resolved(cluster, tokens.stats())).states).toMatchObject({
      taken: 0,
      ready: 1,
      suspect: 0,
    });
  });

  it('that takes and is not answered in time is unknown; it is asked on, and what it got is given back', async () => {
    const cluster = await started();
    const tokens = tokensOf(testClient(cluster, { endpoints: ['b'] }).client);
    await resolved(cluster, tokens.put({ id: 't1', payload: 'one', expiresAt: soon(cluster) }));
    cluster.fate = 'commitAndLose';
    const taken = tokens.take({ timeoutMs: 1_000 });
    expect(await rejected(cluster, taken, 1_200)).toMatchObject({
      code: 'UNKNOWN_OUTCOME',
      outcome: 'unknown',
    });
    await cluster.clock.advance(1_000);
    cluster.lead('c');
    await cluster.clock.advance(6_000);
    expect((await resolved(cluster, tokens.stats())).states).toMatchObject({
      taken: 0,
      ready: 1,
      suspect: 0,
    });
  });

  it('that waits and is aborted leaves the line: the task goes to the next', async () => {
    const cluster = await started();
    const tokens = tokensOf(testClient(cluster, { endpoints: ['b'] }).client);
    const stop = new AbortController();
    const first = tokens.take({ waitMs: 10_000, signal: stop.signal });
    await cluster.clock.advance(50);
    const second = tokens.take({ waitMs: 10_000 });
    await cluster.clock.advance(50);
    stop.abort(new Error('enough'));
    await rejected(cluster, first);
    await resolved(cluster, tokens.put({ id: 't1', payload: 'one', expiresAt: soon(cluster) }));
    expect((await resolved(cluster, second))[0]).toMatchObject({ fence: 1 });
  });

  it('that is not answered ends as unknown and is applied by no later copy', async () => {
    const cluster = await started();
    const tokens = tokensOf(testClient(cluster, { endpoints: ['b'] }).client);
    await cluster.clock.advance(50);
    cluster.fate = 'lose';
    const put = tokens.put({ id: 't1', payload: 'one', expiresAt: soon(cluster) }, { timeoutMs: 1_000 });
    expect(await rejected(cluster, put, 1_200)).toMatchObject({ code: 'UNKNOWN_OUTCOME', retryable: true });
    cluster.lead('c');
    await cluster.clock.advance(1_000);
    expect(await resolved(cluster, tokens.get('t1'))).toBeUndefined();
  });

  it('that was never sent ends as refused', async () => {
    const cluster = await started();
    const test = testClient(cluster, { endpoints: ['b'], down: ['b'] });
    const tokens = tokensOf(test.client);
    const put = tokens.put({ id: 't1', payload: 'one', expiresAt: soon(cluster) }, { timeoutMs: 500 });
    expect(await rejected(cluster, put, 600)).toMatchObject({
      code: 'DEADLINE_EXCEEDED',
      outcome: 'refused',
    });
  });

  it('is checked before anything is sent', async () => {
    const cluster = await started();
    const { client } = testClient(cluster, { endpoints: ['b'] });
    const tokens = tokensOf(client);
    const good = { id: 't', payload: 'p', expiresAt: soon(cluster) };
    const wrong: readonly (readonly [() => Promise<unknown>, string])[] = [
      [() => tokens.put({ ...good, id: '' }), 'INVALID_ARGUMENT'],
      [() => tokens.put({ ...good, id: 'x'.repeat(257) }), 'TOO_LARGE'],
      [() => tokens.put({ ...good, payload: 'x'.repeat(65_536) }), 'TOO_LARGE'],
      [() => tokens.put({ ...good, expiresAt: -1 }), 'INVALID_ARGUMENT'],
      [() => tokens.put({ ...good, weight: 1_000_001 }), 'INVALID_ARGUMENT'],
      [() => tokens.put({ ...good, provider: 'a b' }), 'INVALID_ARGUMENT'],
      [() => tokens.take({ limit: 0 }), 'INVALID_ARGUMENT'],
      [() => tokens.take({ limit: 1_001 }), 'INVALID_ARGUMENT'],
      [() => tokens.take({ waitMs: -1 }), 'INVALID_ARGUMENT'],
      [() => tokens.get('t', { maxAgeMs: Number.NaN }), 'INVALID_ARGUMENT'],
      [() => tokens.work(() => ({ done: true }), { workerId: '' }), 'INVALID_ARGUMENT'],
    ];
    for (const [call, code] of wrong) expect(await rejected(cluster, call())).toMatchObject({ code });
    expect(() => client.queue('no such name!')).toThrow(
      expect.objectContaining({ code: 'INVALID_ARGUMENT' }),
    );
  });
});

describe('reading any replica', () => {
  it('answers from the node that is connected, with the age of what it has', async () => {
    const cluster = await started();
    const tokens = tokensOf(testClient(cluster, { endpoints: ['b'] }).client);
    await resolved(cluster, tokens.put({ id: 't1', payload: 'one', expiresAt: soon(cluster) }));
    await cluster.clock.advance(300);
    const before = cluster.frames.length;
    const record = await resolved(cluster, tokens.get('t1', { read: 'any' }), 1);
    expect(record?.payload).toBe('one');
    expect(record?.ageMs).toBeGreaterThan(0);
    expect(cluster.frames.slice(before).filter(({ frame }) => decodeHeader(frame).kind === 'get')).toEqual(
      [],
    );
  });

  it('asks the leader when the replica may be too old', async () => {
    const cluster = await started();
    const tokens = tokensOf(testClient(cluster, { endpoints: ['b'] }).client);
    await resolved(cluster, tokens.put({ id: 't1', payload: 'one', expiresAt: soon(cluster) }));
    await cluster.clock.advance(300);
    expect(await resolved(cluster, tokens.get('t1', { read: 'any', maxAgeMs: 10 }))).toMatchObject({
      ageMs: 0,
    });
  });
});

describe('an idle client', () => {
  it('keeps its one link, its session and its leases', async () => {
    const cluster = await started();
    const { client, sockets } = testClient(cluster, { endpoints: ['b'] });
    const tokens = tokensOf(client);
    await resolved(cluster, tokens.put({ id: 't1', payload: 'one', expiresAt: soon(cluster) }));
    const [lease] = await resolved(cluster, tokens.take({ ttrMs: 300_000 }));
    await cluster.clock.advance(60_000);
    expect(sockets).toHaveLength(1);
    expect(client.connected).toBe(true);
    expect(lease?.signal.aborted).toBe(false);
  });
});

describe('a client that the cluster has forgotten', () => {
  it('goes on under a new identity without an error, if nothing of it is unknown', async () => {
    const cluster = await started();
    const test = testClient(cluster, { endpoints: ['b'] });
    const tokens = tokensOf(test.client);
    await resolved(cluster, tokens.setPolicy({ sessionTimeoutMs: 3_000, clientTimeoutMs: 10_000 }));
    const socket = test.sockets[0];
    if (socket === undefined) throw new Error('no socket');
    test.down.add('b');
    socket.cut('timeout');
    await cluster.clock.advance(20_000);
    test.down.clear();
    const put = tokens.put({ id: 't1', payload: 'one', expiresAt: soon(cluster) });
    expect(await resolved(cluster, put, 5_000)).toEqual({ version: 1, created: true });
    expect(new Set(test.sockets.map(({ client }) => client)).size).toBe(2);
  });

  it('does not repeat what may have been applied: that stays unknown', async () => {
    const cluster = await started();
    const test = testClient(cluster, { endpoints: ['b'] });
    const tokens = tokensOf(test.client);
    await resolved(cluster, tokens.setPolicy({ sessionTimeoutMs: 3_000, clientTimeoutMs: 10_000 }));
    const put = tokens.put({ id: 't1', payload: 'one', expiresAt: soon(cluster) }, { timeoutMs: 60_000 });
    await cluster.clock.settle();
    test.down.add('b');
    test.sockets[0]?.cut('timeout');
    await cluster.clock.advance(20_000);
    test.down.clear();
    expect(await rejected(cluster, put, 5_000)).toMatchObject({ code: 'UNKNOWN_OUTCOME' });
  });
});

describe('the window of requests', () => {
  it('does not fill up behind a take that waits long', async () => {
    const cluster = await started();
    const tokens = tokensOf(testClient(cluster, { endpoints: ['b'] }).client);
    const other = tokensOf(testClient(cluster, { endpoints: ['c'], seed: 4 }).client);
    const waiting = other.take({ waitMs: 60_000 });
    const idle: Queue<string> = tokens;
    const mine = idle.take({ waitMs: 60_000 });
    await cluster.clock.advance(50);
    const queue = 'elsewhere';
    const elsewhere = testClient(cluster, { endpoints: ['b'], seed: 8 }).client.queue(queue, { codec });
    const blocked = elsewhere.take({ waitMs: 60_000 });
    const puts = Array.from({ length: 3_000 }, (_, i) =>
      elsewhere.put({ id: `t${i}`, payload: 'x', expiresAt: cluster.clock.wallMs() + 3_600_000 }),
    );
    await resolved(cluster, Promise.all(puts), 500);
    expect(await endOf(cluster, blocked, 50)).toBe('pending');
    await resolved(cluster, elsewhere.put({ id: 'due', payload: 'x', expiresAt: soon(cluster) }));
    expect((await resolved(cluster, blocked))[0]?.task.id).toBe('due');
    expect(await endOf(cluster, Promise.race([waiting, mine]), 10)).toBe('pending');
  });

  it('is bounded: more calls than fit get BusyError at once', async () => {
    const cluster = await started();
    const test = testClient(cluster, { endpoints: ['b'], down: ['b'] });
    const tokens = tokensOf(test.client);
    const ends = Array.from({ length: 11_100 }, () =>
      tokens
        .put({ id: 't', payload: 'x', expiresAt: soon(cluster) }, { timeoutMs: 300 })
        .catch((error) => error.code),
    );
    const codes = await resolved(cluster, Promise.all(ends), 500);
    expect(new Set(codes)).toEqual(new Set(['DEADLINE_EXCEEDED', 'BUSY']));
    expect(codes.filter((code) => code === 'BUSY').length).toBe(11_100 - 10_000 - 1_024);
  });
});

describe('closing a client', () => {
  it('ends its calls: unknown if something of them left, else closed', async () => {
    const cluster = await started();
    const { client } = testClient(cluster, { endpoints: ['b'] });
    const tokens = tokensOf(client);
    await cluster.clock.advance(50);
    cluster.fate = 'stall';
    const sent = tokens.put({ id: 't1', payload: 'x', expiresAt: soon(cluster) });
    const end = rejected(cluster, sent, 50);
    await client.close();
    await client.close();
    expect(await end).toMatchObject({ code: 'UNKNOWN_OUTCOME' });
    expect(await rejected(cluster, tokens.get('t1'))).toMatchObject({ code: 'CLOSED' });
  });
});
