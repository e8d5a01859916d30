import { describe, expect, it } from 'vitest';
import { json } from '../../src/client/codec.ts';
import { connectOver } from '../../src/client/connect.ts';
import { createQueueClient } from '../../src/client/create-client.ts';
import type { ConnectOptions } from '../../src/client/types.ts';
import { MemoryEscrow, MemoryEscrowDisk } from '../../src/storage/memory/memory-escrow.ts';
import { resolved, testClient } from '../service/test-client.ts';
import { TestClock, TestRandom } from '../service/test-clock.ts';
import { TestCluster } from '../service/test-cluster.ts';

const hour = 3_600_000;

/** A worker that took `t1` of a rotating provider; its handler answers when told to. */
async function working(): Promise<{
  readonly cluster: TestCluster;
  readonly worker: ReturnType<typeof testClient>;
  readonly disk: MemoryEscrowDisk;
  readonly loop: Promise<void>;
  answer(): void;
}> {
  const cluster = new TestCluster();
  cluster.lead('a');
  const disk = new MemoryEscrowDisk();
  const openEscrow = () => Promise.resolve(new MemoryEscrow({ disk }));
  const worker = testClient(cluster, { endpoints: ['b'], openEscrow });
  const tokens = worker.client.queue('tokens', { codec: json<string>() });
  await resolved(
    cluster,
    tokens.put({ id: 't1', payload: 'old', expiresAt: cluster.clock.wallMs() + 30_000 }),
  );
  let answer: () => void = () => {};
  const answered = new Promise<void>((resolve) => {
    answer = resolve;
  });
  const handler = async () => {
    await answered;
    return { payload: 'new', expiresAt: cluster.clock.wallMs() + hour };
  };
  const loop = tokens.work(handler, { workerId: 'w1' });
  loop.catch(() => undefined);
  await cluster.clock.advance(50);
  return { cluster, worker, disk, loop, answer };
}

describe('a client that is closed', () => {
  it('leaves no timer behind, whatever is called on it afterwards', async () => {
    const clock = new TestClock();
    const openChannel = () => new Promise<never>(() => {});
    const client = createQueueClient({ clock, random: new TestRandom(1), openChannel });
    const tokens = client.queue('tokens');
    const waiting = tokens.take({ waitMs: 30_000 });
    waiting.catch(() => undefined);
    await clock.settle();
    await client.close();
    await expect(tokens.get('t1')).rejects.toMatchObject({ code: 'CLOSED' });
    await expect(waiting).rejects.toMatchObject({ code: 'CLOSED' });
    expect(clock.timerCount).toBe(0);
  });

  it('keeps what a provider answers to a handler that still runs: the escrow has it', async () => {
    const { cluster, worker, disk, answer } = await working();
    const closed = worker.client.close();
    await cluster.clock.advance(500);
    answer();
    await resolved(cluster, closed);
    expect([...disk.records.values()]).toMatchObject([{ id: 't1', fence: 1 }]);
    expect(disk.owner).toBeUndefined();
  });

  it('waits a bounded time for a handler that does not end; its answer is kept all the same', async () => {
    const { cluster, worker, disk, loop, answer } = await working();
    await resolved(cluster, worker.client.close(), 2_100);
    answer();
    await expect(loop).rejects.toMatchObject({ code: 'CLOSED' });
    expect(disk.records.size).toBe(1);
  });
});

describe('an updater loop that ends', () => {
  it('while no node is reachable waits two seconds for its take, not the whole timeout', async () => {
    const cluster = new TestCluster();
    cluster.lead('a');
    const { client, sockets, down } = testClient(cluster, { endpoints: ['b'] });
    const stop = new AbortController();
    const loop = client.queue('tokens').work(() => ({ done: true }), { workerId: 'w1', signal: stop.signal });
    await cluster.clock.advance(50);
    down.add('b');
    sockets[0]?.cut('timeout');
    await cluster.clock.advance(50);
    stop.abort();
    await resolved(cluster, loop, 2_100);
  });
});

describe('connecting', () => {
  const options: ConnectOptions = { endpoints: ['ws://one'], name: 'x', secret: 's'.repeat(32) };
  const ports = (clock: TestClock) => ({
    clock,
    random: new TestRandom(1),
    transport: { listen: () => Promise.reject(new Error('no')), dial: () => new Promise<never>(() => {}) },
  });

  it('with options that make no sense rejects, typed, and leaves nothing behind that throws later', async () => {
    for (const wrong of [
      { timeoutMs: Number.NaN },
      { timeoutMs: -1 },
      { timeoutMs: 2 ** 53 },
      { endpoints: [] },
      { name: 'x'.repeat(257) },
    ]) {
      const clock = new TestClock();
      const connecting = connectOver(ports(clock), { ...options, ...wrong });
      await expect(connecting, JSON.stringify(wrong)).rejects.toMatchObject({
        code: expect.stringMatching(/^INVALID_/),
      });
      await clock.advance(20_000);
      expect(clock.timerCount, JSON.stringify(wrong)).toBe(0);
    }
  });
});
