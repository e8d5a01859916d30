import { ProtocolError } from '../base/errors.ts';
import type { Clock, Scheduled } from '../ports/clock.ts';
import type { Random } from '../ports/random.ts';
import type { Refusal } from '../wire/close-codes.ts';
import { encodeProof, keyIdBytes, type LinkKind, type Proof } from '../wire/handshake.ts';
import { isSameProof, proofOf } from './keyring.ts';
import { handshakeTimeoutMs } from './limits.ts';
import type { LiveLink } from './live-link.ts';

export interface HandshakePorts {
  readonly clock: Clock;
  readonly random: Random;
}

/** Ends a handshake that fails: the link is refused with it, and it is what the owner is told. */
export class Refused extends Error {
  readonly refusal: Refusal;

  constructor(refusal: Refusal) {
    super(refusal);
    this.refusal = refusal;
  }
}

/** One handshake: takes frames one by one, and ends once: passed, refused by this side, or closed. */
export abstract class Handshake {
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

  /** This node closes. */
  stop(): void {
    this.over(() => this.link.end('closing'));
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

/** The label says who proves what, so that a proof sent back to its maker, or to another kind of link, proves nothing. */
export const labels: Readonly<Record<LinkKind, { readonly dialler: string; readonly acceptor: string }>> = {
  peer: { dialler: 'raftsman 1 peer dialler', acceptor: 'raftsman 1 peer acceptor' },
  client: { dialler: 'raftsman 1 client dialler', acceptor: 'raftsman 1 client acceptor' },
};

/** In the acceptor's answer, which uses the secret that the dialler named. */
export const noKeyId: Uint8Array = new Uint8Array(keyIdBytes);

/** @returns a frame that says who the sender is and proves it over all that was said before. */
export function makeProof(
  secret: string,
  label: string,
  before: readonly Uint8Array[],
  keyId: Uint8Array,
  identity: Uint8Array,
): Uint8Array {
  return encodeProof({ keyId, identity, mac: proofOf(secret, label, [...before, keyId, identity]) });
}

/** @throws Refused */
export function checkProof(secret: string, label: string, before: readonly Uint8Array[], proof: Proof): void {
  const expected = proofOf(secret, label, [...before, proof.keyId, proof.identity]);
  if (!isSameProof(expected, proof.mac)) throw new Refused('wrongSecret');
}
