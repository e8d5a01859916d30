import { describe, expect, it } from 'vitest';
import { json } from '../../src/client/codec.ts';
import type { Queue, QueueClient } from '../../src/client/types.ts';
import { createPartitioner } from '../../src/sharding/partitioner.ts';
import { OwnRouterWorld, WatchedFile } from './own-router-world.ts';

const partitioner = createPartitioner({ partitioner: 'buckets', bucketCount: 16 });
const far = 4_000_000_000_000;

/** The n-th key of a bucket. */
function keyIn(bucket: number, nth = 0): string {
  for (let at = 0, left = nth; ; at++)
    if (partitioner.bucketOf(`k${at}`) === bucket && left-- === 0) return `k${at}`;
}

async function started(): Promise<{
  readonly world: OwnRouterWorld;
  readonly client: QueueClient;
  readonly tokens: Queue<string>;
}> {
  const world = await OwnRouterWorld.start();
  const client = await world.connect(world.map(1));
  return { world, client, tokens: client.queue('tokens', { codec: json<string>() }) };
}

const put = (tokens: Queue<string>, id: string, payload = 'x'): Promise<unknown> =>
  tokens.put({ id, payload, expiresAt: far, refreshAt: 0 });

/** Writes to keys of both shards, but to none of one bucket, until told to stop. @returns what failed, and how many did not. */
function load(world: OwnRouterWorld, tokens: Queue<string>, not: number) {
  let isOver = false;
  const failed: unknown[] = [];
  const count = { done: 0 };
  const writers = [0, 2, 7, 8, 15]
    .filter((bucket) => bucket !== not)
    .map(async (bucket) => {
      while (!isOver) {
        await put(tokens, keyIn(bucket)).then(
          () => count.done++,
          (error: unknown) => failed.push(error),
        );
      }
    });
  return async (): Promise<{ failed: unknown[]; done: number }> => {
    isOver = true;
    await world.until(Promise.all(writers));
    return { failed, done: count.done };
  };
}

describe('a client with shards and a router of its own', () => {
  it('finds the shard of each key, takes from all, and adds up what they count', async () => {
    const { world, client, tokens } = await started();
    for (const bucket of [0, 7, 8, 15]) await world.until(put(tokens, keyIn(bucket), `b${bucket}`));
    const explained = await world.until(client.explain('tokens', keyIn(9)));
    expect(explained).toMatchObject({ shard: 's2', bucket: 9, epoch: 1, via: 'router', connected: true });
    const got = await world.until(tokens.take({ limit: 10 }));
    expect(got.map(({ task }) => task.payload).sort()).toEqual(['b0', 'b15', 'b7', 'b8']);
    for (const lease of got) await world.until(lease.ack({ done: true }));
    expect((await world.until(tokens.stats())).states).toMatchObject({ ready: 0, taken: 0, suspect: 0 });
    await world.until(client.close());
    expect(world.crashes).toEqual([]);
  });

  it('moves an empty bucket there and back under load: no call fails, and each task is where the map says', async () => {
    const { world, client, tokens } = await started();
    await world.until(put(tokens, keyIn(0)));
    const stop = load(world, tokens, 3);
    for (const [version, moved] of [
      [2, [3]],
      [3, []],
      [4, [3]],
    ] as const)
      expect(await world.until(client.reload(world.map(version, moved)))).toEqual({ version });
    await world.until(put(tokens, keyIn(3)));
    expect(await world.until(client.explain('tokens', keyIn(3)))).toMatchObject({ shard: 's2', epoch: 4 });
    const { failed, done } = await stop();
    expect(failed).toEqual([]);
    expect(done).toBeGreaterThan(20);
    await world.until(client.close());
  });

  it('refuses a bad map, an older one, one that moves a bucket in use, and a second at once; nothing else notices', async () => {
    const { world, client, tokens } = await started();
    await world.until(put(tokens, keyIn(3)));
    const stop = load(world, tokens, 3);
    const refusedWith = (map: string | object) =>
      world.until(
        client.reload(map).then(
          () => 'taken',
          (error: { code: string; outcome: string }) => `${error.code} ${error.outcome}`,
        ),
      );
    expect(await refusedWith('{')).toBe('SHARD_FILE refused');
    expect(await refusedWith(world.map(2).replace('"0-7"', '"0-6"'))).toBe('SHARD_FILE refused');
    expect(await refusedWith(world.map(2).replace('"0-7"', '"0-8"'))).toBe('SHARD_FILE refused');
    expect(await refusedWith(world.map(2).replaceAll('"s2"', '"s3"'))).toBe('SHARD_FILE refused');
    expect(await refusedWith(world.map(1, [4]))).toBe('SHARD_FILE refused');
    expect(await refusedWith(world.map(2, [3]))).toBe('BUCKET_IN_USE refused');
    const first = client.reload(world.map(3, [4]));
    first.catch(() => undefined);
    expect(await refusedWith(world.map(4))).toBe('RELOAD_IN_PROGRESS refused');
    await world.until(first.catch(() => undefined));
    const { failed, done } = await stop();
    expect([failed, done > 20]).toEqual([[], true]);
    expect(await world.until(tokens.get(keyIn(3)))).toMatchObject({ payload: 'x', version: 1 });
    await world.until(client.close());
  });

  it('follows a file that changes while a reload is under way, and one that changed before it was watched', async () => {
    const world = await OwnRouterWorld.start();
    const file = new WatchedFile(world.map(1));
    file.wasRead = () => {
      file.text = world.map(2);
      file.wasRead = () => {};
    };
    const client = await world.connectWith(file);
    const follows = async (version: number): Promise<void> => {
      let seen = 0;
      for (let tries = 0; seen !== version && tries < 500; tries++) {
        await world.advance(10);
        seen = (await world.until(client.explain('tokens', 'any'))).mapVersion;
      }
      expect(seen).toBe(version);
    };
    await follows(2);
    file.write(world.map(3, [4]));
    await world.advance(0);
    file.write('{');
    file.write(world.map(4, [4]));
    await follows(4);
    const slow = client.reload(world.map(5, [5]));
    file.write(world.map(6, [5]));
    await world.until(slow);
    await follows(6);
    await world.until(client.close());
    file.write(world.map(7));
    await world.advance(1_000);
    expect(world.crashes).toEqual([]);
  });

  it('keeps its leases when a reload drops the node that led: its session goes on', async () => {
    const { world, client, tokens } = await started();
    await world.until(put(tokens, keyIn(3)));
    const [lease] = await world.until(tokens.take());
    const old = world.clusters[0]?.leader()?.name ?? '';
    world.clusters[0]?.kill(old);
    await world.eventually(() => world.clusters[0]?.leader() !== undefined);
    await world.until(world.clusters[0]?.start(old) ?? Promise.reject());
    const others = JSON.parse(world.map(2));
    delete others.namespaces.tokens.shards.s1.nodes[old];
    await world.until(client.reload(others));
    await world.advance(5_000);
    expect(lease?.signal.aborted).toBe(false);
    await world.until(lease?.ack({ done: true }) ?? Promise.reject());
    await world.until(client.close());
  });

  it('that closes gives its leases back at once', async () => {
    const { world, client, tokens } = await started();
    await world.until(put(tokens, keyIn(3)));
    await world.until(put(tokens, keyIn(12)));
    expect(await world.until(tokens.take({ limit: 2 }))).toHaveLength(2);
    const other = await world.connect(world.map(1));
    await world.until(client.close());
    await world.advance(100);
    const { states } = await world.until(other.queue('tokens').stats());
    expect(states).toMatchObject({ taken: 0, suspect: 2 });
    await world.until(other.close());
    expect(world.crashes).toEqual([]);
  });
});
