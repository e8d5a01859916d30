import { Buffer } from 'node:buffer';
import { describe, expect, it } from 'vitest';
import { ClosedError } from '../../../src/base/errors.ts';
import { directoryOf, shardOf } from './fake-nodes.ts';
import { twoGroups, twoShards } from './router-rig.ts';

describe('a node whose answers cannot be read', () => {
  it('is not asked again in a tight loop, and disturbs no other shard', async () => {
    const { router, origin, told, a, clock } = await twoShards();
    for (const node of a) node.answer = () => ({ kind: 'notLeader', body: Buffer.from('nonsense') });
    origin.ask({ remainingMs: 5_000 });
    const other = origin.ask({ bucket: 3, group: 2 });
    await clock.advance(4_000);
    expect(origin.kinds(other)).toEqual(['result']);
    expect(a[0]!.dialCount).toBeGreaterThan(1);
    expect(a[0]!.dialCount).toBeLessThan(12);
    expect(told.problems.filter(({ kind }) => kind === 'badFrame').length).toBeLessThan(12);
    await clock.advance(2_000);
    expect(origin.kinds(1)).toEqual(['refused']);
    router.close();
  });
});

describe('closing a router', () => {
  it('ends a reload at once that asks a new shard of which no node is reached', async () => {
    const { router, clock } = await twoGroups();
    const shards = ['a', 'b', 'c'].map((name, at) => shardOf({ name, number: at + 1 }));
    let ended: unknown;
    router.reload(directoryOf(2, shards, [1, 3, 2, 2])).catch((error: unknown) => {
      ended = error;
    });
    await clock.advance(100);
    expect(router.status().reloading).toBe(true);
    router.close();
    await clock.settle();
    expect(ended).toBeInstanceOf(ClosedError);
  });
});
