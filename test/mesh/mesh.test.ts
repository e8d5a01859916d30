import { Buffer } from 'node:buffer';
import { describe, expect, it } from 'vitest';
import { groupId, mainGroup, nodeId } from '../../src/base/ids.ts';
import { heartbeat, MeshWorld } from './mesh-world.ts';

describe('mesh', () => {
  it('connects three nodes with one link per pair', async () => {
    const world = new MeshWorld();
    await world.start('a', 'b', 'c');
    await world.clock.advance(2_000);
    const pairs = world.network.connections().map((ends) => [...ends].sort().join(''));
    expect([...pairs].sort()).toEqual(['ab', 'ac', 'bc']);
  });

  it('delivers messages of all groups and service frames in order, in one frame per turn', async () => {
    const world = new MeshWorld();
    const [a, b] = await world.start('a', 'b');
    a!.mesh.send(mainGroup, nodeId('b'), heartbeat(1));
    a!.mesh.send(groupId('other'), nodeId('b'), heartbeat(2));
    expect(a!.mesh.sendService(nodeId('b'), Buffer.from('request'))).toBe(true);
    await world.clock.advance(5);
    expect(b!.messages).toEqual([]);
    a!.mesh.flush();
    await world.clock.advance(5);
    expect(b!.messages.map(({ group, message }) => [group, message])).toEqual([
      ['main', heartbeat(1)],
      ['other', heartbeat(2)],
    ]);
    expect(b!.services).toEqual([{ from: 'a', text: 'request' }]);
  });

  it('keeps exactly one link when both sides dial at once, and nobody sees it flap (pitfall 93)', async () => {
    for (let seed = 1; seed <= 300; seed++) {
      const world = new MeshWorld(seed);
      const nodes = ['a', 'b', 'c'].map((id) => world.node(id));
      for (const node of nodes) {
        await node.start();
        await world.clock.advance(world.random.next() * 2);
      }
      await world.clock.advance(3_000);
      expect(world.network.connections()).toHaveLength(3);
      for (const node of nodes) {
        expect(node.events.filter((event) => event.startsWith('up'))).toHaveLength(2);
        expect(node.events).toHaveLength(2);
        expect(node.problems).toEqual([]);
      }
    }
  });
});
