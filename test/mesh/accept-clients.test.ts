import { Buffer } from 'node:buffer';
import { describe, expect, it } from 'vitest';
import { bootId, clientId, nodeId } from '../../src/base/ids.ts';
import { ClientListener } from '../../src/mesh/accept-clients.ts';
import { type AuthenticatedLink, dialClient } from '../../src/mesh/client-dial.ts';
import { ClientKeyring } from '../../src/mesh/keyring.ts';
import type { ClientLink } from '../../src/mesh/types.ts';
import type { NodeIdentity } from '../../src/wire/handshake.ts';
import { clientSecret, MeshWorld, peerSecret, updater } from './mesh-world.ts';

const identity: NodeIdentity = {
  role: 'proxy',
  cluster: 'edge',
  clusterId: undefined,
  id: nodeId('edge'),
  bootId: bootId('1'.repeat(16)),
  term: 0,
  leaderId: undefined,
};

/** A listener for clients alone, at `memory:edge`. */
async function listening(world: MeshWorld): Promise<{
  readonly listener: ClientListener;
  readonly links: ClientLink[];
  readonly warnings: string[];
}> {
  const links: ClientLink[] = [];
  const warnings: string[] = [];
  const note = (data: object): void => {
    warnings.push(JSON.stringify(data));
  };
  const listener = new ClientListener({
    transport: world.network.transport('edge'),
    clock: world.clock,
    random: world.random,
    logger: { debug: () => {}, info: () => {}, warn: note, error: note },
    keyring: new ClientKeyring([updater]),
    identity: () => identity,
    clientUp: (link) => links.push(link),
  });
  await listener.start();
  return { listener, links, warnings };
}

async function dial(world: MeshWorld, secret = clientSecret): Promise<AuthenticatedLink | Error> {
  let result: AuthenticatedLink | Error | undefined;
  const settle = (value: AuthenticatedLink | Error): void => {
    result = value;
  };
  dialClient({
    transport: world.network.transport('x'),
    clock: world.clock,
    random: world.random,
    address: 'memory:edge',
    secret,
    clientId: clientId('c'.repeat(32)),
    name: 'updater 1',
    signal: new AbortController().signal,
  }).then(settle, settle);
  await world.clock.until(() => result !== undefined);
  return result!;
}

async function linked(world: MeshWorld): Promise<AuthenticatedLink> {
  const link = await dial(world);
  if (link instanceof Error) throw link;
  return link;
}

describe('a listener for clients', () => {
  it('says that it is a proxy, and hands over who proved which secret', async () => {
    const world = new MeshWorld();
    const { links } = await listening(world);
    const link = await linked(world);
    expect(link.node).toEqual(identity);
    expect(links[0]).toMatchObject({
      account: 'updater',
      name: 'updater 1',
      clientId: 'c'.repeat(32),
      may: updater.may,
    });
    const got: string[] = [];
    link.onFrame = (frame) => got.push(Buffer.from(frame).toString());
    links[0]!.send(Buffer.from('shards'));
    await world.clock.advance(50);
    expect(got).toEqual(['shards']);
  });

  it('refuses secrets that it does not know, those of members among them, and says so once', async () => {
    const world = new MeshWorld();
    const { links, warnings } = await listening(world);
    for (let i = 0; i < 3; i++) {
      const refused = await dial(world, peerSecret);
      expect(refused).toMatchObject({ code: 'HANDSHAKE_REFUSED', reason: 'wrongSecret' });
    }
    const member = world.node('a', { addresses: { a: 'memory:a', b: 'memory:edge' }, peers: ['a', 'b'] });
    await member.start();
    await world.clock.advance(100);
    expect(member.events).toEqual([]);
    expect(links).toEqual([]);
    expect(warnings).toHaveLength(1);
    expect(warnings.join()).not.toContain(peerSecret);
  });

  it('accepts nobody after it was stopped, and links that stand go on until it closes', async () => {
    const world = new MeshWorld();
    const { listener, links } = await listening(world);
    const link = await linked(world);
    await listener.stop();
    expect(await dial(world)).toBeInstanceOf(Error);
    const got: string[] = [];
    links[0]!.onFrame = (frame) => got.push(Buffer.from(frame).toString());
    link.send(Buffer.from('still there'));
    await world.clock.advance(50);
    expect(got).toEqual(['still there']);
    const closed: number[] = [];
    link.onClose = (_by, code) => closed.push(code);
    await listener.close();
    await world.clock.advance(50);
    expect(closed).toEqual([4000]);
  });

  it('keeps the link of a client that has nothing to say', async () => {
    const world = new MeshWorld();
    const { links } = await listening(world);
    await linked(world);
    const closed: string[] = [];
    links[0]!.onClose = (by) => closed.push(by);
    await world.clock.advance(10_000);
    expect(closed).toEqual([]);
  });
});
