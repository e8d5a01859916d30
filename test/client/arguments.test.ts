import { describe, expect, it } from 'vitest';
import { json } from '../../src/client/codec.ts';
import type { QueueClient } from '../../src/client/types.ts';
import { rejected, resolved, testClient } from '../service/test-client.ts';
import { TestCluster } from '../service/test-cluster.ts';

/** What a caller without types may hand over. */
const any = (value: unknown): never => value as never;

describe('an argument that makes no sense', () => {
  it('is refused with a typed error, and costs the client neither its link nor its other calls', async () => {
    const cluster = new TestCluster();
    cluster.lead('a');
    const { client, sockets } = testClient(cluster, { endpoints: ['b'] });
    const tokens = client.queue('tokens', { codec: json<string>() });
    const good = { id: 't', payload: 'p', expiresAt: cluster.clock.wallMs() + 30_000 };
    await resolved(cluster, tokens.put(good));
    const [lease] = await resolved(cluster, tokens.take());
    if (lease === undefined) throw new Error('nothing was taken');
    const halfPair = 'x\ud800';
    const wrong: Record<string, () => Promise<unknown>> = {
      'half a surrogate pair in an id': () => tokens.put({ ...good, id: halfPair }),
      'half a surrogate pair in a read': () => tokens.get(halfPair),
      'half a surrogate pair in a reason': () => lease.bury(halfPair),
      'no name of a provider': () => tokens.put({ ...good, provider: any(null) }),
      'ifAbsent that is no boolean': () => tokens.put(good, { ifAbsent: any(1) }),
      'ifVersion beyond integers': () => tokens.put(good, { ifVersion: 2 ** 53 }),
      'expiresAt beyond integers': () => tokens.put({ ...good, expiresAt: 2 ** 53 }),
      'refreshAt that is no number': () => tokens.put({ ...good, refreshAt: any('soon') }),
      'a scope nobody knows': () => lease.release({ scope: any('cluster') }),
      'callMade that is no boolean': () => lease.release({ callMade: any('no') }),
      'a delay beyond ten years': () => lease.release({ delayMs: 1e15 }),
      'a read of nobody knows what': () => tokens.get('t', { read: any('follower') }),
      'a limit that is text': () => tokens.take({ limit: any('1') }),
      'a handler that is none': () => tokens.work(any(undefined), { workerId: 'w' }),
      'options that are none': () => tokens.work(() => ({ done: true }), any(undefined)),
      'no task': () => tokens.put(any(undefined)),
      'an answer that is none': () => lease.ack(any(undefined)),
    };
    for (const [what, call] of Object.entries(wrong)) {
      expect(await rejected(cluster, call()), what).toMatchObject({ code: 'INVALID_ARGUMENT' });
    }
    expect(() => client.queue(any(undefined))).toThrow(expect.objectContaining({ code: 'INVALID_ARGUMENT' }));
    expect(sockets).toHaveLength(1);
    await resolved(cluster, lease.ack({ done: true }));
  });

  it("from a handler is its own task's trouble", async () => {
    const cluster = new TestCluster();
    cluster.lead('a');
    const { client, sockets } = testClient(cluster, { endpoints: ['b'] });
    const tokens = client.queue('tokens', { codec: json<string>() });
    const expiresAt = cluster.clock.wallMs() + 30_000;
    for (const id of ['t1', 't2']) await resolved(cluster, tokens.put({ id, payload: 'p', expiresAt }));
    const errors: unknown[] = [];
    const handler = ({ task }: { readonly task: { readonly id: string } }) =>
      task.id === 't1' ? { retryAfterMs: 5, scope: any('cluster') } : ({ done: true } as const);
    const loop = tokens.work(handler, { workerId: 'w', onError: (error) => errors.push(error) });
    loop.catch(() => undefined);
    await cluster.clock.advance(200);
    expect(errors).toMatchObject([{ code: 'INVALID_ARGUMENT' }]);
    expect(sockets).toHaveLength(1);
    expect((await statesOf(cluster, client)).taken).toBe(0);
  });
});

async function statesOf(cluster: TestCluster, client: QueueClient): Promise<Record<string, number>> {
  return (await resolved(cluster, client.queue('tokens').stats())).states;
}
