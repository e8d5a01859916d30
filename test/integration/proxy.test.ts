import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { connect } from '../../src/connect.ts';
import { codec, everything, ProxyWorld, secrets, soon, tokensOf, until } from './proxy-world.ts';

let world: ProxyWorld;

beforeEach(async () => {
  world = await ProxyWorld.start();
});
afterEach(() => world.stop());

const idsOf = (count: number): readonly string[] => Array.from({ length: count }, (_, i) => `t${i}`);

describe('a proxy before two clusters', () => {
  it('stores, reads, hands out and takes back over both shards', async () => {
    const proxy = await world.proxy();
    const tokens = tokensOf(await world.client(proxy));
    const ids = idsOf(40);
    await Promise.all(ids.map((id) => tokens.put({ id, payload: `secret of ${id}`, expiresAt: soon() })));
    expect(new Set(ids.map((id) => proxy.explain('tokens', id).shard))).toEqual(new Set(['one', 'two']));
    const read = await Promise.all(ids.map((id) => tokens.get(id)));
    expect(read.map((record) => record?.payload)).toEqual(ids.map((id) => `secret of ${id}`));
    const seen: string[] = [];
    while (seen.length < ids.length) {
      const leases = await tokens.take({ limit: 10, waitMs: 2_000 });
      for (const lease of leases) {
        seen.push(lease.task.id);
        await lease.ack({ done: true });
      }
    }
    expect(seen.sort()).toEqual([...ids].sort());
    expect((await tokens.stats()).states.ready).toBe(0);
    expect(JSON.stringify([proxy.status(), world.said])).not.toMatch(/secret/);
  });

  it('gives the tasks of a client that goes away to the next in milliseconds', async () => {
    const proxy = await world.proxy();
    const holder = await world.client(proxy);
    const next = tokensOf(await world.client(proxy));
    await next.setProvider('acme', { kind: 'static' });
    await next.put({ id: 't1', payload: 'x', expiresAt: soon(), provider: 'acme' });
    const held = tokensOf(holder);
    await until(() => proxy.status().sessions === 4);
    const [lease] = await held.take({ waitMs: 1_000 });
    expect(lease?.task.id).toBe('t1');
    const waiting = next.take({ waitMs: 10_000 });
    await holder.close();
    expect((await waiting)[0]?.task.id).toBe('t1');
  });

  it('holds what one shard cannot answer while its node is away, and lets the other go on', async () => {
    const proxy = await world.proxy();
    const tokens = tokensOf(await world.client(proxy));
    const ids = idsOf(20);
    await Promise.all(ids.map((id) => tokens.put({ id, payload: 'before', expiresAt: soon() })));
    await world.nodes.get('one')!.close();
    await until(() => proxy.status().shards[0]?.state === 'holding');
    const ends = new Map<string, Promise<unknown>>();
    for (const id of ids) ends.set(id, tokens.put({ id, payload: 'during', expiresAt: soon() }));
    const of = (shard: string) => ids.filter((id) => proxy.explain('tokens', id).shard === shard);
    await Promise.all(of('two').map((id) => ends.get(id)));
    expect(proxy.status().shards.map(({ held, inFlight }) => held + inFlight)).toEqual([of('one').length, 0]);
    await world.startNode('one');
    await Promise.all(of('one').map((id) => ends.get(id)));
    const records = await Promise.all(ids.map((id) => tokens.get(id)));
    expect(records.map((record) => [record?.payload, record?.version])).toEqual(ids.map(() => ['during', 2]));
  });

  it('costs each node one link for each proxy', async () => {
    const proxies = await Promise.all([1, 2, 3].map(() => world.proxy()));
    for (const proxy of proxies) {
      await until(() =>
        proxy.status().shards.every(({ nodes }) => nodes.every(({ connected }) => connected)),
      );
    }
    const clients = await Promise.all(idsOf(9).map(() => world.client(...proxies)));
    await Promise.all(
      clients.map((client, i) => tokensOf(client).put({ id: `t${i}`, payload: '', expiresAt: soon() })),
    );
    expect(proxies.reduce((sum, proxy) => sum + proxy.status().clients, 0)).toBe(9);
    for (const port of world.ports) expect(await world.socketsAt(port)).toBe(3);
  });

  it('refuses a secret that it does not know, and what a secret does not allow', async () => {
    const reader = { secret: 'the secret of somebody who only reads', may: ['get'] as const };
    const app = { secret: secrets.app, may: everything };
    const proxy = await world.proxy({ clients: { app, reader } });
    const wrong = { endpoints: [proxy.address], name: 'x', secret: 'a secret that nobody has heard of yet' };
    await expect(connect(wrong)).rejects.toMatchObject({ code: 'HANDSHAKE_REFUSED', reason: 'wrongSecret' });
    await using client = await connect({ endpoints: [proxy.address], name: 'x', secret: reader.secret });
    const put = client.queue('tokens', { codec }).put({ id: 't1', payload: 'x', expiresAt: soon() });
    await expect(put).rejects.toMatchObject({ outcome: 'refused' });
    expect(await client.queue('tokens', { codec }).get('t1')).toBeUndefined();
  });

  it('says that its own secret is not known at the nodes', async () => {
    const problems: string[] = [];
    const proxy = await world.proxy({ secret: 'a secret that no node has ever heard of' });
    proxy.on('problem', ({ kind, shard }) => problems.push(`${kind} ${shard}`));
    await until(() =>
      proxy.status().shards.every(({ nodes }) => nodes.every(({ problem }) => problem !== undefined)),
    );
    expect(world.said.join('\n')).toMatch(/wrongSecret/);
  });

  it('says that its account may not speak for other clients', async () => {
    const proxy = await world.proxy({ secret: secrets.router });
    const problems: string[] = [];
    proxy.on('problem', ({ kind }) => problems.push(kind));
    const client = await world.client(proxy);
    const put = tokensOf(client).put({ id: 't1', payload: 'x', expiresAt: soon() }, { timeoutMs: 1_500 });
    await expect(put).rejects.toMatchObject({ outcome: 'refused' });
    expect(problems.some((kind) => kind === 'forbidden')).toBe(true);
  });

  it('never uses a proxy as a node: a ring is reported, and ends requests with an error', async () => {
    const target = await world.proxy();
    world.write(world.map(1, 8_192, target.address));
    const ring = await world.proxy({
      secret: secrets.app,
      clients: { app: { secret: 'another secret of an application, 32', may: everything } },
    });
    await until(() => world.said.some((line) => line.includes('notANode')));
    const client = await connect({
      endpoints: [ring.address],
      name: 'x',
      secret: 'another secret of an application, 32',
    });
    const id = idsOf(20).find((each) => ring.explain('tokens', each).shard === 'two')!;
    const put = client
      .queue('tokens', { codec })
      .put({ id, payload: 'x', expiresAt: soon() }, { timeoutMs: 4_000 });
    await expect(put).rejects.toMatchObject({
      code: 'DEADLINE_EXCEEDED',
      message: expect.stringMatching(
        /shard two did not answer .* is a proxy; a shard needs the addresses of nodes$/,
      ),
    });
    await client.close();
  });

  it('lets what is under way come to its answer when it closes, and ends no session', async () => {
    const [first, second] = [await world.proxy(), await world.proxy()];
    const client = await world.client(first, second);
    const tokens = tokensOf(client);
    await tokens.setProvider('acme', { kind: 'static' });
    await tokens.put({ id: 't1', payload: 'x', expiresAt: soon(), provider: 'acme' });
    const [lease] = await tokens.take({ waitMs: 1_000 });
    const puts = idsOf(200).map((id) => tokens.put({ id: `p-${id}`, payload: 'x', expiresAt: soon() }));
    const used = first.status().clients === 1 ? first : second;
    await used.close();
    expect((await Promise.all(puts)).every(({ version }) => version === 1)).toBe(true);
    await lease!.ack({ done: true });
    expect(await tokens.get('t1')).toBeUndefined();
  });
});
