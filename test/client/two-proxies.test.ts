import { describe, expect, it } from 'vitest';
import type { QueueResult } from '../../src/queue/types.ts';
import { type Reply, resultOf, ScriptedFront, type Seen, tableOf, taskOf } from './scripted-front.ts';

/** What the shards remember: each request is applied once, whichever proxy brings it, and its answer is always the same. */
class Shards {
  readonly rows: Map<string, QueueResult> = new Map();
  readonly settled: Map<number, number> = new Map();
  readonly applied: Map<string, number> = new Map();
  lateCount = 0;

  carry({ header, operation }: Seen): Reply {
    if (operation?.type !== 'put') return undefined;
    const id = `${header.client}/${header.stream}/${header.seq}`;
    this.settled.set(header.stream, Math.max(this.settled.get(header.stream) ?? 0, header.settledUpTo));
    if (header.seq <= (this.settled.get(header.stream) ?? 0)) this.lateCount++;
    const known = this.rows.get(id);
    if (known !== undefined) return resultOf(known, { afterMs: 3 });
    const times = (this.applied.get(operation.id) ?? 0) + 1;
    this.applied.set(operation.id, times);
    const result: QueueResult = { type: 'put', version: times, created: times === 1 };
    this.rows.set(id, result);
    return resultOf(result, { afterMs: 3 });
  }
}

describe('a client of two proxies', () => {
  it('loses no request and has none applied twice when one of them dies again and again', async () => {
    const front = new ScriptedFront(tableOf(1, [1, 2, 1, 2]));
    front.gateways = ['p1', 'p2'];
    const shards = new Shards();
    let fates = 0;
    front.answer = (seen) => {
      fates = (fates * 31 + 7) % 101;
      // The proxy dies before it passes the request on, or after: then its answer dies with it.
      if (fates < 4) return undefined;
      return shards.carry(seen);
    };
    const tokens = front.connect().queue('tokens');
    await front.clock.advance(10);
    const results: Promise<unknown>[] = [];
    for (let round = 0; round < 40; round++) {
      for (let i = 0; i < 25; i++) results.push(tokens.put(taskOf(`k${round}-${i}`), { timeoutMs: 30_000 }));
      await front.clock.advance(round % 4);
      front.cut();
      await front.clock.advance(15);
    }
    for (let round = 0; round < 20; round++) {
      await front.clock.advance(50);
      front.cut();
    }
    front.answer = (seen) => shards.carry(seen);
    front.cut();
    await front.clock.advance(1_000);
    const ends = await Promise.allSettled(results);
    expect(ends.filter(({ status }) => status === 'rejected')).toEqual([]);
    expect(shards.applied.size).toBe(1_000);
    expect([...shards.applied.values()].filter((times) => times !== 1)).toEqual([]);
    expect(shards.lateCount).toBe(0);
    expect(new Set(front.links.map(({ at }) => at))).toEqual(new Set(['p1', 'p2']));
    expect(new Set(front.links.map(({ client }) => client)).size).toBe(1);
  });
});
