import { Buffer } from 'node:buffer';
import { beforeEach, describe, expect, it } from 'vitest';
import { InvalidOptionError } from '../../src/base/errors.ts';
import { bootId, clientId, clusterId, mainGroup, nodeId } from '../../src/base/ids.ts';
import { hashOfPeers } from '../../src/mesh/admission.ts';
import { labels } from '../../src/mesh/handshake.ts';
import { Keyring, keyIdOf, proofOf } from '../../src/mesh/keyring.ts';
import { handshakesMax, handshakeTimeoutMs } from '../../src/mesh/limits.ts';
import type { Link } from '../../src/ports/transport.ts';
import { refusalCodes } from '../../src/wire/close-codes.ts';
import {
  encodeClientIdentity,
  encodeHello,
  encodePeerIdentity,
  encodeProof,
  encodeReady,
  type PeerIdentity,
  protocolVersions,
} from '../../src/wire/handshake.ts';
import { helloBytesMax } from '../../src/wire/limits.ts';
import { encodeTuple } from '../../src/wire/msgpack.ts';
import { encodePeerFrame } from '../../src/wire/peer-frame.ts';
import { clientSecret, heartbeat, lifeOf, type MeshNode, MeshWorld, peerSecret } from './mesh-world.ts';

const otherSecret = 'a secret that nobody here has ever accepted';
const intruder: PeerIdentity = {
  cluster: 'test',
  clusterId: undefined,
  peersHash: hashOfPeers(['a', 'b', 'c'].map(nodeId)),
  id: nodeId('b'),
  incarnation: lifeOf('b'),
  bootId: bootId('b'.repeat(16)),
  groups: [],
  term: 0,
  leaderId: undefined,
  to: nodeId('a'),
};

/** Speaks the protocol by hand, as somebody does who has read this repository. */
class Attacker {
  readonly world: MeshWorld;
  readonly frames: Uint8Array[] = [];
  link: Link | undefined;
  closed: { readonly code: number; readonly text: string } | undefined;

  constructor(world: MeshWorld) {
    this.world = world;
  }

  async dial(address: string): Promise<void> {
    const dialled = this.world.network.transport('x').dial(address, { signal: new AbortController().signal });
    void dialled.then((link) => {
      this.link = link;
      link.onFrame = (frame) => this.frames.push(frame);
      link.onClose = (_by, code, text) => {
        this.closed = { code, text };
      };
    });
    await this.world.clock.until(() => this.link !== undefined);
  }

  async say(frame: Uint8Array): Promise<void> {
    this.link?.send(frame);
    await this.world.clock.advance(5);
  }

  /** Hello and challenge; returns both. */
  async greet(kind: 'peer' | 'client', nonce = Buffer.alloc(32, 9)): Promise<readonly Uint8Array[]> {
    const hello = encodeHello({ versionMin: 1, versionMax: protocolVersions.max, kind, nonce });
    await this.say(hello);
    return [hello, this.frames[0]!];
  }
}

function prove(
  said: readonly Uint8Array[],
  identity: Uint8Array,
  secret: string,
  label = 'raftsman 1 peer dialler',
  keySecret = secret,
): Uint8Array {
  const keyId = keyIdOf(keySecret);
  return encodeProof({ keyId, identity, mac: proofOf(secret, label, [...said, keyId, identity]) });
}

describe('the handshake', () => {
  let world: MeshWorld;
  let node: MeshNode;
  let attacker: Attacker;

  beforeEach(async () => {
    world = new MeshWorld();
    node = world.node('a');
    await node.start();
    attacker = new Attacker(world);
    await attacker.dial('memory:a');
  });

  const expectRefused = (refusal: keyof typeof refusalCodes): void => {
    expect(attacker.closed).toEqual({ code: refusalCodes[refusal], text: refusal });
    expect(node.events).toEqual([]);
    expect(node.clients).toEqual([]);
  };

  it('lets in who proves the secret', async () => {
    const said = await attacker.greet('peer');
    await attacker.say(prove(said, encodePeerIdentity(intruder), peerSecret));
    expect(node.events).toEqual([]);
    await attacker.say(encodeReady());
    expect(node.events).toEqual(['up b']);
  });

  it('says nothing about itself before the other side has proved a secret', async () => {
    await attacker.greet('peer');
    expect(attacker.frames).toHaveLength(1);
    expect(Buffer.from(attacker.frames[0]!).includes('test')).toBe(false);
    expect(attacker.frames[0]!.length).toBeLessThan(40);
  });

  it('refuses a wrong secret', async () => {
    const said = await attacker.greet('peer');
    await attacker.say(prove(said, encodePeerIdentity(intruder), otherSecret));
    expectRefused('wrongSecret');
    expect(node.kinds()).toEqual(['wrongSecret']);
  });

  it('refuses a wrong proof under the key id of the right secret', async () => {
    const said = await attacker.greet('peer');
    const label = 'raftsman 1 peer dialler';
    await attacker.say(prove(said, encodePeerIdentity(intruder), otherSecret, label, peerSecret));
    expectRefused('wrongSecret');
  });

  it('refuses a client secret on a link between members', async () => {
    const said = await attacker.greet('peer');
    await attacker.say(prove(said, encodePeerIdentity(intruder), clientSecret));
    expectRefused('wrongSecret');
  });

  it("refuses a client's proof that is turned into a member's", async () => {
    const said = await attacker.greet('peer');
    await attacker.say(
      prove(said, encodePeerIdentity(intruder), clientSecret, 'raftsman 1 client dialler', peerSecret),
    );
    expectRefused('wrongSecret');
  });

  it('refuses a proof recorded on an earlier link: the nonce of this one is fresh', async () => {
    const said = await attacker.greet('peer');
    const recorded = prove(said, encodePeerIdentity(intruder), peerSecret);
    const second = new Attacker(world);
    await second.dial('memory:a');
    await second.greet('peer');
    await second.say(recorded);
    expect(second.closed?.code).toBe(refusalCodes.wrongSecret);
    expect(node.events).toEqual([]);
  });

  it("refuses the acceptor's own proof sent back to it (reflection)", async () => {
    const said = await attacker.greet('peer');
    await attacker.say(prove(said, encodePeerIdentity(intruder), peerSecret));
    const answer = attacker.frames[1]!;
    const second = new Attacker(world);
    await second.dial('memory:a');
    await second.greet('peer');
    await second.say(answer);
    expect(second.closed?.code).toBe(refusalCodes.wrongSecret);
  });

  it('refuses a proof made with the label of the other direction', async () => {
    const said = await attacker.greet('peer');
    await attacker.say(prove(said, encodePeerIdentity(intruder), peerSecret, 'raftsman 1 peer acceptor'));
    expectRefused('wrongSecret');
  });

  it('refuses a proof over another identity than the one in the frame', async () => {
    const said = await attacker.greet('peer');
    const keyId = keyIdOf(peerSecret);
    const mac = proofOf(peerSecret, 'raftsman 1 peer dialler', [
      ...said,
      keyId,
      encodePeerIdentity(intruder),
    ]);
    const identity = encodePeerIdentity({ ...intruder, id: nodeId('c') });
    await attacker.say(encodeProof({ keyId, identity, mac }));
    expectRefused('wrongSecret');
  });

  it.each<[string, Partial<PeerIdentity>, keyof typeof refusalCodes]>([
    ['another cluster name', { cluster: 'other' }, 'wrongCluster'],
    ['an id that is not configured', { id: nodeId('d') }, 'unknownPeer'],
    ['another set of peers on first meeting', { peersHash: hashOfPeers([nodeId('a')]) }, 'wrongPeers'],
    ['the wish to speak to another node', { to: nodeId('c') }, 'wrongNode'],
    ['the id of this node', { id: nodeId('a') }, 'selfDial'],
  ])('refuses %s, proved or not', async (_, change, refusal) => {
    const said = await attacker.greet('peer');
    await attacker.say(prove(said, encodePeerIdentity({ ...intruder, ...change }), peerSecret));
    expectRefused(refusal);
    expect(node.kinds()).toEqual([refusal]);
  });

  it('refuses the node of another cluster that has the same name', async () => {
    node.mesh.setLocal({
      clusterId: clusterId('1'.repeat(32)),
      groups: new Map(),
      term: 3,
      leaderId: undefined,
    });
    const said = await attacker.greet('peer');
    const identity = encodePeerIdentity({ ...intruder, clusterId: clusterId('2'.repeat(32)) });
    await attacker.say(prove(said, identity, peerSecret));
    expectRefused('wrongCluster');
  });

  it.each([
    ['above', protocolVersions.max + 1, 9],
    ['of releases that knew one group and no shards', 1, 1],
  ])('refuses a version range it does not speak (%s)', async (_, versionMin, versionMax) => {
    await attacker.say(encodeHello({ versionMin, versionMax, kind: 'peer', nonce: Buffer.alloc(32) }));
    expectRefused('versionMismatch');
  });

  it.each<[string, Uint8Array]>([
    ['garbage', Buffer.from('GET / HTTP/1.1\r\n\r\n')],
    ['a map', Buffer.from([0x81, 0xa1, 0x61, 0x01])],
    ['a peer frame before the handshake', encodePeerFrame([{ type: 'service', frame: Buffer.from('x') }])],
    ['nested arrays', Buffer.alloc(2_000, 0x91)],
    ['a tuple of the wrong length', encodeTuple(['raftsman'])],
  ])('refuses %s', async (_, frame) => {
    await attacker.say(frame);
    expectRefused('badHello');
    expect(node.kinds()).toEqual(['badFrame']);
  });

  it('refuses a frame over 4 KiB before the proof', async () => {
    await attacker.say(new Uint8Array(helloBytesMax + 1));
    expect(attacker.closed?.code).toBe(1009);
    expect(node.events).toEqual([]);
  });

  it('takes large frames only after the last frame of the handshake', async () => {
    const said = await attacker.greet('peer');
    await attacker.say(prove(said, encodePeerIdentity(intruder), peerSecret));
    await attacker.say(new Uint8Array(helloBytesMax + 1));
    expect(attacker.closed?.code).toBe(1009);
  });

  it('closes a link that takes longer than 5 s, also one that shows signs of life', async () => {
    await attacker.greet('peer');
    for (let passedMs = 0; passedMs < handshakeTimeoutMs; passedMs += 250) {
      expect(attacker.closed).toBeUndefined();
      attacker.link?.send(new Uint8Array(0));
      await world.clock.advance(250);
    }
    expectRefused('handshakeTimeout');
  });

  it('refuses more links than it can watch', async () => {
    const crowd = Array.from({ length: handshakesMax }, () => new Attacker(world));
    for (const one of crowd) await one.dial('memory:a');
    await world.clock.advance(5);
    expect(crowd.at(-1)?.closed?.code).toBe(refusalCodes.tooManyLinks);
    expect(crowd[0]?.closed).toBeUndefined();
  });

  it('delivers nothing that follows a refused proof', async () => {
    const said = await attacker.greet('peer');
    attacker.link?.send(prove(said, encodePeerIdentity(intruder), otherSecret));
    attacker.link?.send(encodeReady());
    const message = heartbeat(1);
    await attacker.say(encodePeerFrame([{ type: 'message', group: mainGroup, message }]));
    expectRefused('wrongSecret');
    expect(node.messages).toEqual([]);
  });

  it('lets a client in under its account with what it may, and its frames follow at once', async () => {
    const said = await attacker.greet('client');
    const identity = encodeClientIdentity({
      clientId: clientId('c'.repeat(32)),
      name: 'updater 7',
      router: false,
    });
    await attacker.say(prove(said, identity, clientSecret, 'raftsman 1 client dialler'));
    expect(node.clients).toHaveLength(1);
    expect(node.clients[0]).toMatchObject({ account: 'updater', name: 'updater 7' });
    expect([...node.clients[0]!.may]).toEqual(['take']);
    expect(node.events).toEqual([]);
  });

  it('refuses the members\u2019 secret on a client link', async () => {
    const said = await attacker.greet('client');
    const identity = encodeClientIdentity({ clientId: clientId('c'.repeat(32)), name: 'x', router: false });
    await attacker.say(prove(said, identity, peerSecret, 'raftsman 1 client dialler'));
    expectRefused('wrongSecret');
  });
});

describe('secrets', () => {
  it('may be two at once: the first is sent, all are accepted', async () => {
    const world = new MeshWorld();
    const [older, newer] = [
      'the old secret, which is long enough by now',
      'the new secret, which is long enough as well',
    ];
    const a = world.node('a', { secrets: [older, newer] });
    const b = world.node('b', { secrets: [newer, older] });
    await a.start();
    await b.start();
    await world.clock.until(() => a.connected().length === 1 && b.connected().length === 1);
  });

  it('must be 32 bytes long and have one purpose', () => {
    const may = new Set(['take'] as const);
    expect(() => new Keyring([], [])).toThrow(InvalidOptionError);
    expect(() => new Keyring(['short'], [])).toThrow(InvalidOptionError);
    expect(() => new Keyring(['ä'.repeat(16)], [])).not.toThrow();
    expect(() => new Keyring([peerSecret], [{ account: 'x', secrets: [peerSecret], may }])).toThrow(
      InvalidOptionError,
    );
    const twins = ['x', 'y'].map((account) => ({ account, secrets: [clientSecret], may }));
    expect(() => new Keyring([peerSecret], twins)).toThrow(InvalidOptionError);
  });

  it('prove under another label for each direction and kind of link', () => {
    const all = Object.values(labels).flatMap((pair) => Object.values(pair));
    expect(new Set(all).size).toBe(4);
  });

  it('give proofs in which no part can move into its neighbour', () => {
    const [one, two] = [Buffer.from('ab'), Buffer.from('c')];
    const [three, four] = [Buffer.from('a'), Buffer.from('bc')];
    expect(proofOf(peerSecret, 'x', [one, two])).not.toEqual(proofOf(peerSecret, 'x', [three, four]));
  });
});
