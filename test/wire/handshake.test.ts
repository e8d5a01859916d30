import { Buffer } from 'node:buffer';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ProtocolError } from '../../src/base/errors.ts';
import { bootId, clientId, clusterId, incarnation, nodeId } from '../../src/base/ids.ts';
import { linkCodes, refusalCodes, refusalOf } from '../../src/wire/close-codes.ts';
import {
  decodeChallenge,
  decodeClientIdentity,
  decodeHello,
  decodeNodeIdentity,
  decodePeerIdentity,
  decodeProof,
  decodeReady,
  encodeChallenge,
  encodeClientIdentity,
  encodeHello,
  encodeNodeIdentity,
  encodePeerIdentity,
  encodeProof,
  encodeReady,
  type PeerIdentity,
} from '../../src/wire/handshake.ts';
import { groupHellosMax, helloBytesMax } from '../../src/wire/limits.ts';
import { encodeTuple, type WireValue } from '../../src/wire/msgpack.ts';

const nonce = Buffer.alloc(32, 7);
const hello = { versionMin: 1, versionMax: 3, kind: 'client', nonce } as const;
const peer: PeerIdentity = {
  cluster: 'test',
  clusterId: clusterId('0123456789abcdef'.repeat(2)),
  peersHash: Buffer.alloc(32, 1),
  id: nodeId('a'),
  incarnation: incarnation('0123456789abcdef'),
  bootId: bootId('fedcba9876543210'),
  groups: [
    { code: 0, hosted: true, recorded: true, knowsLeader: false },
    { code: 0xffff_ffff, hosted: false, recorded: true, knowsLeader: true },
  ],
  term: 7,
  leaderId: nodeId('b'),
  to: nodeId('c'),
};
const unknown: PeerIdentity = { ...peer, clusterId: undefined, leaderId: undefined, groups: [] };
const node = {
  role: 'node' as const,
  cluster: 'test',
  clusterId: undefined,
  id: nodeId('a'),
  bootId: peer.bootId,
  term: 1,
  leaderId: undefined,
};
const client = { clientId: clientId('ab'.repeat(16)), name: 'updater 1', router: false };
const proof = { keyId: Buffer.alloc(8, 2), identity: Buffer.from('x'), mac: Buffer.alloc(32, 3) };

const frames: readonly (readonly [string, Buffer, (bytes: Uint8Array) => unknown, unknown])[] = [
  ['hello', encodeHello(hello), decodeHello, hello],
  ['challenge', encodeChallenge({ version: 1, nonce }), decodeChallenge, { version: 1, nonce }],
  ['proof', encodeProof(proof), decodeProof, proof],
  ['member', encodePeerIdentity(peer), decodePeerIdentity, peer],
  ['member that knows no cluster', encodePeerIdentity(unknown), decodePeerIdentity, unknown],
  ['client', encodeClientIdentity(client), decodeClientIdentity, client],
  ['node', encodeNodeIdentity(node), decodeNodeIdentity, node],
  ['ready', encodeReady(), decodeReady, undefined],
];

describe('handshake frames', () => {
  it.each(frames)('%s comes back as it was', (_, bytes, decode, value) => {
    expect(decode(bytes)).toEqual(value);
  });

  it.each(frames)('%s lets nothing but ProtocolError out when it is mutated', (_, bytes, decode) => {
    const change = fc.tuple(fc.nat(), fc.integer({ min: 0, max: 255 }));
    fc.assert(
      fc.property(fc.array(change, { minLength: 1, maxLength: 3 }), fc.nat({ max: 4 }), (changes, cut) => {
        const frame = Buffer.from(bytes);
        for (const [at, byte] of changes) frame[at % frame.length] = byte;
        try {
          decode(frame.subarray(0, frame.length - cut));
        } catch (error) {
          expect(error).toBeInstanceOf(ProtocolError);
        }
      }),
      { numRuns: 1_000 },
    );
  });

  it.each<[string, readonly WireValue[]]>([
    ['another magic word', ['raft', 1, 1, 0, nonce]],
    ['a version range upside down', ['raftsman', 2, 1, 0, nonce]],
    ['version 0', ['raftsman', 0, 1, 0, nonce]],
    ['an unknown kind of link', ['raftsman', 1, 1, 2, nonce]],
    ['a short nonce', ['raftsman', 1, 1, 0, nonce.subarray(1)]],
    ['a long nonce', ['raftsman', 1, 1, 0, Buffer.alloc(33)]],
    ['more fields', ['raftsman', 1, 1, 0, nonce, 1]],
    ['a text for a nonce', ['raftsman', 1, 1, 0, 'x'.repeat(32)]],
  ])('a hello with %s is refused', (_, tuple) => {
    expect(() => decodeHello(encodeTuple(tuple))).toThrow(ProtocolError);
  });

  it('fit the limit before authentication with the longest names', () => {
    const long = 'n'.repeat(64);
    const identity = encodePeerIdentity({
      ...peer,
      groups: Array.from({ length: groupHellosMax }, (_, code) => ({
        code,
        hosted: true,
        recorded: true,
        knowsLeader: true,
      })),
      cluster: long,
      id: nodeId(long),
      leaderId: nodeId(long),
      to: nodeId(long),
    });
    expect(encodeProof({ ...proof, identity }).length).toBeLessThan(helloBytesMax);
  });

  it('have close codes of their own, in the range that applications may use', () => {
    const codes = [...Object.values(refusalCodes), ...Object.values(linkCodes)];
    expect(new Set(codes).size).toBe(codes.length);
    for (const code of codes) expect(code >= 4_000 && code <= 4_999).toBe(true);
    for (const [refusal, code] of Object.entries(refusalCodes)) expect(refusalOf(code)).toBe(refusal);
    expect(refusalOf(1006)).toBeUndefined();
  });
});
