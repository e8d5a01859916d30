import { Buffer } from 'node:buffer';
import { describe, expect, it } from 'vitest';
import { HandshakeRefusedError, InvalidOptionError } from '../../src/base/errors.ts';
import { clientId, clusterId, nodeId } from '../../src/base/ids.ts';
import { type AuthenticatedLink, type DialClientOptions, dialClient } from '../../src/mesh/client-dial.ts';
import { handshakeTimeoutMs, linkQueueBytesMax, linkSilenceMs } from '../../src/mesh/limits.ts';
import { clientSecret, type MeshNode, MeshWorld, peerSecret } from './mesh-world.ts';

function options(world: MeshWorld, change: Partial<DialClientOptions> = {}): DialClientOptions {
  return {
    transport: world.network.transport('x'),
    clock: world.clock,
    random: world.random,
    address: 'memory:a',
    secret: clientSecret,
    clientId: clientId('c'.repeat(32)),
    name: 'updater 1',
    signal: new AbortController().signal,
    ...change,
  };
}

async function outcome(
  world: MeshWorld,
  change: Partial<DialClientOptions> = {},
): Promise<AuthenticatedLink | Error> {
  let result: AuthenticatedLink | Error | undefined;
  dialClient(options(world, change)).then(
    (link) => {
      result = link;
    },
    (error) => {
      result = error;
    },
  );
  await world.clock.until(() => result !== undefined);
  return result!;
}

async function connected(): Promise<{ world: MeshWorld; node: MeshNode; link: AuthenticatedLink }> {
  const world = new MeshWorld();
  const node = world.node('a');
  node.mesh.setLocal({
    clusterId: clusterId('1'.repeat(32)),
    groups: new Map(),
    term: 4,
    leaderId: nodeId('b'),
  });
  await node.start();
  const link = await outcome(world);
  if (link instanceof Error) throw link;
  return { world, node, link };
}

describe('a client', () => {
  it('learns who answered and who led then, and frames pass both ways', async () => {
    const { world, node, link } = await connected();
    expect(link.node).toMatchObject({
      cluster: 'test',
      id: 'a',
      term: 4,
      leaderId: 'b',
      clusterId: '1'.repeat(32),
    });
    const [accepted] = node.clients;
    const got: string[] = [];
    accepted!.onFrame = (frame) => got.push(`node got ${Buffer.from(frame)}`);
    link.onFrame = (frame) => got.push(`client got ${Buffer.from(frame)}`);
    link.send(Buffer.from('take'));
    accepted!.send(Buffer.from('task'));
    await world.clock.advance(5);
    expect(got.sort()).toEqual(['client got task', 'node got take']);
  });

  it('misses no frame that comes before it listens', async () => {
    const { world, node, link } = await connected();
    node.clients[0]!.send(Buffer.from('one'));
    node.clients[0]!.send(Buffer.from('two'));
    await world.clock.advance(50);
    const got: string[] = [];
    link.onFrame = (frame) => got.push(Buffer.from(frame).toString());
    node.clients[0]!.send(Buffer.from('three'));
    await world.clock.advance(5);
    expect(got).toEqual(['one', 'two', 'three']);
  });

  it('is told at once of a close that came before it listened', async () => {
    const { world, node, link } = await connected();
    node.clients[0]!.close({ code: 4000, text: 'closing' });
    await world.clock.advance(5);
    const closes: unknown[] = [];
    link.onClose = (by, code) => closes.push([by, code]);
    await world.clock.advance(1);
    expect(closes).toEqual([['remote', 4000]]);
  });

  it('that is idle stays connected; one that falls silent is closed by timeout on both sides', async () => {
    const { world, node, link } = await connected();
    const closes: string[] = [];
    node.clients[0]!.onClose = (by) => closes.push(`node: ${by}`);
    link.onClose = (by) => closes.push(`client: ${by}`);
    await world.clock.advance(20_000);
    expect(closes).toEqual([]);
    world.network.cut('a', 'x');
    await world.clock.advance(2 * linkSilenceMs);
    expect(closes.sort()).toEqual(['client: timeout', 'node: timeout']);
  });

  it('that dies is reported at once, as closed by the other side', async () => {
    const { world, node } = await connected();
    const closes: string[] = [];
    node.clients[0]!.onClose = (by) => closes.push(by);
    world.network.kill('x');
    await world.clock.advance(1);
    expect(closes).toEqual(['remote']);
  });

  it('that the node does not read is not taken for silent', async () => {
    const { world, node } = await connected();
    const closes: string[] = [];
    node.clients[0]!.onClose = (by) => closes.push(by);
    node.clients[0]!.pause(true);
    await world.clock.advance(3 * linkSilenceMs);
    expect(closes).toEqual([]);
  });

  it('that reads nothing is cut off at 64 MiB', async () => {
    const { world, node, link } = await connected();
    link.onFrame = () => undefined;
    world.network.cut('a', 'x');
    for (let bytes = 0; bytes <= linkQueueBytesMax; bytes += 1_000_000)
      node.clients[0]!.send(new Uint8Array(1_000_000));
    const closes: string[] = [];
    node.clients[0]!.onClose = (by) => closes.push(by);
    await world.clock.advance(1);
    expect(closes).toEqual(['local']);
  });

  it('with a wrong secret gets a typed refusal', async () => {
    const world = new MeshWorld();
    await world.node('a').start();
    const error = await outcome(world, { secret: 'a secret that nobody here has ever accepted' });
    expect(error).toBeInstanceOf(HandshakeRefusedError);
    expect(error).toMatchObject({ reason: 'wrongSecret', code: 'HANDSHAKE_REFUSED' });
    expect(await outcome(world, { secret: peerSecret })).toMatchObject({ reason: 'wrongSecret' });
    expect(await outcome(world, { secret: 'short' })).toBeInstanceOf(InvalidOptionError);
  });

  it('does not take a node that cannot prove the secret: what it answers is not believed', async () => {
    const world = new MeshWorld();
    const clients = [
      {
        account: 'updater',
        secrets: ['not the secret of the client, but a long one'],
        may: new Set(['take'] as const),
      },
    ];
    await world.node('a', { clients }).start();
    expect(await outcome(world)).toMatchObject({ reason: 'wrongSecret' });
  });

  it('gets an error when nobody listens, when nobody answers, and when it changes its mind', async () => {
    const world = new MeshWorld();
    expect(await outcome(world)).toBeInstanceOf(Error);
    await world.network.transport('a').listen(() => undefined);
    const startMs = world.clock.monotonicMs();
    expect(await outcome(world)).toBeInstanceOf(Error);
    expect(world.clock.monotonicMs() - startMs).toBeLessThan(handshakeTimeoutMs + 100);
    const reason = new Error('changed my mind');
    expect(await outcome(world, { signal: AbortSignal.abort(reason) })).toBe(reason);
    const late = new AbortController();
    world.clock.after(100, () => late.abort(reason));
    expect(await outcome(world, { signal: late.signal })).toBe(reason);
    await world.clock.advance(5);
    expect(world.network.connections()).toEqual([]);
  });
});
