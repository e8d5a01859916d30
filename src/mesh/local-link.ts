import type { ClientId } from '../base/ids.ts';
import type { ClosedBy } from '../ports/transport.ts';
import type { ClientChannel } from '../wire/client-channel.ts';
import type { ClientLink, Permission } from './types.ts';

const everything: ReadonlySet<Permission> = new Set(['put', 'get', 'take', 'admin']);

/** One end of a link inside the process: messages arrive in order, in a later microtask. */
class LocalEnd {
  peer: LocalEnd | undefined;
  #onFrame: ((message: Uint8Array) => void) | undefined;
  /** What came before anybody listened. */
  #early: Uint8Array[] = [];
  onClose: ((by: ClosedBy) => void) | undefined;
  #closed = false;

  get onFrame(): ((message: Uint8Array) => void) | undefined {
    return this.#onFrame;
  }

  set onFrame(handler: ((message: Uint8Array) => void) | undefined) {
    this.#onFrame = handler;
    if (handler !== undefined && this.#early.length > 0) queueMicrotask(() => this.#deliverEarly());
  }

  send(message: Uint8Array): void {
    if (this.#closed) return;
    queueMicrotask(() => this.peer?.deliver(message));
  }

  deliver(message: Uint8Array): void {
    if (this.#closed) return;
    if (this.#onFrame === undefined || this.#early.length > 0) this.#early.push(message);
    else this.#onFrame(message);
  }

  #deliverEarly(): void {
    const early = this.#early;
    this.#early = [];
    for (const message of early) this.deliver(message);
  }

  queuedBytes(): number {
    return 0;
  }

  close(): void {
    queueMicrotask(() => {
      this.end('local');
      this.peer?.end('remote');
    });
  }

  end(by: ClosedBy): void {
    if (this.#closed) return;
    this.#closed = true;
    this.onClose?.(by);
  }
}

/** The serving end: a client with every permission. */
class LocalClientLink extends LocalEnd implements ClientLink {
  readonly account = 'local';
  readonly name = 'local';
  readonly may: ReadonlySet<Permission> = everything;
  readonly remoteAddress = 'local';
  readonly router = false;
  readonly clientId: ClientId;

  constructor(id: ClientId) {
    super();
    this.clientId = id;
  }

  /** A client in the same loop bounds itself: it has at most so many requests under way. */
  pause(): void {}
}

/** Joins a client in this process to what serves it: a node's service, or a front. */
export function createLocalLink(id: ClientId): {
  readonly link: ClientLink;
  readonly channel: ClientChannel;
} {
  const link = new LocalClientLink(id);
  const channel = new LocalEnd();
  link.peer = channel;
  channel.peer = link;
  return { link, channel };
}
