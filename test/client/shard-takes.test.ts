import { describe, expect, it } from 'vitest';
import type { WorkOptions } from '../../src/client/types.ts';
import type { LeasedTask, Operation, QueueResult } from '../../src/queue/types.ts';
import { createPartitioner } from '../../src/sharding/partitioner.ts';
import { encodeStats } from '../../src/wire/queue-result.ts';
import {
  type Reply,
  refused,
  resultOf,
  ScriptedFront,
  type Seen,
  tableOf,
  watched,
} from './scripted-front.ts';

const minuteMs = 60_000;

/** Shards with tasks to give, as their leaders would; a take that finds none waits until one is added or its wait is over. */
class Shards {
  readonly front: ScriptedFront;
  readonly ready: Map<number, string[]> = new Map();
  readonly dead: Set<number> = new Set();
  readonly released: string[] = [];
  readonly acked: string[] = [];
  #fence = 0;

  constructor(count: number) {
    const numbers = Array.from({ length: count }, (_, place) => place + 1);
    this.front = new ScriptedFront(tableOf(1, numbers));
    this.front.answer = (seen) => this.#answer(seen);
    for (const number of numbers) this.ready.set(number, []);
  }

  async run(ms: number): Promise<void> {
    await this.front.clock.advance(ms);
  }

  takes(shard: number): readonly Seen[] {
    return this.front.of('take').filter(({ header }) => header.group === shard);
  }

  #answer({ header, operation }: Seen): Reply {
    if (this.dead.has(header.group) || header.kind === 'cancel' || operation === undefined) return undefined;
    if (operation.type === 'take') return this.#take(header.group, header.waitMs, operation.limit);
    if (operation.type === 'release') this.released.push(operation.id);
    if (operation.type === 'ackDone') this.acked.push(operation.id);
    return resultOf({ type: 'done' });
  }

  #take(shard: number, waitMs: number, limit: number): Reply {
    const ids = this.ready.get(shard)?.splice(0, limit) ?? [];
    if (ids.length === 0) return resultOf(taken([]), { afterMs: waitMs });
    return resultOf(taken(ids.map((id) => this.#lease(id))), { afterMs: 1 });
  }

  #lease(id: string): LeasedTask {
    const about = { payload: new Uint8Array(1), expiresAtMs: 2e12, provider: 'default', weight: 0 };
    this.#fence++;
    const fence = this.#fence;
    return { id, ...about, version: 1, generation: 1, attempt: 1, fence, leaseEndsAtMs: minuteMs };
  }
}

function taken(tasks: readonly LeasedTask[]): QueueResult {
  return { type: 'taken', tasks, atMs: 0 };
}

function limitOf({ operation }: { readonly operation: Operation | undefined }): number {
  return operation?.type === 'take' ? operation.limit : 0;
}

describe('a take of several shards', () => {
  it('asks them in turn, and none that it does not need', async () => {
    const shards = new Shards(3);
    shards.ready.set(2, ['a']);
    const tokens = shards.front.connect().queue('tokens');
    const got = tokens.take();
    await shards.run(20);
    expect((await got).map(({ task }) => task.id)).toEqual(['a']);
    expect(shards.front.of('take').map(({ header: { group, waitMs } }) => [group, waitMs])).toEqual([[2, 0]]);
    const none = tokens.take();
    await shards.run(20);
    expect(await none).toEqual([]);
    expect(shards.front.of('take').map(({ header }) => header.group)).toEqual([2, 3, 1, 2]);
  });

  it('fills its limit from several', async () => {
    const shards = new Shards(2);
    shards.ready.set(1, ['a']).set(2, ['b', 'c', 'd']);
    const got = shards.front.connect().queue('tokens').take({ limit: 3 });
    await shards.run(20);
    expect((await got).map(({ task }) => task.id).sort()).toEqual(['b', 'c', 'd']);
  });

  it('waits at all of them, and gives back what it does not need: no call was made with it', async () => {
    const shards = new Shards(2);
    const tokens = shards.front.connect().queue('tokens');
    const inWaiting = ({ header }: Seen): boolean => header.waitMs > 0;
    const got = tokens.take({ waitMs: 5_000 });
    const { answer } = shards.front;
    shards.front.answer = (seen) => {
      if (seen.operation?.type === 'take' && inWaiting(seen))
        shards.ready.set(seen.header.group, [`t${seen.header.group}`]);
      return answer(seen);
    };
    await shards.run(100);
    expect(await got).toHaveLength(1);
    expect(shards.released).toHaveLength(1);
    expect(shards.front.of('release')[0]?.operation).toMatchObject({ callMade: false, delayMs: 0 });
  });

  it('is answered although one shard is down, and rejects if none answers', async () => {
    const shards = new Shards(2);
    shards.dead.add(1).add(2);
    const tokens = shards.front.connect().queue('tokens');
    const nobody = watched(tokens.take({ timeoutMs: 1_000 }));
    await shards.run(1_600);
    await expect(nobody).rejects.toMatchObject({ code: 'UNKNOWN_OUTCOME' });
    shards.dead.delete(2);
    const empty = tokens.take();
    await shards.run(600);
    expect(await empty).toEqual([]);
    shards.ready.set(2, ['b']);
    const got = tokens.take();
    await shards.run(600);
    expect((await got).map(({ task }) => task.id)).toEqual(['b']);
  });

  it('that every shard refuses rejects at once if that is for good', async () => {
    const shards = new Shards(2);
    shards.front.answer = () => refused('FORBIDDEN');
    const take = watched(shards.front.connect().queue('tokens').take({ waitMs: 10_000 }));
    await shards.run(20);
    await expect(take).rejects.toMatchObject({ code: 'FORBIDDEN' });
  });

  it('that every shard refused does not end empty because its time is over while they are asked again', async () => {
    const shards = new Shards(2);
    shards.front.answer = () => refused('DEADLINE_EXCEEDED');
    const take = watched(shards.front.connect().queue('tokens').take({ waitMs: 400 }));
    await shards.run(100);
    shards.front.answer = () => undefined;
    await shards.run(500);
    await expect(take).rejects.toMatchObject({ code: 'DEADLINE_EXCEEDED' });
  });

  it('ends with the reason of its signal', async () => {
    const shards = new Shards(2);
    const stop = new AbortController();
    const got = watched(shards.front.connect().queue('tokens').take({ waitMs: 10_000, signal: stop.signal }));
    await shards.run(500);
    stop.abort(new Error('enough'));
    await shards.run(10);
    await expect(got).rejects.toThrow('enough');
  });

  it('gives back what it got already when its caller leaves: nobody was told of it', async () => {
    const shards = new Shards(2);
    shards.ready.set(1, ['a']).set(2, ['b']);
    shards.dead.add(1);
    const tokens = shards.front.connect().queue('tokens');
    const stop = new AbortController();
    const got = watched(tokens.take({ limit: 3, waitMs: 10_000, signal: stop.signal }));
    await shards.run(100);
    stop.abort(new Error('enough'));
    await shards.run(100);
    await expect(got).rejects.toThrow('enough');
    expect(shards.released).toEqual(['b']);
    expect(shards.front.of('release')[0]?.operation).toMatchObject({ callMade: false, delayMs: 0 });
  });
});

describe('calls on a whole queue', () => {
  it('add up what the shards count, and change every one', async () => {
    const shards = new Shards(2);
    const each = (ready: number, sessions: number) =>
      encodeStats({
        states: { ready, delayed: 1, taken: 0, suspect: 0, buried: 0 },
        bands: { urgent: ready, expired: 0, ahead: 0 },
        oldestExpiredMs: ready,
        sessions,
        clients: sessions,
      });
    shards.front.answer = ({ header, operation }) => {
      if (header.kind === 'stats') return { kind: 'statsResult', body: each(header.group, 3 - header.group) };
      return operation === undefined ? undefined : resultOf({ type: 'done' });
    };
    const tokens = shards.front.connect().queue('tokens');
    const stats = tokens.stats();
    const changed = tokens.setPolicy({ leadMs: 1 });
    await shards.run(20);
    await changed;
    expect(await stats).toMatchObject({
      states: { ready: 3, delayed: 2 },
      bands: { urgent: 3 },
      oldestExpiredMs: 2,
      sessions: 2,
    });
    expect(shards.front.of('setPolicy').map(({ header }) => header.group)).toEqual([1, 2]);
  });
});

interface Worker {
  readonly shards: Shards;
  readonly handled: string[];
  readonly most: () => number;
  readonly stop: AbortController;
  readonly loop: Promise<void>;
}

async function working(
  count: number,
  options: Partial<WorkOptions> & { handlerMs?: number },
): Promise<Worker> {
  const shards = new Shards(count);
  const handled: string[] = [];
  const stop = new AbortController();
  let running = 0;
  let most = 0;
  const handler = async ({ task }: { readonly task: { readonly id: string } }) => {
    handled.push(task.id);
    running++;
    most = Math.max(most, running);
    const { handlerMs = 10 } = options;
    await new Promise<void>((resolve) => void shards.front.clock.after(handlerMs, resolve));
    running--;
    return { done: true } as const;
  };
  const tokens = shards.front.connect().queue('tokens');
  const loop = tokens.work(handler, { workerId: 'w', signal: stop.signal, ...options });
  await shards.run(10);
  return { shards, handled, most: () => most, stop, loop };
}

/** Ids of tasks that belong to one of two shards. */
function tasksOf(shard: 1 | 2, count: number): string[] {
  const { bucketOf } = createPartitioner({ partitioner: 'buckets', bucketCount: 2 });
  const ids = Array.from({ length: 4 * count + 20 }, (_, i) => `t${i}`);
  return ids.filter((id) => bucketOf(id) === shard - 1).slice(0, count);
}

describe('an updater loop over several shards', () => {
  it('waits at each with one slot while there is nothing', async () => {
    const { shards } = await working(3, { concurrency: 10 });
    for (const shard of [1, 2, 3])
      expect(shards.takes(shard).map((seen) => [limitOf(seen), seen.header.waitMs])).toEqual([[1, 30_000]]);
  });

  it('asks a shard that gives for all that are free, at once and without a wait', async () => {
    const { shards, handled, most } = await working(2, { concurrency: 4, handlerMs: 50 });
    shards.ready.set(1, tasksOf(1, 40));
    // The takes that wait find nothing for 30 s.
    await shards.run(30_020);
    const [, , hot] = shards.takes(1);
    expect(hot === undefined ? undefined : [limitOf(hot), hot.header.waitMs]).toEqual([2, 0]);
    await shards.run(1_500);
    expect(handled).toHaveLength(40);
    expect(most()).toBeLessThanOrEqual(4);
  });

  it('lets shards take turns of 250 ms when there are fewer slots', async () => {
    const { shards, handled } = await working(3, { concurrency: 1, handlerMs: 1_000 });
    await shards.run(1_000);
    for (const shard of [1, 2, 3])
      for (const { header } of shards.takes(shard)) expect(header.waitMs).toBeLessThanOrEqual(250);
    shards.ready.set(3, ['c']);
    await shards.run(800);
    expect(handled).toEqual(['c']);
  });

  it('is fair to shards that all have work, with one slot', async () => {
    const { shards, handled } = await working(2, { concurrency: 1, handlerMs: 5 });
    shards.ready.set(1, tasksOf(1, 100)).set(2, tasksOf(2, 100));
    await shards.run(1_500);
    const ofFirst = new Set(tasksOf(1, 100));
    const early = handled.slice(0, 40).filter((id) => ofFirst.has(id));
    expect(early.length).toBeGreaterThan(15);
    expect(early.length).toBeLessThan(25);
  });

  it('goes on while one shard is down, also with one slot', async () => {
    const { shards, handled } = await working(2, { concurrency: 1 });
    shards.dead.add(2);
    shards.ready.set(1, tasksOf(1, 50));
    await shards.run(10_000);
    expect(handled.length).toBe(50);
  });

  it('gives back unused what a shard gave too late for a slot', async () => {
    const { shards, most } = await working(2, { concurrency: 1, handlerMs: 5_000 });
    const { answer } = shards.front;
    shards.front.answer = (seen) => {
      const reply = answer(seen);
      const isLate = seen.operation?.type === 'take' && seen.header.group === 2;
      return reply !== undefined && isLate ? { ...reply, afterMs: 700 } : reply;
    };
    shards.ready.set(1, tasksOf(1, 5)).set(2, tasksOf(2, 5));
    await shards.run(6_000);
    expect(most()).toBe(1);
    expect(shards.released.length).toBeGreaterThan(0);
    for (const { operation } of shards.front.of('release'))
      expect(operation).toMatchObject({ callMade: false });
  });

  it('asks the shards of a new map too', async () => {
    const { shards, handled } = await working(2, { concurrency: 4 });
    shards.ready.set(3, ['c']);
    shards.front.push(tableOf(2, [1, 3]));
    await shards.run(31_000);
    expect(handled).toEqual(['c']);
  });

  it('ends when its signal does, whatever waits', async () => {
    const { shards, stop, loop } = await working(2, { concurrency: 2 });
    shards.dead.add(1);
    stop.abort();
    await shards.run(60_000);
    await loop;
  });
});
