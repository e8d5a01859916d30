import type { ClientId } from '../base/ids.ts';
import type { ClosedBy, CloseReason } from '../ports/transport.ts';
import { linkQueueBytesMax } from './limits.ts';
import type { LiveLink } from './live-link.ts';
import type { ClientLink, Permission } from './types.ts';

/** Who is at the other end of an accepted client link. */
export interface ClientLinkIdentity {
  readonly account: string;
  readonly may: ReadonlySet<Permission>;
  readonly name: string;
  readonly clientId: ClientId;
  readonly router: boolean;
}

/** An accepted link of a client, in the hands of the service. */
export class AcceptedClientLink implements ClientLink {
  readonly account: string;
  readonly may: ReadonlySet<Permission>;
  readonly name: string;
  readonly clientId: ClientId;
  readonly router: boolean;
  readonly remoteAddress: string;
  onFrame: ((frame: Uint8Array) => void) | undefined;
  onClose: ((by: ClosedBy) => void) | undefined;
  readonly #live: LiveLink;

  constructor(live: LiveLink, identity: ClientLinkIdentity, onEnd: () => void) {
    this.#live = live;
    this.account = identity.account;
    this.may = identity.may;
    this.name = identity.name;
    this.clientId = identity.clientId;
    this.router = identity.router;
    this.remoteAddress = live.remoteAddress;
    live.onFrame = (frame) => this.onFrame?.(frame);
    live.onClose = (by) => {
      onEnd();
      this.onClose?.(by);
    };
  }

  /** A client that does not read is cut off before it costs the node its memory. */
  send(frame: Uint8Array): void {
    this.#live.send(frame);
    if (this.#live.queuedBytes() > linkQueueBytesMax) this.#live.end('slowPeer');
  }

  queuedBytes(): number {
    return this.#live.queuedBytes();
  }

  pause(paused: boolean): void {
    this.#live.pause(paused);
  }

  close(reason?: CloseReason): void {
    this.#live.close(reason);
  }
}
