import { describe, expect, it } from 'vitest';
import { clientId, clusterId, groupId } from '../../../src/base/ids.ts';
import { decodeHeader } from '../../../src/wire/client-header.ts';
import { groupCode } from '../../../src/wire/group-code.ts';
import { directoryOf, FakeNetwork, shardOf } from './fake-nodes.ts';
import { elect, rigOf, twoShards } from './router-rig.ts';

describe('the links of a router', () => {
  it('are one per node, whatever number of its groups are shards', async () => {
    const network = new FakeNetwork();
    const nodes = network.add('both', ['n1', 'n2', 'n3']);
    for (const node of nodes) {
      node.lead('n1', 1, 'main');
      node.lead('n2', 4, 'second');
    }
    const shards = [
      shardOf({ name: 'a', number: 1, cluster: 'both' }),
      shardOf({ name: 'b', number: 2, cluster: 'both', group: 'second' }),
    ];
    const { router, origin } = rigOf(network, directoryOf(1, shards, [1, 2]));
    router.start();
    await network.clock.advance(20);
    expect(nodes.map(({ dialCount }) => dialCount)).toEqual([1, 1, 1]);
    origin.ask({ bucket: 1 });
    await network.clock.advance(5);
    expect(nodes[1]!.requests[0]?.header.group).toBe(groupCode(groupId('second')));
    expect(origin.answers[0]?.header.group).toBe(2);
    expect(router.status().shards.map(({ leaderId, term }) => [leaderId, term])).toEqual([
      ['n1', 1],
      ['n2', 4],
    ]);
    router.close();
  });

  it('say that they live, and are given up when the node falls silent', async () => {
    const { router, a, clock, origin } = await twoShards();
    await clock.advance(5_000);
    expect(a[0]!.received.filter(({ header }) => header.kind === 'ping').length).toBeGreaterThan(8);
    expect(a[0]!.dialCount).toBe(1);
    a[0]!.isDeaf = true;
    origin.ask();
    await clock.advance(1_000);
    elect(a.slice(1), 'n3', 2);
    await clock.advance(2_000);
    expect(origin.kinds()).toEqual(['result']);
    expect(a[0]!.dialCount).toBeGreaterThan(1);
    router.close();
  });

  it('are dialled again, less and less often', async () => {
    const { router, a, clock } = await twoShards();
    a[0]!.crash();
    await clock.advance(10_000);
    const count = a[0]!.dialCount;
    expect(count).toBeGreaterThan(10);
    expect(count).toBeLessThan(40);
    a[0]!.isUp = true;
    await clock.advance(1_600);
    expect(router.status().shards[0]?.nodes[0]?.connected).toBe(true);
    router.close();
  });

  it('carry pushes of nodes on with the number of the shard and the client', async () => {
    const { router, a, clock, told } = await twoShards();
    a[1]!.push('sessionEnded', clientId('d'.repeat(32)));
    await clock.advance(5);
    expect(told.pushes.map((frame) => decodeHeader(frame))).toMatchObject([
      { kind: 'sessionEnded', group: 1, client: 'd'.repeat(32) },
    ]);
    expect(told.leaders).toEqual(['a', 'b']);
    elect(a, 'n2', 2);
    await clock.advance(5);
    expect(told.leaders).toEqual(['a', 'b', 'a']);
    router.close();
  });
});

describe('who is not the node that was meant', () => {
  it('is never used, and reported once', async () => {
    const network = new FakeNetwork();
    const nodes = network.add('a', ['n1', 'n2', 'n3']);
    for (const node of nodes) node.lead('n1', 1);
    nodes[0]!.role = 'proxy';
    nodes[1]!.clusterId = clusterId('d'.repeat(32));
    const { router, told, origin } = rigOf(network, directoryOf(1, [shardOf({ name: 'a', number: 1 })], [1]));
    router.start();
    origin.ask({ remainingMs: 3_000 });
    await network.clock.advance(20_000);
    expect(nodes.flatMap(({ requests }) => requests)).toEqual([]);
    expect(told.problems.map(({ kind }) => kind).sort()).toEqual(['notANode', 'wrongCluster']);
    expect(told.problems.map(({ message }) => message).join()).toContain('memory:a-n1 is a proxy');
    expect(origin.kinds()).toEqual(['refused']);
    router.close();
  });

  it('answers at an address of another node, or another cluster', async () => {
    const network = new FakeNetwork();
    const [n1, n2] = network.add('x', ['n1', 'n2']);
    n1!.lead('n1', 1);
    const shard = {
      ...shardOf({ name: 'a', number: 1, cluster: 'x' }),
      nodes: new Map([['n1', n2!.address]]),
    };
    const other = {
      ...shardOf({ name: 'b', number: 2, cluster: 'y' }),
      nodes: new Map([['n1', n1!.address]]),
    };
    const { router, told } = rigOf(network, directoryOf(1, [shard, other], [1, 2]));
    router.start();
    await network.clock.advance(50);
    const words = told.problems.filter(({ kind }) => kind === 'wrongCluster').map(({ message }) => message);
    expect(words).toEqual([
      'memory:x-n2 is n2 of cluster x, not n1 of x',
      'memory:x-n1 is n1 of cluster x, not n1 of y',
    ]);
    const [right] = network.add('y', ['n1']);
    const map = [
      { ...shard, nodes: new Map([['n1', n1!.address]]) },
      { ...other, nodes: new Map([['n1', right!.address]]) },
    ];
    await router.reload(directoryOf(2, map, [1, 2]));
    await network.clock.advance(50);
    // Nobody is at the wrong addresses any more.
    expect([...told.over].sort()).toEqual(told.problems.map(({ kind }) => kind).sort());
    router.close();
  });
});

describe('a shard with no member up', () => {
  it('is reported once until one is there, and its requests end at their deadline', async () => {
    const network = new FakeNetwork();
    const nodes = network.add('a', ['n1', 'n2', 'n3']);
    for (const node of nodes) node.isUp = false;
    const { router, told, origin } = rigOf(network, directoryOf(1, [shardOf({ name: 'a', number: 1 })], [1]));
    router.start();
    origin.ask({ remainingMs: 1_000 });
    await network.clock.advance(5_000);
    expect(told.problems.map(({ kind, shard }) => [kind, shard])).toEqual([['noMember', 'a']]);
    expect(told.problems[0]?.message).toContain('memory:a-n3 refuses');
    expect(origin.kinds()).toEqual(['refused']);
    for (const node of nodes) {
      node.isUp = true;
      node.lead('n1', 1);
    }
    await network.clock.advance(3_000);
    expect(told.over).toEqual(['noMember']);
    for (const node of nodes) node.crash();
    await network.clock.advance(3_000);
    expect(told.problems).toHaveLength(2);
    router.close();
  });
});
