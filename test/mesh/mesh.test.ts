import { Buffer } from 'node:buffer';
import { describe, expect, it } from 'vitest';
import { groupId, mainGroup, nodeId } from '../../src/base/ids.ts';
import type { Transport } from '../../src/ports/transport.ts';
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

  it('takes a transport that throws at a dial for one that finds nobody, and dials again', async () => {
    const world = new MeshWorld();
    const memory = world.network.transport('a');
    let refused = 0;
    const transport: Transport = {
      listen: (onLink) => memory.listen(onLink),
      dial: (address, options) => {
        refused += 1;
        if (refused <= 3) throw new Error('no such address');
        return memory.dial(address, options);
      },
    };
    const a = world.node('a', { peers: ['a', 'b'], transport });
    const b = world.node('b', { peers: ['a', 'b'], addresses: { a: 'memory:nobody' } });
    await b.start();
    await a.start();
    await world.clock.advance(2_000);
    expect(a.connected()).toEqual(['b']);
  });

  it('keeps exactly one link when both sides dial at once, and nobody sees it flap (pitfall 93)', async () => {
    for (let seed = 1; seed <= 200; seed++) {
      const world = new MeshWorld(seed, 4);
      const nodes = ['a', 'b', 'c'].map((id) => world.node(id));
      for (const node of nodes) {
        await node.start();
        await world.clock.advance(world.random.next() * 4);
      }
      await world.clock.advance(30);
      expect(nodes.map((node) => node.connected().length)).toEqual([2, 2, 2]);
      await world.clock.advance(2_000);
      expect(world.network.connections()).toHaveLength(3);
      for (const node of nodes) {
        expect(node.events.filter((event) => event.startsWith('up'))).toHaveLength(2);
        expect(node.events).toHaveLength(2);
        expect(node.problems).toEqual([]);
      }
    }
  });

  it('never has two links of a pair that both carry frames, through resets at any moment', async () => {
    for (let seed = 1; seed <= 100; seed++) {
      const world = new MeshWorld(seed, 6);
      const [a, b] = [world.node('a'), world.node('b')];
      for (const node of [a, b]) await node.start();
      for (let cut = 0; cut < 6; cut++) {
        await world.clock.advance(world.random.next() * 40);
        const fault = world.random.next();
        if (fault < 0.5) world.network.reset('a', 'b');
        else if (fault < 0.75) world.network.halfOpen('a', 'b');
        else world.network.halfOpen('b', 'a');
      }
      await world.clock.advance(6_000);
      expect([a.connected(), b.connected()]).toEqual([['b'], ['a']]);
      expect(world.network.connections()).toHaveLength(1);
      expectAlternates(a.events);
      expectAlternates(b.events);
      a.send('b', heartbeat(seed));
      b.send('a', heartbeat(seed));
      await world.clock.advance(20);
      expect([a.messages.length, b.messages.length]).toEqual([1, 1]);
    }
  });
});

/** Up and closed take turns. (A re-dial that is reset too counts as gone, by the rule of the design.) */
function expectAlternates(events: readonly string[]): void {
  const words = events.map((event) => event.split(' ')[0]).filter((word) => word !== 'gone');
  expect(words).toEqual(words.map((_, i) => (i % 2 === 0 ? 'up' : 'closed')));
}
