import type { NodeId } from '../base/ids.ts';
import type { Scheduled } from '../ports/clock.ts';
import type { ClosedBy, Link } from '../ports/transport.ts';
import type { LinkEnd, Refusal } from '../wire/close-codes.ts';
import type { PeerIdentity } from '../wire/handshake.ts';
import type { PeerItem } from '../wire/peer-frame.ts';
import { Backoff } from './backoff.ts';
import { DialAttempt, type DialFailure } from './dial-attempt.ts';
import { peerRole } from './dialler.ts';
import type { HandshakePorts } from './handshake.ts';
import { backoffMs, linkQueueBytesMax, pairWindowBytes } from './limits.ts';
import type { LiveLink } from './live-link.ts';
import { Outbox } from './outbox.ts';
import type { PeerView } from './types.ts';

/** What a pair needs of the mesh. */
export interface PairOwner extends HandshakePorts {
  readonly heartbeatMs: number;
  /** The id of this node; the lower id of a pair decides which of two dials becomes the link. */
  readonly localId: NodeId;
  readonly secret: string;
  dial(address: string, signal: AbortSignal): Promise<Link>;
  identityFor(to: NodeId): PeerIdentity;
  /** Judges what the other end of a dial proved to be. */
  judge(identity: PeerIdentity, dialled: NodeId): Refusal | undefined;
  onUp(peer: PeerIdentity): void;
  onClosed(peer: NodeId): void;
  onGone(peer: NodeId): void;
  onFrame(from: Pair, frame: Uint8Array): void;
  onRefused(peer: NodeId, refusal: Refusal, address: string, by: 'local' | 'remote'): void;
  onSlow(peer: NodeId, address: string): void;
}

/** The link that is or is about to be the pair's. */
interface Held {
  readonly live: LiveLink;
  readonly bootId: string;
  isUp: boolean;
}

/**
 * This node and one other: dials, keeps at most one link, and says when the other is up, closed or gone.
 *
 * Who decides when both dial at once: the node with the lower id takes exactly one link at a time for one process of the
 * other (`claim`), and the other follows. So there are never two links that both carry frames, and nothing flaps.
 */
export class Pair {
  readonly id: NodeId;
  /** Undefined: not in the address book; this node waits to be dialled. */
  readonly #address: string | undefined;
  readonly #owner: PairOwner;
  readonly #outbox = new Outbox();
  readonly #backoff: Backoff;
  #held: Held | undefined;
  #peer: PeerIdentity | undefined;
  #lastBootId: string | undefined;
  /** The last link was closed by the other side and nothing has been heard since. */
  #mayBeGone = false;
  /** The process that was known was called gone. */
  #isGone = false;
  #upSinceMs = 0;
  /** Links in a row that did not last. */
  #shortLinkCount = 0;
  #attempt: DialAttempt<PeerIdentity> | undefined;
  #redial: Scheduled | undefined;
  #lastError: string | undefined;
  #isClosed = false;
  /** Items that were not sent: no link, or over the window. */
  droppedCount = 0;

  constructor(id: NodeId, address: string | undefined, owner: PairOwner) {
    this.id = id;
    this.#address = address;
    this.#owner = owner;
    this.#backoff = new Backoff(owner.random);
  }

  /** The member behind the link that stands. */
  get peer(): PeerIdentity | undefined {
    return this.#peer;
  }

  get remoteAddress(): string {
    return this.#held?.live.remoteAddress ?? '';
  }

  view(): PeerView {
    const queuedBytes = (this.#held?.live.queuedBytes() ?? 0) + this.#outbox.bytes;
    return { id: this.id, connected: this.#peer !== undefined, queuedBytes, lastError: this.#lastError };
  }

  /** Queues an item for the end of the turn. @returns false if it was dropped. */
  queue(item: PeerItem): boolean {
    const held = this.#held;
    if (held === undefined || !held.isUp || this.#isOverWindow(held, item) || !this.#outbox.add(item)) {
      this.droppedCount++;
      return false;
    }
    return true;
  }

  flush(): void {
    const held = this.#held;
    if (held === undefined || !held.isUp) return;
    this.#outbox.flush((frame) => held.live.send(frame));
    if (held.live.queuedBytes() <= linkQueueBytesMax) return;
    this.#owner.onSlow(this.id, held.live.remoteAddress);
    held.live.end('slowPeer');
  }

  sweep(nowMs: number): void {
    this.#held?.live.sweep(nowMs);
  }

  /** Dials unless there is a link, a link about to be, or a dial already. */
  dial(): void {
    if (this.#isClosed || this.#address === undefined) return;
    if (this.#held !== undefined || this.#attempt !== undefined) return;
    this.#redial?.cancel();
    this.#redial = undefined;
    this.#startAttempt(this.#address);
  }

  /**
   * Takes a link whose other end is proved and judged as the pair's, ahead of its last frame.
   *
   * @returns false if the other end has a link already that this node keeps; the new one is to be refused.
   */
  claim(live: LiveLink, identity: PeerIdentity): boolean {
    const held = this.#held;
    const isDecider = this.#owner.localId < this.id;
    if (isDecider && held?.live.isOpen && held.bootId === identity.bootId) {
      held.live.doubt(this.#owner.clock.monotonicMs());
      return false;
    }
    if (isDecider) this.#replace(live, identity);
    return true;
  }

  /** The handshake on a link that was claimed did not end well. */
  release(live: LiveLink): void {
    if (this.#held?.live !== live) return;
    this.#held = undefined;
    this.#dialLater();
  }

  /** The handshake is over: the link carries frames from now on. */
  up(live: LiveLink, identity: PeerIdentity): void {
    if (this.#held?.live !== live) this.#replace(live, identity);
    this.#stopDialling();
    this.#held = { live, bootId: identity.bootId, isUp: true };
    this.#upSinceMs = this.#owner.clock.monotonicMs();
    this.#lastError = undefined;
    live.onFrame = (frame) => this.#owner.onFrame(this, frame);
    live.onClose = (by, code, text) => this.#onClose(by, code, text);
    this.#meetProcess(identity.bootId);
    this.#peer = identity;
    this.#owner.onUp(identity);
  }

  /** Closes the link, if there is one, for a reason of this node; dialling goes on. */
  endLink(why: LinkEnd): void {
    this.#held?.live.end(why);
  }

  close(): void {
    this.#isClosed = true;
    this.#stopDialling();
    const live = this.#held?.live;
    this.#held = undefined;
    this.#peer = undefined;
    if (live === undefined) return;
    live.onClose = undefined;
    live.onFrame = undefined;
    live.end('closing');
  }

  #isOverWindow(held: Held, item: PeerItem): boolean {
    if (item.type === 'message' && item.message.type !== 'appendEntries') return false;
    return held.live.queuedBytes() + this.#outbox.bytes > pairWindowBytes;
  }

  /** Makes the link the pair's; one that was there goes, and with it what is known of its process. */
  #replace(live: LiveLink, identity: PeerIdentity): void {
    const held = this.#held;
    this.#held = { live, bootId: identity.bootId, isUp: false };
    if (held === undefined || held.live === live) return;
    held.live.onFrame = undefined;
    held.live.onClose = undefined;
    held.live.end('superseded');
    if (held.isUp) this.#forgetPeer();
  }

  #forgetPeer(): void {
    this.#peer = undefined;
    this.#outbox.clear();
    this.#owner.onClosed(this.id);
  }

  /** Another boot id is another process: the one that was known is gone, whoever closed its link. */
  #meetProcess(bootId: string): void {
    const isOther = this.#lastBootId !== undefined && this.#lastBootId !== bootId;
    const wasGone = this.#isGone;
    this.#lastBootId = bootId;
    this.#mayBeGone = false;
    this.#isGone = false;
    if (isOther && !wasGone) this.#owner.onGone(this.id);
  }

  #onClose(by: ClosedBy, code: number, text: string): void {
    this.#held = undefined;
    this.#lastError = by === 'timeout' ? 'silent' : `closed by ${by}: ${code} ${text}`.trimEnd();
    this.#mayBeGone = by === 'remote';
    const lastedMs = this.#owner.clock.monotonicMs() - this.#upSinceMs;
    this.#shortLinkCount = lastedMs < backoffMs.longest ? this.#shortLinkCount + 1 : 0;
    if (this.#shortLinkCount === 0) this.#backoff.reset();
    this.#forgetPeer();
    if (by === 'remote' && this.#shortLinkCount < shortLinksMax) this.dial();
    else this.#dialLater();
  }

  #dialLater(): void {
    if (this.#isClosed || this.#redial !== undefined || this.#attempt !== undefined) return;
    this.#redial = this.#owner.clock.after(this.#backoff.nextMs(), () => {
      this.#redial = undefined;
      this.dial();
    });
  }

  #stopDialling(): void {
    this.#redial?.cancel();
    this.#redial = undefined;
    this.#attempt?.abort();
    this.#attempt = undefined;
  }

  #startAttempt(address: string): void {
    const { clock, random, secret, heartbeatMs } = this.#owner;
    const attempt: DialAttempt<PeerIdentity> = new DialAttempt(
      {
        clock,
        random,
        silenceMs: heartbeatMs,
        role: peerRole(secret, () => this.#owner.identityFor(this.id)),
        dial: (signal) => this.#owner.dial(address, signal),
      },
      {
        silent: () => this.#suspectGone(),
        judge: (identity, live) => {
          const refusal = this.#owner.judge(identity, this.id);
          return refusal === undefined && !this.claim(live, identity) ? 'duplicateLink' : refusal;
        },
        passed: (identity, live) => {
          this.#attempt = undefined;
          this.up(live, identity);
        },
        failed: (failure) => {
          this.#attempt = undefined;
          this.#onDialFailed(failure, address);
        },
      },
    );
    this.#attempt = attempt;
    attempt.start();
  }

  #onDialFailed(failure: DialFailure, address: string): void {
    this.#lastError = failure.type === 'refused' ? failure.refusal : failure.type;
    if (failure.type === 'refused') this.#owner.onRefused(this.id, failure.refusal, address, failure.by);
    if (failure.type === 'unreachable' || failure.type === 'closed') this.#suspectGone();
    if (this.#held === undefined) this.#dialLater();
  }

  /** The re-dial did not find the process: it is gone if it was the other side that closed. */
  #suspectGone(): void {
    if (!this.#mayBeGone) return;
    this.#mayBeGone = false;
    this.#isGone = true;
    this.#owner.onGone(this.id);
  }
}

/** After so many short links in a row the next dial waits, even if the other side closed. */
const shortLinksMax = 3;
