import { describe, expect, it } from 'vitest';
import { json } from '../../src/client/codec.ts';
import type { Work } from '../../src/client/types.ts';
import { rejected, resolved, testClient } from '../service/test-client.ts';
import { TestCluster } from '../service/test-cluster.ts';

const codec = json<string>();

function started(): { readonly cluster: TestCluster; readonly admin: ReturnType<typeof testClient> } {
  const cluster = new TestCluster();
  cluster.lead('a');
  return { cluster, admin: testClient(cluster, { endpoints: ['c'], seed: 99 }) };
}

describe('a client whom the cluster forgot', () => {
  it('repeats nothing, also when the answer that says so is lost: what was under way is unknown', async () => {
    const { cluster, admin } = started();
    const tokens = admin.client.queue('tokens', { codec });
    await resolved(cluster, tokens.setPolicy({ clientTimeoutMs: 5_000 }));
    const { client, sockets, down } = testClient(cluster, { endpoints: ['b'] });
    await cluster.clock.advance(50);
    const [first] = sockets;
    if (first === undefined) throw new Error('not connected');
    first.mute = true;
    const expiresAt = cluster.clock.wallMs() + 3_600_000;
    const put = client.queue('tokens', { codec }).put(
      { id: 't1', payload: 'one', expiresAt },
      {
        timeoutMs: Number.POSITIVE_INFINITY,
      },
    );
    put.catch(() => undefined);
    await cluster.clock.advance(50);
    down.add('b');
    first.cut('timeout');
    await cluster.clock.advance(20_000);
    expect(await resolved(cluster, tokens.get('t1'))).toMatchObject({ version: 1 });
    down.delete('b');
    while (sockets.length < 2) await cluster.clock.advance(1);
    // It is registered anew, and the answer is lost.
    sockets[1]!.mute = true;
    await cluster.clock.advance(20);
    sockets[1]!.cut('timeout');
    expect(await rejected(cluster, put, 5_000)).toMatchObject({ code: 'UNKNOWN_OUTCOME' });
    expect(await resolved(cluster, tokens.get('t1'))).toMatchObject({ version: 1 });
  });
});

/** A worker whose take of `t1` is applied, and who learns of it only `lostMs` later. */
async function learnsLate(lostMs: number): Promise<{
  readonly cluster: TestCluster;
  readonly started: { readonly fence: number; readonly atMs: number }[];
  readonly aborted: number[];
}> {
  const { cluster, admin } = started();
  const { client, sockets, down } = testClient(cluster, { endpoints: ['b'] });
  const tokens = admin.client.queue('tokens', { codec });
  const starts: { fence: number; atMs: number }[] = [];
  const aborted: number[] = [];
  const handler = ({ fence, signal }: Work<string>): Promise<never> => {
    starts.push({ fence, atMs: cluster.clock.monotonicMs() });
    return new Promise((_, reject) => {
      signal.addEventListener('abort', () => {
        aborted.push(cluster.clock.monotonicMs());
        reject(signal.reason);
      });
    });
  };
  const loop = client.queue('tokens', { codec }).work(handler, { workerId: 'w1', timeoutMs: 30_000 });
  loop.catch(() => undefined);
  await cluster.clock.advance(50);
  const [first] = sockets;
  if (first === undefined) throw new Error('not connected');
  first.mute = true;
  await resolved(
    cluster,
    tokens.put({ id: 't1', payload: 'one', expiresAt: cluster.clock.wallMs() + 30_000 }),
  );
  down.add('b');
  first.cut('timeout');
  await cluster.clock.advance(lostMs);
  down.delete('b');
  return { cluster, started: starts, aborted };
}

describe('a worker that learns late what it took', () => {
  it('works on it only until its call had to end: after that others may try the task', async () => {
    const { cluster, started: starts, aborted } = await learnsLate(10_000);
    const takenAtMs = cluster.clock.monotonicMs() - 10_000;
    await cluster.clock.advance(25_000);
    expect(starts).toMatchObject([{ fence: 1 }]);
    expect(starts[0]?.atMs).toBeGreaterThanOrEqual(takenAtMs + 10_000);
    expect(aborted).toHaveLength(1);
    expect(aborted[0]).toBeLessThanOrEqual(takenAtMs + 30_000);
  });

  it('gives it back unused when too little is left: no refresh token is at two providers at once', async () => {
    const { cluster, started: starts } = await learnsLate(20_000);
    await cluster.clock.advance(5_000);
    expect(starts).toMatchObject([{ fence: 2 }]);
  });
});
