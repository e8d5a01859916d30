import type { Refusal } from '../wire/close-codes.ts';
import {
  type ClientIdentity,
  decodeClientIdentity,
  decodeHello,
  decodePeerIdentity,
  decodeProof,
  decodeReady,
  encodeChallenge,
  encodeNodeIdentity,
  encodePeerIdentity,
  type Hello,
  type NodeIdentity,
  nonceBytes,
  type PeerIdentity,
  protocolVersions,
} from '../wire/handshake.ts';
import { frameBytesMax } from '../wire/limits.ts';
import {
  checkProof,
  Handshake,
  type HandshakePorts,
  labels,
  makeProof,
  noKeyId,
  Refused,
} from './handshake.ts';
import type { ClientKeyring, KeyHolder } from './keyring.ts';
import type { LiveLink } from './live-link.ts';

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
  readonly #keyring: ClientKeyring;
  readonly #owner: AcceptorOwner;
  #hello: { readonly bytes: Uint8Array; readonly value: Hello } | undefined;
  #challenge: Uint8Array = new Uint8Array(0);
  #peer: PeerIdentity | undefined;

  constructor(link: LiveLink, ports: HandshakePorts, keyring: ClientKeyring, owner: AcceptorOwner) {
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
