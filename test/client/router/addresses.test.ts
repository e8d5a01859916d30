import { describe, expect, it } from 'vitest';
import { directoryOf, shardOf } from './fake-nodes.ts';
import { twoGroups } from './router-rig.ts';

describe('a node whose address changes in a map that also moves a bucket', () => {
  it('goes on leading, also when it answered at both addresses meanwhile', async () => {
    const { router, network, origin, a, clock } = await twoGroups();
    network.nodes.set('memory:a-n1-new', a[0]!);
    const [one, two] = [shardOf({ name: 'a', number: 1 }), shardOf({ name: 'b', number: 2 })];
    const moved = { ...one, nodes: new Map([...one.nodes, ['n1', 'memory:a-n1-new'] as const]) };
    const reloaded = router.reload(directoryOf(2, [moved, two], [1, 2, 2, 2]));
    await clock.advance(100);
    await reloaded;
    await clock.advance(100);
    expect(router.status().shards[0]).toMatchObject({ state: 'open', leaderId: 'n1' });
    origin.ask();
    await clock.advance(5);
    expect(origin.kinds()).toEqual(['result']);
    router.close();
  });
});
