import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { json } from '../../src/client/codec.ts';
import type { Queue, QueueClient } from '../../src/client/types.ts';
import { connect } from '../../src/connect.ts';
import { ProcessCluster } from './node-process.ts';

const secrets = {
  app: 'the secret of an application, 32 bytes',
  updater: 'the secret of an updater, thirty-two b',
};
const codec = json<string>();
const soon = (): number => Date.now() + 30_000;

let cluster: ProcessCluster;
let clients: QueueClient[];

beforeEach(async () => {
  clients = [];
  cluster = new ProcessCluster({
    clients: {
      app: { secret: secrets.app, may: ['put', 'get', 'take', 'admin'] },
      updater: { secret: secrets.updater, may: ['take'] },
    },
  });
  await cluster.start();
  await cluster.leader();
});
afterEach(async () => {
  await Promise.all(clients.map((client) => client.close()));
  await cluster.stop();
});

async function client(
  name: keyof typeof secrets = 'app',
  endpoints = cluster.addresses,
): Promise<QueueClient> {
  const made = await connect({ endpoints, name, secret: secrets[name] });
  clients.push(made);
  return made;
}
const tokensOf = (made: QueueClient): Queue<string> => made.queue('tokens', { codec });

describe('the queue over sockets of three node processes', () => {
  it('stores, hands out, takes back and waits, through any node', async () => {
    const each = await Promise.all(cluster.addresses.map((address) => client('app', [address])));
    const [one, two, three] = each.map(tokensOf);
    await one!.put({ id: 't1', payload: 'secret one', expiresAt: soon() });
    const [lease] = await two!.take();
    expect(lease?.task.payload).toBe('secret one');
    await lease!.ack({ payload: 'secret two', expiresAt: Date.now() + 3_600_000 });
    expect((await three!.get('t1'))?.payload).toBe('secret two');
    const waiting = three!.take({ waitMs: 10_000 });
    await one!.put({ id: 't2', payload: 'later', expiresAt: soon() });
    expect((await waiting)[0]?.task.id).toBe('t2');
  });

  it('refuses a wrong secret, and what a secret does not allow', async () => {
    const wrong = {
      endpoints: cluster.addresses,
      name: 'app',
      secret: 'a secret that no node has ever heard of',
    };
    await expect(connect(wrong)).rejects.toMatchObject({ code: 'HANDSHAKE_REFUSED', reason: 'wrongSecret' });
    const updater = tokensOf(await client('updater'));
    const put = updater.put({ id: 't1', payload: 'x', expiresAt: soon() });
    await expect(put).rejects.toMatchObject({ code: 'FORBIDDEN', outcome: 'refused' });
    expect(await updater.take()).toEqual([]);
  });

  it('loses no acknowledged request and applies none twice when the leader is killed with -9 under load', async () => {
    const { id: leaderId } = await cluster.leader();
    const tokens = tokensOf(await client());
    await tokens.setProvider('acme', { kind: 'static' });
    const created = new Map<string, boolean>();
    const versions: number[] = [];
    let isOver = false;
    const writers = Array.from({ length: 20 }, async (_, writer) => {
      for (let i = 0; !isOver; i++) {
        const id = `w${writer}-${i}`;
        const put = await tokens.put(
          { id, payload: id, expiresAt: soon(), provider: 'acme' },
          { ifAbsent: true },
        );
        created.set(id, put.created);
        versions.push(put.version);
      }
    });
    await new Promise((resolve) => setTimeout(resolve, 500));
    await cluster.nodes.get(leaderId)!.kill();
    await new Promise((resolve) => setTimeout(resolve, 1_500));
    isOver = true;
    await Promise.all(writers);
    // `ifAbsent` would refuse a second application; a version above 1 would show one, too.
    expect([...created.values()].every((isNew) => isNew)).toBe(true);
    expect(new Set(versions)).toEqual(new Set([1]));
    const seen = new Set<string>();
    for (;;) {
      const leases = await tokens.take({ limit: 500 });
      if (leases.length === 0) break;
      await Promise.all(leases.map((lease) => lease.ack({ done: true })));
      for (const lease of leases) {
        expect(seen.has(lease.task.id)).toBe(false);
        seen.add(lease.task.id);
      }
    }
    expect(seen).toEqual(new Set(created.keys()));
  });

  it('gives the tasks of a client that goes away to the next in milliseconds', async () => {
    const holder = await client();
    const next = tokensOf(await client());
    await next.setProvider('acme', { kind: 'static' });
    await next.put({ id: 't1', payload: 'x', expiresAt: soon(), provider: 'acme' });
    const [held] = await tokensOf(holder).take();
    expect(held?.task.id).toBe('t1');
    const waiting = next.take({ waitMs: 10_000 });
    await new Promise((resolve) => setTimeout(resolve, 100));
    const closedAt = performance.now();
    await holder.close();
    const [lease] = await waiting;
    expect(lease?.task.id).toBe('t1');
    expect(performance.now() - closedAt).toBeLessThan(500);
  });

  it('works through a list of tasks with an updater loop while the leader is killed', async () => {
    const tokens = tokensOf(await client());
    const ids = Array.from({ length: 200 }, (_, i) => `t${i}`);
    await tokens.setProvider('acme', { kind: 'rotating' });
    await Promise.all(ids.map((id) => tokens.put({ id, payload: '0', expiresAt: soon(), provider: 'acme' })));
    const calls = new Map<string, number>();
    const errors: unknown[] = [];
    const stop = new AbortController();
    const updater = tokensOf(await client('updater'));
    const work = updater.work(
      async ({ task }) => {
        calls.set(task.id, (calls.get(task.id) ?? 0) + 1);
        await new Promise((resolve) => setTimeout(resolve, 5));
        return { payload: '1', expiresAt: Date.now() + 3_600_000 };
      },
      { workerId: 'updater-1', concurrency: 5, signal: stop.signal, onError: (error) => errors.push(error) },
    );
    const { node } = await cluster.leader();
    await node.kill();
    const untilMs = Date.now() + 15_000;
    while (calls.size < ids.length && Date.now() < untilMs)
      await new Promise((resolve) => setTimeout(resolve, 20));
    stop.abort();
    await work;
    expect(errors).toEqual([]);
    expect(calls.size).toBe(ids.length);
    expect(Math.max(...calls.values())).toBe(1);
    const records = await Promise.all(ids.map((id) => tokens.get(id)));
    expect(records.every((record) => record?.payload === '1')).toBe(true);
  });
});
