import { Buffer } from 'node:buffer';
import { assert } from '../base/assert.ts';
import { ProtocolError } from '../base/errors.ts';
import type { BootId, ClientId, ClusterId, Incarnation, NodeId } from '../base/ids.ts';
import { readBin, readBool, readEnum, readInt, readOptional, readString, readTuple } from './fields.ts';
import {
  readBootId,
  readClientId,
  readClusterId,
  readIncarnation,
  readName,
  readNodeId,
} from './id-fields.ts';
import { groupHellosMax, reportTextBytesMax } from './limits.ts';
import { asBuffer, decodeStrict, encodeTuple } from './msgpack.ts';

/** First field of the first frame on every link. */
export const handshakeMagic = 'raftsman';
/** Oldest and newest protocol version that this build speaks. */
export const protocolVersions = { min: 2, max: 2 } as const;
export const nonceBytes = 32;
export const macBytes = 32;
export const keyIdBytes = 8;

/** Sent as the position in this list. */
export const linkKinds = ['peer', 'client'] as const;
export type LinkKind = (typeof linkKinds)[number];

/** First frame, dialler to acceptor: what may be said to anybody. */
export interface Hello {
  readonly versionMin: number;
  readonly versionMax: number;
  readonly kind: LinkKind;
  readonly nonce: Uint8Array;
}

/** Second frame, acceptor to dialler. */
export interface Challenge {
  readonly version: number;
  readonly nonce: Uint8Array;
}

/** Third and fourth frame: who the sender is, and the proof over all bytes so far. `identity` is a frame of its own, decoded after the proof. */
export interface Proof {
  /** Names the secret; all zero in the fourth frame, which uses the secret of the third. */
  readonly keyId: Uint8Array;
  readonly identity: Uint8Array;
  readonly mac: Uint8Array;
}

/** What a member says of one group: of those it hosts, and of those of which its directory holds records. */
export interface GroupHello {
  /** See `groupCode`. */
  readonly code: number;
  readonly hosted: boolean;
  /** The directory holds a record of the group: it takes no part in founding it. */
  readonly recorded: boolean;
  /** It knows a leader of the group, and not the receiver. */
  readonly knowsLeader: boolean;
}

/** What a member says of itself once the other side may know. */
export interface PeerIdentity {
  readonly cluster: string;
  /** Of `main`. */
  readonly clusterId: ClusterId | undefined;
  /** SHA-256 of the configured peer set, compared while neither side has a cluster id. */
  readonly peersHash: Uint8Array;
  readonly id: NodeId;
  readonly incarnation: Incarnation;
  readonly bootId: BootId;
  /** Each code once. */
  readonly groups: readonly GroupHello[];
  /** Of `main`, as the two below. */
  readonly term: number;
  readonly leaderId: NodeId | undefined;
  /** Whom the sender believes to speak to. */
  readonly to: NodeId;
}

/** What a client says of itself. */
export interface ClientIdentity {
  readonly clientId: ClientId;
  /** For reports; not proved. */
  readonly name: string;
  /** It finds leaders itself: nodes answer it NOT_LEADER instead of passing its requests on, and tell it of every leader. */
  readonly router: boolean;
}

/** Who answers clients. Sent as the position in this list. */
export const acceptorRoles = ['node', 'proxy'] as const;
export type AcceptorRole = (typeof acceptorRoles)[number];

/** What a node, or a proxy, says to a client. */
export interface NodeIdentity {
  readonly role: AcceptorRole;
  readonly cluster: string;
  readonly clusterId: ClusterId | undefined;
  readonly id: NodeId;
  readonly bootId: BootId;
  readonly term: number;
  readonly leaderId: NodeId | undefined;
}

export function encodeHello(hello: Hello): Buffer {
  const kind = linkKinds.indexOf(hello.kind);
  return encodeTuple([handshakeMagic, hello.versionMin, hello.versionMax, kind, asBuffer(hello.nonce)]);
}

export function decodeHello(bytes: Uint8Array): Hello {
  const [magic, min, max, kind, nonce] = handshakeTuple(bytes, 'hello', 5);
  if (magic !== handshakeMagic) throw new ProtocolError('hello without the magic word');
  const versionMin = readInt(min, 'versionMin', 1, versionMaxMax);
  return {
    versionMin,
    versionMax: readInt(max, 'versionMax', versionMin, versionMaxMax),
    kind: readEnum(kind, 'kind', linkKinds),
    nonce: readBin(nonce, 'nonce', nonceBytes, nonceBytes),
  };
}

export function encodeChallenge(challenge: Challenge): Buffer {
  return encodeTuple([challenge.version, asBuffer(challenge.nonce)]);
}

export function decodeChallenge(bytes: Uint8Array): Challenge {
  const [version, nonce] = handshakeTuple(bytes, 'challenge', 2);
  return {
    version: readInt(version, 'version', 1, versionMaxMax),
    nonce: readBin(nonce, 'nonce', nonceBytes, nonceBytes),
  };
}

export function encodeProof(proof: Proof): Buffer {
  return encodeTuple([asBuffer(proof.keyId), asBuffer(proof.identity), asBuffer(proof.mac)]);
}

export function decodeProof(bytes: Uint8Array): Proof {
  const [keyId, identity, mac] = handshakeTuple(bytes, 'proof', 3);
  return {
    keyId: readBin(keyId, 'keyId', keyIdBytes, keyIdBytes),
    identity: readBin(identity, 'identity', identityBytesMax),
    mac: readBin(mac, 'mac', macBytes, macBytes),
  };
}

export function encodePeerIdentity(peer: PeerIdentity): Buffer {
  const { cluster, clusterId, peersHash, id, incarnation, bootId, groups, term, leaderId, to } = peer;
  const lives = [id, incarnation, bootId, encodeGroups(groups)];
  return encodeTuple([cluster, clusterId ?? null, asBuffer(peersHash), ...lives, term, leaderId ?? null, to]);
}

export function decodePeerIdentity(bytes: Uint8Array): PeerIdentity {
  const tuple = handshakeTuple(bytes, 'identity', 10);
  const [cluster, clusterId, peersHash, id, life, boot, groups, term, leaderId, to] = tuple;
  return {
    cluster: readName(cluster, 'cluster'),
    clusterId: readOptional(clusterId, 'clusterId', readClusterId),
    peersHash: readBin(peersHash, 'peersHash', macBytes, macBytes),
    id: readNodeId(id, 'id'),
    incarnation: readIncarnation(life, 'incarnation'),
    bootId: readBootId(boot, 'bootId'),
    groups: decodeGroups(readBin(groups, 'groups', groupHellosMax * groupHelloBytes)),
    term: readInt(term, 'term'),
    leaderId: readOptional(leaderId, 'leaderId', readNodeId),
    to: readNodeId(to, 'to'),
  };
}

function encodeGroups(groups: readonly GroupHello[]): Buffer {
  assert(groups.length <= groupHellosMax, 'a hello names a bounded number of groups');
  const bytes = Buffer.alloc(groups.length * groupHelloBytes);
  groups.forEach(({ code, hosted, recorded, knowsLeader }, place) => {
    const at = bytes.writeUInt32BE(code, place * groupHelloBytes);
    bytes[at] = (hosted ? 1 : 0) | (recorded ? 2 : 0) | (knowsLeader ? 4 : 0);
  });
  return bytes;
}

function decodeGroups(bytes: Buffer): readonly GroupHello[] {
  if (bytes.length % groupHelloBytes !== 0) throw new ProtocolError('groups has a wrong length');
  const groups: GroupHello[] = [];
  const seen = new Set<number>();
  for (let at = 0; at < bytes.length; at += groupHelloBytes) {
    const code = bytes.readUInt32BE(at);
    const flags = bytes[at + 4] ?? 0;
    if (flags > 7 || seen.has(code)) throw new ProtocolError('groups is malformed');
    seen.add(code);
    groups.push({
      code,
      hosted: (flags & 1) !== 0,
      recorded: (flags & 2) !== 0,
      knowsLeader: (flags & 4) !== 0,
    });
  }
  return groups;
}

export function encodeClientIdentity(client: ClientIdentity): Buffer {
  return encodeTuple([client.clientId, client.name, client.router]);
}

export function decodeClientIdentity(bytes: Uint8Array): ClientIdentity {
  const [id, name, router] = handshakeTuple(bytes, 'identity', 3);
  return {
    clientId: readClientId(id, 'clientId'),
    name: readString(name, 'name', reportTextBytesMax),
    router: readBool(router, 'router'),
  };
}

export function encodeNodeIdentity(node: NodeIdentity): Buffer {
  const { role, cluster, clusterId, id, bootId, term, leaderId } = node;
  const fields = [cluster, clusterId ?? null, id, bootId, term, leaderId ?? null];
  return encodeTuple([acceptorRoles.indexOf(role), ...fields]);
}

export function decodeNodeIdentity(bytes: Uint8Array): NodeIdentity {
  const [role, cluster, clusterId, id, boot, term, leaderId] = handshakeTuple(bytes, 'identity', 7);
  return {
    role: readEnum(role, 'role', acceptorRoles),
    cluster: readName(cluster, 'cluster'),
    clusterId: readOptional(clusterId, 'clusterId', readClusterId),
    id: readNodeId(id, 'id'),
    bootId: readBootId(boot, 'bootId'),
    term: readInt(term, 'term'),
    leaderId: readOptional(leaderId, 'leaderId', readNodeId),
  };
}

/** Last frame of a handshake between members: the dialler takes the link as the pair's. Empty for the acceptor's eyes only. */
export function encodeReady(): Buffer {
  return encodeTuple([handshakeMagic]);
}

export function decodeReady(bytes: Uint8Array): void {
  const [magic] = handshakeTuple(bytes, 'ready', 1);
  if (magic !== handshakeMagic) throw new ProtocolError('ready without the magic word');
}

/** A code and a byte of flags: 1 hosted, 2 recorded, 4 knowsLeader. */
const groupHelloBytes = 5;
const versionMaxMax = 65_535;
const handshakeItemsMax = 32;
const identityBytesMax = 2_048;

function handshakeTuple(bytes: Uint8Array, what: string, length: number): readonly unknown[] {
  return readTuple(decodeStrict(bytes, handshakeItemsMax), what, length);
}
