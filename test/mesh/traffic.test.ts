import { Buffer } from 'node:buffer';
import { describe, expect, it } from 'vitest';
import { mainGroup, nodeId } from '../../src/base/ids.ts';
import { linkQueueBytesMax, pairWindowBytes } from '../../src/mesh/limits.ts';
import type { Link, Transport } from '../../src/ports/transport.ts';
import type { LogEntry, Message } from '../../src/raft/types.ts';
import { frameBytesMax } from '../../src/wire/limits.ts';
import { encodePeerFrame } from '../../src/wire/peer-frame.ts';
import { heartbeat, type MeshNode, MeshWorld } from './mesh-world.ts';

const b = nodeId('b');

function append(bytes: number): Message {
  const data = new Uint8Array(bytes);
  const entries: readonly LogEntry[] = [
    { index: 1, term: 1, kind: 'commands', stampMs: 1_700_000_000_000, data },
  ];
  return { type: 'appendEntries', term: 1, prevLogIndex: 0, prevLogTerm: 0, leaderCommit: 0, entries };
}

/** A world of two whose links of `a` can be seen. */
async function watched(): Promise<{
  world: MeshWorld;
  a: MeshNode;
  b: MeshNode;
  links: Link[];
  frames: number[];
}> {
  const world = new MeshWorld();
  const links: Link[] = [];
  const frames: number[] = [];
  const watch = (link: Link): Link => {
    links.push(link);
    const send = link.send.bind(link);
    link.send = (frame) => {
      frames.push(frame.length);
      send(frame);
    };
    return link;
  };
  const inner = world.network.transport('a');
  const transport: Transport = {
    listen: (onLink) => inner.listen((link) => onLink(watch(link))),
    dial: async (address, options) => watch(await inner.dial(address, options)),
  };
  const nodes = [world.node('a', { transport }), world.node('b')];
  for (const node of nodes) await node.start();
  await world.clock.until(() => nodes.every((node) => node.connected().length === 1));
  frames.length = 0;
  return { world, a: nodes[0]!, b: nodes[1]!, links, frames };
}

describe('traffic between members', () => {
  it('leaves as one frame per peer and turn', async () => {
    const { world, a, b: other, frames } = await watched();
    for (let round = 1; round <= 50; round++) a.mesh.send(mainGroup, b, heartbeat(round));
    a.mesh.flush();
    a.mesh.flush();
    expect(frames).toHaveLength(1);
    await world.clock.advance(5);
    expect(other.messages.map(({ message }) => message.type === 'round' && message.round)).toEqual(
      Array.from({ length: 50 }, (_, i) => i + 1),
    );
  });

  it('is cut where a turn has more than one frame may hold, in order', async () => {
    const { world, a, b: other, frames } = await watched();
    for (let i = 0; i < 3; i++) a.mesh.send(mainGroup, b, append(1_500_000));
    for (let round = 1; round <= 3_000; round++) a.mesh.send(mainGroup, b, heartbeat(round));
    a.mesh.flush();
    await world.clock.advance(5);
    expect(other.messages).toHaveLength(3_003);
    expect(frames.length).toBeGreaterThan(3);
    expect(Math.max(...frames)).toBeLessThanOrEqual(frameBytesMax);
    expect(other.messages.slice(0, 3).every(({ message }) => message.type === 'appendEntries')).toBe(true);
  });

  it('drops entries and forwarded requests over the window of 4 MiB, never rounds and votes', async () => {
    const { world, a, b: other } = await watched();
    world.network.cut('a', 'b');
    for (let i = 0; i < 8; i++) {
      a.mesh.send(mainGroup, b, append(1_000_000));
      a.mesh.flush();
    }
    const [view] = a.mesh.peers();
    expect(view?.queuedBytes).toBeGreaterThan(pairWindowBytes);
    expect(view?.queuedBytes).toBeLessThan(pairWindowBytes + 1_100_000);
    expect(a.mesh.sendService(b, Buffer.from('x'))).toBe(false);
    a.send('b', heartbeat(77));
    world.network.heal();
    await world.clock.advance(5);
    const kinds = other.messages.map(({ message }) => message.type);
    expect(kinds.filter((kind) => kind === 'appendEntries')).toHaveLength(5);
    expect(kinds.at(-1)).toBe('round');
    expect(a.mesh.sendService(b, Buffer.from('x'))).toBe(true);
  });

  it('counts what waits for the end of the turn in the window', async () => {
    const { a } = await watched();
    let accepted = 0;
    for (let i = 0; i < 100; i++) if (a.mesh.sendService(b, new Uint8Array(200_000))) accepted++;
    expect(accepted).toBeLessThanOrEqual(22);
  });

  it('closes the link of a peer that takes nothing in, at 64 MiB', async () => {
    const { world, a, links } = await watched();
    for (const link of links) link.queuedBytes = () => linkQueueBytesMax + 1;
    a.send('b', heartbeat(1));
    expect(a.events).toEqual(['up b']);
    await world.clock.advance(1);
    expect(a.events).toContain('closed b');
    expect(a.kinds()).toEqual(['slowPeer']);
  });

  it('refuses a frame that could never be sent, and goes on', async () => {
    const { world, a, b: other } = await watched();
    expect(a.mesh.sendService(b, new Uint8Array(frameBytesMax))).toBe(false);
    a.mesh.send(mainGroup, b, append(frameBytesMax));
    a.send('b', heartbeat(1));
    await world.clock.advance(5);
    expect(other.messages).toHaveLength(1);
  });

  it('ends with a bad frame: counted, reported, closed, and the pair stands again', async () => {
    const { world, a, b: other, links } = await watched();
    const good = encodePeerFrame([{ type: 'message', group: mainGroup, message: heartbeat(1) }]);
    const bad = Buffer.concat([good, Buffer.from([0])]);
    links.at(-1)?.send(bad);
    await world.clock.advance(3_000);
    expect(other.messages).toEqual([]);
    expect(other.kinds()).toEqual(['badFrame']);
    expect(other.events).toEqual(['up a', 'closed a', 'up a']);
    expect(a.connected()).toEqual(['b']);
  });

  it('with a peer that sends bad frames every time is tried with growing waits', async () => {
    const { world, b: other, links } = await watched();
    const spoil = world.clock.after.bind(world.clock);
    const again = (): void => {
      links.at(-1)?.send(Buffer.from([0xc1]));
      spoil(5, again);
    };
    again();
    await world.clock.advance(10_000);
    expect(other.events.filter((event) => event === 'closed a').length).toBeLessThan(40);
  });

  it('goes nowhere without a link, and nothing queued is sent on a later one', async () => {
    const world = new MeshWorld();
    const a = world.node('a');
    await a.start();
    a.send('b', heartbeat(1));
    expect(a.mesh.sendService(b, Buffer.from('x'))).toBe(false);
    expect(a.mesh.sendService(nodeId('nobody'), Buffer.from('x'))).toBe(false);
    const other = world.node('b');
    await other.start();
    await world.clock.until(() => a.connected().length === 1);
    a.send('b', heartbeat(2));
    await world.clock.advance(5);
    expect(other.messages.map(({ message }) => message)).toEqual([heartbeat(2)]);
  });

  it('that waited for the end of the turn when its link closed is not sent on the next one', async () => {
    const world = new MeshWorld();
    const [a, other] = await world.start('a', 'b');
    a!.mesh.send(mainGroup, b, heartbeat(1));
    world.network.reset('a', 'b');
    await world.clock.advance(2_000);
    expect(a!.connected()).toEqual(['b']);
    a!.send('b', heartbeat(2));
    await world.clock.advance(5);
    expect(other!.messages.map(({ message }) => message)).toEqual([heartbeat(2)]);
  });

  it('stops with close: no event, no dial, no link afterwards; twice is harmless', async () => {
    const world = new MeshWorld();
    const [a] = await world.start('a', 'b', 'c');
    const before = a!.events.length;
    await a!.mesh.close();
    await a!.mesh.close();
    a!.send('b', heartbeat(1));
    await world.clock.advance(5_000);
    expect(a!.events).toHaveLength(before);
    expect(world.network.connections().flat()).not.toContain('a');
    expect(a!.connected()).toEqual([]);
  });
});
