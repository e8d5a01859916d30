import { ProtocolError } from '../base/errors.ts';
import type { Clock, Scheduled } from '../ports/clock.ts';
import type { Random } from '../ports/random.ts';
import type { Refusal } from '../wire/close-codes.ts';
import {
  type ClientIdentity,
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
  type Hello,
  keyIdBytes,
  type LinkKind,
  type NodeIdentity,
  nonceBytes,
  type PeerIdentity,
  type Proof,
  protocolVersions,
} from '../wire/handshake.ts';
import { frameBytesMax } from '../wire/limits.ts';
import { isSameProof, type KeyHolder, type Keyring, keyIdOf, proofOf } from './keyring.ts';
import { handshakeTimeoutMs } from './limits.ts';
import type { LiveLink } from './live-link.ts';

export interface HandshakePorts {
  readonly clock: Clock;
  readonly random: Random;
}

/** Ends a handshake that fails: the link is refused with it, and it is what the owner is told. */
class Refused extends Error {
  readonly refusal: Refusal;

  constructor(refusal: Refusal) {
    super(refusal);
    this.refusal = refusal;
  }
}

/** One handshake: takes frames one by one, and ends once: passed, refused by this side, or closed. */
abstract class Handshake {
  protected readonly link: LiveLink;
  readonly #timeout: Scheduled;
  #isOver = false;

  constructor(link: LiveLink, clock: Clock) {
    this.link = link;
    this.#timeout = clock.after(handshakeTimeoutMs, () => this.#refuse('handshakeTimeout'));
    link.onFrame = (frame) => this.#onFrame(frame);
    link.onClose = (_by, code) => this.over(() => this.failed(undefined, code));
  }

  /** This side gives up; the owner is not told. */
  abandon(refusal: Refusal): void {
    this.over(() => this.link.refuse(refusal));
  }

  protected abstract next(frame: Uint8Array): void;
  /** `refusal`: decided here. Otherwise the other side closed with `code`. */
  protected abstract failed(refusal: Refusal | undefined, code: number): void;

  protected over(then: () => void): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#timeout.cancel();
    this.link.onFrame = undefined;
    this.link.onClose = undefined;
    then();
  }

  #onFrame(frame: Uint8Array): void {
    if (this.#isOver) return;
    try {
      this.next(frame);
    } catch (error) {
      if (error instanceof Refused) this.#refuse(error.refusal);
      else if (error instanceof ProtocolError) this.#refuse('badHello');
      else throw error;
    }
  }

  #refuse(refusal: Refusal): void {
    this.over(() => {
      this.link.refuse(refusal);
      this.failed(refusal, 0);
    });
  }
}

/** Whom the acceptor met. */
export type Accepted =
  | { readonly kind: 'peer'; readonly identity: PeerIdentity }
  | {
      readonly kind: 'client';
      readonly identity: ClientIdentity;
      readonly holder: KeyHolder & { kind: 'client' };
    };

export interface AcceptorOwner {
  /** Judges a proved identity; may commit the pair's link to this handshake. */
  judge(identity: PeerIdentity): Refusal | undefined;
  judgeClient(identity: ClientIdentity): Refusal | undefined;
  identityFor(peer: PeerIdentity): PeerIdentity;
  nodeIdentity(): NodeIdentity;
  passed(accepted: Accepted): void;
  /** `refusal`: decided here. Otherwise the other side closed with `code`. */
  failed(refusal: Refusal | undefined, code: number): void;
}

/** The side that was dialled. It says nothing about itself before the dialler has proved a secret. */
export class Acceptor extends Handshake {
  readonly #ports: HandshakePorts;
  readonly #keyring: Keyring;
  readonly #owner: AcceptorOwner;
  #hello: { readonly bytes: Uint8Array; readonly value: Hello } | undefined;
  #challenge: Uint8Array = new Uint8Array(0);
  #peer: PeerIdentity | undefined;

  constructor(link: LiveLink, ports: HandshakePorts, keyring: Keyring, owner: AcceptorOwner) {
    super(link, ports.clock);
    this.#ports = ports;
    this.#keyring = keyring;
    this.#owner = owner;
  }

  protected next(frame: Uint8Array): void {
    if (this.#hello === undefined) this.#onHello(frame);
    else if (this.#peer === undefined) this.#onProof(frame, this.#hello);
    else this.#onReady(frame, this.#peer);
  }

  protected failed(refusal: Refusal | undefined, code: number): void {
    this.#owner.failed(refusal, code);
  }

  #onHello(bytes: Uint8Array): void {
    const value = decodeHello(bytes);
    const version = Math.min(value.versionMax, protocolVersions.max);
    if (version < Math.max(value.versionMin, protocolVersions.min)) throw new Refused('versionMismatch');
    this.#hello = { bytes, value };
    this.#challenge = encodeChallenge({ version, nonce: this.#ports.random.bytes(nonceBytes) });
    this.link.send(this.#challenge);
  }

  #onProof(bytes: Uint8Array, hello: { readonly bytes: Uint8Array; readonly value: Hello }): void {
    const proof = decodeProof(bytes);
    const { kind } = hello.value;
    const holder = this.#keyring.find(kind, proof.keyId);
    if (holder === undefined) throw new Refused('wrongSecret');
    const before = [hello.bytes, this.#challenge];
    checkProof(holder.secret, labels[kind].dialler, before, proof);
    const answer = (identity: Uint8Array): void =>
      this.link.send(makeProof(holder.secret, labels[kind].acceptor, [...before, bytes], noKeyId, identity));
    if (holder.kind === 'peer') this.#onPeer(decodePeerIdentity(proof.identity), answer);
    else this.#onClient(decodeClientIdentity(proof.identity), holder, answer);
  }

  #onPeer(identity: PeerIdentity, answer: (identity: Uint8Array) => void): void {
    const refusal = this.#owner.judge(identity);
    if (refusal !== undefined) throw new Refused(refusal);
    this.#peer = identity;
    answer(encodePeerIdentity(this.#owner.identityFor(identity)));
  }

  #onReady(frame: Uint8Array, identity: PeerIdentity): void {
    decodeReady(frame);
    this.link.setFrameBytesMax(frameBytesMax);
    this.over(() => this.#owner.passed({ kind: 'peer', identity }));
  }

  #onClient(
    identity: ClientIdentity,
    holder: KeyHolder & { kind: 'client' },
    answer: (identity: Uint8Array) => void,
  ): void {
    const refusal = this.#owner.judgeClient(identity);
    if (refusal !== undefined) throw new Refused(refusal);
    answer(encodeNodeIdentity(this.#owner.nodeIdentity()));
    this.link.setFrameBytesMax(frameBytesMax);
    this.over(() => this.#owner.passed({ kind: 'client', identity, holder }));
  }
}

export interface DiallerOwner<Identity> {
  /** The acceptor answered the hello: a process is there. */
  heard(): void;
  judge(identity: Identity): Refusal | undefined;
  passed(identity: Identity): void;
  failed(refusal: Refusal | undefined, code: number): void;
}

/** What differs between a member and a client that dials. */
export interface DiallerRole<Identity> {
  readonly kind: LinkKind;
  readonly secret: string;
  identity(): Uint8Array;
  decode(bytes: Uint8Array): Identity;
}

/** The side that dials. It speaks first, and proves first. */
export class Dialler<Identity> extends Handshake {
  readonly #role: DiallerRole<Identity>;
  readonly #owner: DiallerOwner<Identity>;
  readonly #hello: Uint8Array;
  #said: readonly Uint8Array[] | undefined;

  constructor(
    link: LiveLink,
    ports: HandshakePorts,
    role: DiallerRole<Identity>,
    owner: DiallerOwner<Identity>,
  ) {
    super(link, ports.clock);
    this.#role = role;
    this.#owner = owner;
    const { min: versionMin, max: versionMax } = protocolVersions;
    const nonce = ports.random.bytes(nonceBytes);
    this.#hello = encodeHello({ versionMin, versionMax, kind: role.kind, nonce });
    link.send(this.#hello);
  }

  protected next(frame: Uint8Array): void {
    if (this.#said === undefined) this.#onChallenge(frame);
    else this.#onAnswer(frame, this.#said);
  }

  protected failed(refusal: Refusal | undefined, code: number): void {
    this.#owner.failed(refusal, code);
  }

  #onChallenge(challenge: Uint8Array): void {
    const { version } = decodeChallenge(challenge);
    if (version < protocolVersions.min || version > protocolVersions.max)
      throw new Refused('versionMismatch');
    this.#owner.heard();
    const { kind, secret } = this.#role;
    const before = [this.#hello, challenge];
    const proof = makeProof(secret, labels[kind].dialler, before, keyIdOf(secret), this.#role.identity());
    this.#said = [...before, proof];
    this.link.send(proof);
  }

  #onAnswer(frame: Uint8Array, said: readonly Uint8Array[]): void {
    const { kind, secret, decode } = this.#role;
    const proof = decodeProof(frame);
    checkProof(secret, labels[kind].acceptor, said, proof);
    const identity = decode(proof.identity);
    const refusal = this.#owner.judge(identity);
    if (refusal !== undefined) throw new Refused(refusal);
    if (kind === 'peer') this.link.send(encodeReady());
    this.link.setFrameBytesMax(frameBytesMax);
    this.over(() => this.#owner.passed(identity));
  }
}

/** How a member dials a member. */
export function peerRole(secret: string, identity: () => PeerIdentity): DiallerRole<PeerIdentity> {
  return { kind: 'peer', secret, identity: () => encodePeerIdentity(identity()), decode: decodePeerIdentity };
}

/** How a client dials a node. */
export function clientRole(secret: string, identity: ClientIdentity): DiallerRole<NodeIdentity> {
  return {
    kind: 'client',
    secret,
    identity: () => encodeClientIdentity(identity),
    decode: decodeNodeIdentity,
  };
}

/** The label says who proves what, so that a proof sent back to its maker, or to another kind of link, proves nothing. */
const labels: Readonly<Record<LinkKind, { readonly dialler: string; readonly acceptor: string }>> = {
  peer: { dialler: 'raftsman 1 peer dialler', acceptor: 'raftsman 1 peer acceptor' },
  client: { dialler: 'raftsman 1 client dialler', acceptor: 'raftsman 1 client acceptor' },
};

const noKeyId = new Uint8Array(keyIdBytes);

function makeProof(
  secret: string,
  label: string,
  before: readonly Uint8Array[],
  keyId: Uint8Array,
  identity: Uint8Array,
): Uint8Array {
  return encodeProof({ keyId, identity, mac: proofOf(secret, label, [...before, keyId, identity]) });
}

function checkProof(secret: string, label: string, before: readonly Uint8Array[], proof: Proof): void {
  const expected = proofOf(secret, label, [...before, proof.keyId, proof.identity]);
  if (!isSameProof(expected, proof.mac)) throw new Refused('wrongSecret');
}
