import type { Refusal } from '../wire/close-codes.ts';
import {
  type ClientIdentity,
  decodeChallenge,
  decodeNodeIdentity,
  decodePeerIdentity,
  decodeProof,
  encodeClientIdentity,
  encodeHello,
  encodePeerIdentity,
  encodeReady,
  type LinkKind,
  type NodeIdentity,
  nonceBytes,
  type PeerIdentity,
  protocolVersions,
} from '../wire/handshake.ts';
import { frameBytesMax } from '../wire/limits.ts';
import { checkProof, Handshake, type HandshakePorts, labels, makeProof, Refused } from './handshake.ts';
import { keyIdOf } from './keyring.ts';
import type { LiveLink } from './live-link.ts';

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
