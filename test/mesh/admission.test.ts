import { describe, expect, it } from 'vitest';
import { clusterId, type Incarnation, type NodeId, nodeId } from '../../src/base/ids.ts';
import { heartbeat, knownCluster, lifeOf, MeshWorld, type NodeSettings } from './mesh-world.ts';

const cluster = clusterId('1'.repeat(32));
const members: ReadonlyMap<NodeId, Incarnation> = new Map(
  ['a', 'b', 'c'].map((id) => [nodeId(id), lifeOf(id)] as const),
);
const member: NodeSettings = { local: knownCluster(cluster), members };

async function meet(one: NodeSettings, two: NodeSettings, names: readonly [string, string] = ['a', 'b']) {
  const world = new MeshWorld();
  const nodes = [world.node(names[0], one), world.node(names[1], two)];
  for (const node of nodes) await node.start();
  await world.clock.advance(5_000);
  return { world, one: nodes[0]!, two: nodes[1]! };
}

describe('admission', () => {
  it('takes members of entry 1 with the incarnation that it names', async () => {
    const { one, two } = await meet(member, member);
    expect(one.connected()).toEqual(['b']);
    expect(two.connected()).toEqual(['a']);
  });

  it.each([
    ['a', 'b'],
    ['b', 'a'],
  ] as const)('makes a wiped node wait: %s is a member, %s was wiped', async (there, wiped) => {
    const { world, one, two } = await meet(member, { incarnation: lifeOf(wiped, 2) }, [there, wiped]);
    expect(two.kinds()).toEqual(['awaitingAdmission']);
    expect(one.kinds()).toEqual([]);
    expect([...one.events, ...two.events]).toEqual([]);
    one.mesh.setMembers(new Map([...members, [nodeId(wiped), lifeOf(wiped, 2)]]));
    await world.clock.advance(2_500);
    expect(one.events).toEqual([`up ${wiped}`]);
    expect(two.events).toEqual([`up ${there}`]);
  });

  it('takes a pristine node whose incarnation is a member: it has not yet got entry 1', async () => {
    const { one, two } = await meet(member, {});
    expect(one.events).toEqual(['up b']);
    expect(two.events).toEqual(['up a']);
    const said = { hosted: true, knowsLeader: false };
    expect(one.hellos[0]).toMatchObject({
      id: 'b',
      groups: new Map([['main', { ...said, recorded: false }]]),
    });
    expect(two.hellos[0]).toMatchObject({
      id: 'a',
      groups: new Map([['main', { ...said, recorded: true }]]),
    });
  });

  it('tells a node that entry 1 does not name that it is unknown', async () => {
    const peers = ['a', 'b', 'd'];
    const { one, two } = await meet({ ...member, peers }, { peers }, ['a', 'd']);
    expect(one.connected()).toEqual([]);
    expect(two.kinds()).toEqual(['unknownPeer']);
  });

  it('takes a member that the address book does not name, when it dials', async () => {
    const { one } = await meet({ ...member, peers: ['a', 'c'] }, { ...member, peers: ['a', 'b', 'c'] });
    expect(one.connected()).toEqual(['b']);
  });

  it('wants equal peers on both sides before there is a cluster id, and says so on both', async () => {
    const { one, two } = await meet({ peers: ['a', 'b', 'c'] }, { peers: ['a', 'b'] });
    expect(one.events).toEqual([]);
    expect(one.kinds()).toEqual(['wrongPeers']);
    expect(two.kinds()).toEqual(['wrongPeers']);
  });

  it('does not compare peers once there is a cluster id', async () => {
    const { one } = await meet({ ...member, peers: ['a', 'b', 'c'] }, { ...member, peers: ['a', 'b'] });
    expect(one.connected()).toEqual(['b']);
  });

  it('keeps clusters apart by id and by name, and says so', async () => {
    const other = knownCluster(clusterId('2'.repeat(32)));
    const byId = await meet(member, { ...member, local: other });
    expect(byId.one.kinds()).toEqual(['wrongCluster']);
    const byName = await meet({ cluster: 'east' }, { cluster: 'west' });
    expect(byName.two.kinds()).toEqual(['wrongCluster']);
    expect([...byId.one.events, ...byName.two.events]).toEqual([]);
  });

  it('keeps out a second node with a live id and another disk, and reports it', async () => {
    const world = new MeshWorld();
    const a = world.node('a');
    const b = world.node('b');
    const twin = world.node('b', {
      incarnation: lifeOf('b', 2),
      boot: 9,
      transport: world.network.transport('elsewhere'),
    });
    for (const node of [a, b]) await node.start();
    await world.clock.until(() => a.connected().length === 1);
    await twin.start();
    await world.clock.advance(3_000);
    expect(a.events).toEqual(['up b']);
    expect(a.kinds()).toEqual(['duplicateNode']);
    expect(twin.kinds()).toContain('duplicateNode');
    expect(a.hellos).toHaveLength(1);
  });

  it('reports an address that leads back to this node', async () => {
    const world = new MeshWorld();
    const a = world.node('a', { peers: ['a', 'b'], addresses: { b: 'memory:a' } });
    await a.start();
    await world.clock.advance(3_000);
    expect(a.kinds()).toContain('selfDial');
    expect(a.problems.find((problem) => problem.kind === 'selfDial' && problem.peer === 'b')).toBeDefined();
    expect(a.events).toEqual([]);
  });

  it('reports an address at which another member answers', async () => {
    const world = new MeshWorld();
    const peers = ['a', 'b', 'c'];
    const a = world.node('a', { peers, addresses: { b: 'memory:c' } });
    const c = world.node('c', { peers });
    await a.start();
    await c.start();
    await world.clock.advance(3_000);
    expect(a.problems.filter((problem) => problem.peer === 'b').map((problem) => problem.kind)).toEqual([
      'wrongNode',
    ]);
    expect(a.connected()).toEqual(['c']);
  });

  it('closes the link of a node that the new members do not name', async () => {
    const world = new MeshWorld();
    const [a, b] = await world.start('a', 'b');
    a!.mesh.setLocal(knownCluster(cluster));
    a!.mesh.setMembers(new Map([...members, [nodeId('b'), lifeOf('b', 2)]]));
    expect(a!.events).toEqual(['up b']);
    await world.clock.advance(3_000);
    expect(a!.events).toEqual(['up b', 'closed b']);
    expect(b!.events.filter((event) => event.startsWith('up'))).toHaveLength(1);
    expect(b!.kinds()).toEqual(['awaitingAdmission']);
  });

  it('says a problem once until it is over', async () => {
    const world = new MeshWorld();
    const a = world.node('a');
    const stranger = world.node('b', { cluster: 'other' });
    await a.start();
    await stranger.start();
    await world.clock.advance(60_000);
    expect(stranger.problems.filter((problem) => problem.peer === 'a')).toHaveLength(1);
    await stranger.mesh.close();
    const [b] = [world.node('b', { boot: 2 })];
    await b!.start();
    await world.clock.advance(2_500);
    expect(a.connected()).toEqual(['b']);
    a.send('b', heartbeat(1));
    await world.clock.advance(5);
    expect(b!.messages).toHaveLength(1);
  });
});
