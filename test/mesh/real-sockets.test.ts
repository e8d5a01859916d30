import { Buffer } from 'node:buffer';
import { afterEach, describe, expect, it } from 'vitest';
import { bootId, mainGroup, nodeId } from '../../src/base/ids.ts';
import { createMesh } from '../../src/mesh/mesh.ts';
import { SystemClock } from '../../src/system/system-clock.ts';
import { SystemRandom } from '../../src/system/system-random.ts';
import { WebSocketTransport } from '../../src/transport/websocket/websocket-transport.ts';
import { until } from '../transport/real-time.ts';
import { heartbeat, lifeOf, MeshNode, peerSecret, silentLogger } from './mesh-world.ts';

const open: MeshNode[] = [];

afterEach(async () => {
  for (const node of open.splice(0)) await node.mesh.close();
});

/** Two or three meshes on loopback ports; the ports are found by listening once. */
async function meshes(ids: readonly string[]): Promise<readonly MeshNode[]> {
  const addresses = new Map<string, string>();
  for (const id of ids) {
    const probe = new WebSocketTransport({ listen: { host: '127.0.0.1', port: 0 }, logger: silentLogger });
    const listener = await probe.listen((link) => link.close());
    addresses.set(id, listener.address);
    await listener.close();
  }
  const nodes = ids.map((id) => meshOf(id, addresses));
  for (const node of nodes) await node.start();
  await until(() => nodes.every((node) => node.connected().length === ids.length - 1));
  return nodes;
}

function meshOf(id: string, addresses: ReadonlyMap<string, string>): MeshNode {
  const port = Number(new URL(addresses.get(id) ?? '').port);
  const mesh = createMesh({
    id: nodeId(id),
    cluster: 'test',
    incarnation: lifeOf(id),
    bootId: bootId('1'.repeat(16)),
    peers: new Map([...addresses].map(([peer, address]) => [nodeId(peer), address])),
    secrets: [peerSecret],
    clients: [],
    heartbeatMs: 100,
    transport: new WebSocketTransport({ listen: { host: '127.0.0.1', port }, logger: silentLogger }),
    clock: new SystemClock(),
    random: new SystemRandom(),
    logger: silentLogger,
  });
  const node = new MeshNode(nodeId(id), mesh);
  open.push(node);
  return node;
}

describe('the mesh over real sockets', () => {
  it('connects three nodes, each pair once, and carries messages and large frames', async () => {
    const [a, b, c] = await meshes(['a', 'b', 'c']);
    a!.send('b', heartbeat(1));
    a!.mesh.sendService(nodeId('c'), Buffer.alloc(500_000, 'x'));
    a!.mesh.flush();
    await until(() => b!.messages.length === 1 && c!.services.length === 1);
    expect(b!.messages[0]).toEqual({ group: mainGroup, from: 'a', message: heartbeat(1) });
    expect(c!.services[0]?.text.length).toBe(500_000);
    for (const node of [a!, b!, c!]) {
      expect(node.events).toHaveLength(2);
      expect(node.problems).toEqual([]);
    }
  });

  it('says closed and gone within milliseconds when a node closes', async () => {
    const [a, b] = await meshes(['a', 'b']);
    const startMs = performance.now();
    await a!.mesh.close();
    await until(() => b!.events.includes('gone a'));
    expect(performance.now() - startMs).toBeLessThan(500);
    expect(b!.events).toEqual(['up a', 'closed a', 'gone a']);
  });

  it('does not flap when both sides dial at once, many times', async () => {
    for (let round = 0; round < 15; round++) {
      const nodes = await meshes(['a', 'b']);
      expect(nodes.flatMap((node) => node.events)).toEqual(['up b', 'up a']);
      for (const node of nodes) await node.mesh.close();
    }
  });
});
