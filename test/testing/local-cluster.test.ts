import { describe, expect, it } from 'vitest';
import { type LocalCluster, localCluster } from '../../src/testing/index.ts';

const isLeader = (cluster: LocalCluster, id: string): boolean =>
  cluster.nodes.some((node) => node.id === id && node.view().role === 'leader');

describe('a local cluster', () => {
  it('elects a leader, replaces a killed one within some ten virtual ms, and takes it back', async () => {
    await using cluster = await localCluster({ size: 3 });
    const first = await cluster.leader();
    cluster.kill(first.id);
    expect(cluster.nodes).toHaveLength(2);
    const killedMs = cluster.nowMs;
    const second = await cluster.leader();
    expect(second.id).not.toBe(first.id);
    expect(cluster.nowMs - killedMs).toBeLessThan(100);
    const back = await cluster.restart(first.id);
    await cluster.advance(500);
    expect(back.view()).toMatchObject({ role: 'follower', leaderId: second.id });
  });

  it('hosts groups beside main, and each has a leader of its own', async () => {
    await using cluster = await localCluster({ groups: ['books'] });
    const [main, books] = [await cluster.leader(), await cluster.leader('books')];
    expect(books.id).not.toBe(main.id);
    cluster.kill(books.id);
    expect((await cluster.leader('books')).id).not.toBe(books.id);
    expect((await cluster.leader()).id).toBe(main.id);
  });

  it('opens one exclusive scope after another, each with a higher fencing token', async () => {
    await using cluster = await localCluster();
    const tokens: { id: string; token: number }[] = [];
    for (const node of cluster.nodes) {
      void node.runWhileLeader(async ({ fencingToken, signal }) => {
        tokens.push({ id: node.id, token: fencingToken });
        await new Promise((resolve) => signal.addEventListener('abort', resolve));
      });
    }
    await cluster.until(() => tokens.length === 1);
    const [first] = tokens;
    cluster.kill(first!.id);
    await cluster.until(() => tokens.length === 2);
    expect(tokens[1]!.token).toBeGreaterThan(first!.token);
    expect(tokens[1]!.id).not.toBe(first!.id);
  });

  it('keeps what was put when the leader is killed, and hands it to a client', async () => {
    await using cluster = await localCluster();
    const leader = await cluster.leader();
    const client = await cluster.connect();
    const queue = client.queue('tokens');
    const expiresAt = cluster.clock.wallMs() + 60_000;
    await cluster.until(queue.put({ id: 'one', payload: Uint8Array.of(7), expiresAt }));
    cluster.kill(leader.id);
    const [lease] = await cluster.until(queue.take({ waitMs: 10_000 }));
    expect(lease!.task.payload).toEqual(Buffer.of(7));
    await cluster.until(lease!.ack({ done: true }));
  });

  it('cuts wires and heals them: a leader without a quorum is replaced and follows again', async () => {
    await using cluster = await localCluster();
    const { id } = await cluster.leader();
    const others = cluster.ids.filter((other) => other !== id);
    cluster.partition(id, others);
    await cluster.until(() => others.some((other) => isLeader(cluster, other)));
    await cluster.advance(2_000);
    expect(isLeader(cluster, id)).toBe(false);
    cluster.heal();
    const leader = await cluster.leader();
    expect(others).toContain(leader.id);
    await cluster.until(() => cluster.nodes.every((node) => node.view().leaderId === leader.id));
  });

  it('lets no time pass by itself, and exactly as much as asked', async () => {
    await using cluster = await localCluster({ size: 1 });
    const beforeMs = cluster.nowMs;
    let called = 0;
    cluster.clock.after(1_000, () => {
      called += 1;
    });
    await new Promise((resolve) => process.nextTick(resolve));
    expect(cluster.nowMs).toBe(beforeMs);
    await cluster.advance(900);
    expect([cluster.nowMs - beforeMs, called]).toEqual([900, 0]);
    await cluster.advance(200);
    expect(called).toBe(1);
  });

  it('is the same for the same seed', async () => {
    const run = async (seed: number): Promise<number[]> => {
      await using cluster = await localCluster({ seed });
      const times: number[] = [];
      for (let i = 0; i < 3; i += 1) {
        const { id } = await cluster.leader();
        times.push(cluster.nowMs);
        cluster.kill(id);
        await cluster.advance(50);
        await cluster.restart(id);
      }
      return times;
    };
    expect(await run(5)).toEqual(await run(5));
    expect(await run(5)).not.toEqual(await run(6));
  });

  it('says what cannot be', async () => {
    await expect(localCluster({ size: 0 })).rejects.toThrow('size');
    await using cluster = await localCluster({ size: 1 });
    expect(() => cluster.kill('x')).toThrow('no node x');
    await expect(cluster.restart('a')).rejects.toThrow('kill it first');
    cluster.kill('a');
    expect(() => cluster.node('a')).toThrow('does not run');
    await expect(cluster.leader()).rejects.toThrow('60000 ms');
    await expect(cluster.advance(-1)).rejects.toThrow('ms must be');
  });

  it('closes twice without harm', async () => {
    const cluster = await localCluster({ size: 3 });
    await cluster.close();
    await cluster.close();
    expect(cluster.nodes.every((node) => node.view().state === 'stopped')).toBe(true);
  });
});
