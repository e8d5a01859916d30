import type { ClientId } from '../../base/ids.ts';
import { type AuthenticatedLink, dialClient } from '../../mesh/client-dial.ts';
import type { Clock } from '../../ports/clock.ts';
import type { Random } from '../../ports/random.ts';
import type { Transport } from '../../ports/transport.ts';
import type { ChannelClosedBy } from '../../wire/client-channel.ts';
import type { NodeIdentity } from '../../wire/handshake.ts';
import type { NodeChannel, OpenNodeChannel } from './types.ts';

export interface NodeDialOptions {
  readonly transport: Transport;
  readonly clock: Clock;
  readonly random: Random;
  /** Of an account at the nodes; `proxy` lets it speak for other clients. */
  readonly secret: string;
  /** What the router calls itself in the reports of nodes. */
  readonly name: string;
}

/** @returns how a router reaches nodes: by links that prove its secret. */
export function nodeDial(options: NodeDialOptions, clientId: ClientId): OpenNodeChannel {
  return async ({ address, signal }) =>
    new DialledNode(await dialClient({ ...options, address, clientId, router: true, signal }));
}

/** The dialled link as a channel; it keeps early frames until somebody listens. */
class DialledNode implements NodeChannel {
  readonly node: NodeIdentity;
  readonly #link: AuthenticatedLink;
  #onClose: ((by: ChannelClosedBy) => void) | undefined;

  constructor(link: AuthenticatedLink) {
    this.#link = link;
    this.node = link.node;
  }

  get onFrame(): NodeChannel['onFrame'] {
    return this.#link.onFrame;
  }

  set onFrame(handler: NodeChannel['onFrame']) {
    this.#link.onFrame = handler;
  }

  get onClose(): NodeChannel['onClose'] {
    return this.#onClose;
  }

  set onClose(handler: NodeChannel['onClose']) {
    this.#onClose = handler;
    this.#link.onClose = handler === undefined ? undefined : (by) => handler(by);
  }

  send(message: Uint8Array): void {
    this.#link.send(message);
  }

  queuedBytes(): number {
    return this.#link.queuedBytes();
  }

  close(): void {
    this.#link.close();
  }
}
