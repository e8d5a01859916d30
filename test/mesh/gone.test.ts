import { describe, expect, it } from 'vitest';
import { keepAliveMs, linkSilenceMs } from '../../src/mesh/limits.ts';
import { LiveLink, Sweeper } from '../../src/mesh/live-link.ts';
import type { Link } from '../../src/ports/transport.ts';
import { heartbeat, MeshWorld } from './mesh-world.ts';
import { VirtualClock } from './virtual-clock.ts';

describe('a peer that is gone', () => {
  it('is reported when its process died: the links close and the re-dial is refused', async () => {
    const world = new MeshWorld();
    const [a, b, c] = await world.start('a', 'b', 'c');
    const killedMs = world.clock.monotonicMs();
    world.network.kill('a');
    await world.clock.until(() => b!.events.includes('gone a') && c!.events.includes('gone a'));
    expect(world.clock.monotonicMs() - killedMs).toBeLessThan(3);
    expect(b!.events.slice(-2)).toEqual(['closed a', 'gone a']);
    expect(b!.events).not.toContain('gone c');
    expect(a!.events).not.toContain('gone b');
  });

  it('is reported once, however often the re-dial fails', async () => {
    const world = new MeshWorld();
    const [, b] = await world.start('a', 'b', 'c');
    world.network.kill('a');
    await world.clock.advance(20_000);
    expect(b!.events.filter((event) => event === 'gone a')).toHaveLength(1);
  });

  it('is not one whose link was cut while its process lives: it stands again after one re-dial', async () => {
    const world = new MeshWorld();
    const [a, b] = await world.start('a', 'b', 'c');
    for (let round = 0; round < 20; round++) {
      world.network.reset('a', 'b');
      await world.clock.advance(2_000);
      expect(a!.connected()).toEqual(['b', 'c']);
      expect(b!.connected()).toEqual(['a', 'c']);
    }
    expect([...a!.events, ...b!.events].filter((event) => event.startsWith('gone'))).toEqual([]);
    expect(world.network.connections()).toHaveLength(3);
  });

  it('is one that closed for good: the close comes first, then the refused re-dial', async () => {
    const world = new MeshWorld();
    const [a, b] = await world.start('a', 'b');
    await a!.mesh.close();
    await world.clock.until(() => b!.events.includes('gone a'));
    expect(a!.events).toEqual(['up b']);
  });

  it('is not one that this node closed on: a cut wire is silence, then a timeout', async () => {
    const world = new MeshWorld();
    const [a, b] = await world.start('a', 'b');
    world.network.cut('a', 'b');
    await world.clock.advance(linkSilenceMs + 2 * keepAliveMs);
    expect(a!.events).toEqual(['up b', 'closed b']);
    expect(b!.events).toEqual(['up a', 'closed a']);
    await world.clock.advance(10_000);
    world.network.kill('a');
    await world.clock.advance(10_000);
    expect(b!.events).toEqual(['up a', 'closed a']);
    world.network.heal();
    await world.clock.advance(5_000);
    expect(b!.events).toEqual(['up a', 'closed a']);
  });

  it('is one whose re-dial stays silent for a heartbeat after its side closed', async () => {
    const world = new MeshWorld();
    const [, b] = await world.start('a', 'b');
    world.network.reset('a', 'b');
    world.network.cut('a', 'b');
    await world.clock.advance(90);
    expect(b!.events).toEqual(['up a', 'closed a']);
    await world.clock.advance(20);
    expect(b!.events).toEqual(['up a', 'closed a', 'gone a']);
  });

  it('is one whose address accepts the re-dial and closes before it says who it is', async () => {
    const world = new MeshWorld();
    const [, b] = await world.start('a', 'b');
    world.network.kill('a');
    await world.network.transport('a').listen((link) => link.close());
    await world.clock.advance(5);
    expect(b!.events).toEqual(['up a', 'closed a', 'gone a']);
  });

  it('is not one that answers with a refusal: its process is there', async () => {
    const world = new MeshWorld();
    const [, b] = await world.start('a', 'b');
    world.network.kill('a');
    await world.network.transport('a').listen((link) => link.close({ code: 4401, text: 'wrongSecret' }));
    await world.clock.advance(5_000);
    expect(b!.events).toEqual(['up a', 'closed a']);
    expect(b!.kinds()).toEqual(['wrongSecret']);
  });

  it('is one that comes back as another process: gone is said before up', async () => {
    const world = new MeshWorld();
    const [, b] = await world.start('a', 'b');
    world.network.kill('a');
    const reborn = world.node('a', { boot: 2 });
    await reborn.start();
    await world.clock.until(() => b!.hellos.length === 2);
    expect(b!.events).toEqual(['up a', 'closed a', 'gone a', 'up a']);
    expect(b!.hellos.map((hello) => hello.bootId.at(-1))).toEqual(['1', '2']);
  });

  it.each([
    ['a', 'b'],
    ['b', 'a'],
  ])(
    'is one whose new process dials while the old link still seems to stand (%s, seen by %s)',
    async (dead, watcher) => {
      const world = new MeshWorld();
      const nodes = await world.start('a', 'b');
      const witness = nodes.find((node) => node.id === watcher)!;
      world.network.halfOpen(dead, watcher);
      await nodes.find((node) => node.id === dead)!.mesh.close();
      await world.node(dead, { boot: 2 }).start();
      await world.clock.advance(20);
      expect(witness.events).toEqual([`up ${dead}`, `closed ${dead}`, `gone ${dead}`, `up ${dead}`]);
      expect(witness.hellos.at(-1)?.bootId.at(-1)).toBe('2');
      await world.clock.advance(2_000);
      expect(world.network.connections()).toHaveLength(1);
    },
  );
});

describe('a silent link', () => {
  it('is kept while both sides are idle, by signs of life', async () => {
    const world = new MeshWorld();
    const [a, b] = await world.start('a', 'b');
    await world.clock.advance(60_000);
    expect(a!.events).toEqual(['up b']);
    expect(b!.events).toEqual(['up a']);
  });

  it('is not closed because this process stood still: what waits is read first (pitfall 82)', async () => {
    const clock = new VirtualClock();
    const link = new QuietLink();
    const live = new LiveLink(link, 0);
    const sweeper = new Sweeper(clock, (nowMs) => live.sweep(nowMs));
    sweeper.start();
    await clock.advance(100);
    clock.stall(10_000);
    clock.after(0.05, () => link.onFrame?.(new Uint8Array(0)));
    await clock.advance(1_000);
    expect(live.isOpen).toBe(true);
    await clock.advance(linkSilenceMs);
    expect(live.isOpen).toBe(false);
    sweeper.stop();
  });

  it.each(['a', 'b'])(
    'that only %s knows to be lost is given up soon, and the pair stands again',
    async (noticing) => {
      const world = new MeshWorld();
      const nodes = await world.start('a', 'b');
      await world.clock.advance(100);
      world.network.halfOpen(noticing, noticing === 'a' ? 'b' : 'a');
      await world.clock.advance(3 * keepAliveMs);
      for (const node of nodes) expect(node.connected()).toHaveLength(1);
      expect(nodes.flatMap((node) => node.events).filter((event) => event.startsWith('gone'))).toEqual([]);
      nodes[0]!.send('b', heartbeat(9));
      await world.clock.advance(5);
      expect(nodes[1]!.messages).toHaveLength(1);
      expect(world.network.connections()).toHaveLength(1);
    },
  );
});

/** A link on which nothing happens by itself. */
class QuietLink implements Link {
  readonly remoteAddress = 'nowhere';
  onFrame: Link['onFrame'];
  onDrain: Link['onDrain'];
  onClose: Link['onClose'];
  send(): void {}
  queuedBytes(): number {
    return 0;
  }
  setFrameBytesMax(): void {}
  pause(): void {}
  close(): void {}
}
