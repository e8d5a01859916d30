import { Alarm } from '../base/alarm.ts';
import { ProtocolError } from '../base/errors.ts';
import type { ClientLink } from '../mesh/types.ts';
import type { Clock } from '../ports/clock.ts';
import type { Logger } from '../ports/logger.ts';
import type { ClosedBy } from '../ports/transport.ts';
import { splitBundle } from '../wire/client-bundle.ts';
import { bodyOf, type ClientHeader, decodeHeader } from '../wire/client-header.ts';
import { linkCodes } from '../wire/close-codes.ts';
import { ClientConnection } from './client-connection.ts';

/** How often a link that is not read is looked at again. */
const pausedCheckMs = 20;
/** Frames that are handled before it is asked again whether the client takes its answers. */
const framesAtOnce = 32;

export interface LinkEvents {
  /** @throws ProtocolError when the frame costs the client its link. */
  frame(connection: ClientConnection, header: ClientHeader, body: Uint8Array): void;
  /** Once, when the link is over, whoever ended it. */
  closed(connection: ClientConnection): void;
}

/** The links of clients and routers: takes their messages apart, reads no more than each takes answers for, closes what is malformed. */
export class ClientLinks {
  readonly #events: LinkEvents;
  readonly #clock: Clock;
  readonly #logger: Logger;
  readonly #connections = new Set<ClientConnection>();
  readonly #pauses: Alarm;

  constructor(events: LinkEvents, clock: Clock, logger: Logger) {
    this.#events = events;
    this.#clock = clock;
    this.#logger = logger;
    this.#pauses = new Alarm(clock, () => this.#regulatePaused());
  }

  up(link: ClientLink): ClientConnection {
    const connection = new ClientConnection(link);
    this.#connections.add(connection);
    link.onFrame = (message) => this.#onMessage(connection, message);
    link.onClose = (by) => this.#onClose(connection, by);
    return connection;
  }

  /** Looks whether the link may be read on. */
  regulate(connection: ClientConnection): void {
    connection.regulate();
    if (connection.paused || connection.inbox.length > 0)
      this.#pauses.at(this.#clock.monotonicMs() + pausedCheckMs);
  }

  /** Bytes that are no frame of ours cost the client its link, and nobody else anything. */
  malformed(connection: ClientConnection, why: string): void {
    const { account, remoteAddress } = connection.link;
    this.#logger.warn({ account, remoteAddress, why }, 'a client sent a malformed frame; its link is closed');
    this.#onClose(connection, 'local');
    connection.link.close({ code: linkCodes.badFrame, text: 'malformed frame' });
  }

  /** Clients look for another node; their sessions live on. */
  close(): void {
    this.#pauses.cancel();
    for (const connection of [...this.#connections]) {
      connection.link.close({ code: linkCodes.closing, text: 'the node closes' });
    }
  }

  #onMessage(connection: ClientConnection, message: Uint8Array): void {
    connection.heardCount++;
    try {
      const frames = splitBundle(message);
      connection.inbox = connection.inbox.length === 0 ? frames : [...connection.inbox, ...frames];
    } catch (error) {
      if (!(error instanceof ProtocolError)) throw error;
      this.malformed(connection, error.message);
    }
    this.regulate(connection);
    this.#handleInbox(connection);
  }

  /** One message may ask for more than the client will ever take. */
  #handleInbox(connection: ClientConnection): void {
    let count = 0;
    const frames = connection.inbox;
    connection.inbox = [];
    try {
      for (; count < frames.length && connection.closedBy === undefined; count++) {
        if (count > 0 && count % framesAtOnce === 0) this.regulate(connection);
        if (connection.paused) break;
        const frame = frames[count]!;
        this.#events.frame(connection, decodeHeader(frame), bodyOf(frame));
      }
    } catch (error) {
      if (!(error instanceof ProtocolError)) throw error;
      this.malformed(connection, error.message);
    }
    connection.inbox = connection.closedBy === undefined ? frames.slice(count) : [];
    this.regulate(connection);
  }

  #onClose(connection: ClientConnection, by: ClosedBy): void {
    if (connection.closedBy !== undefined) return;
    connection.closedBy = by;
    this.#connections.delete(connection);
    this.#events.closed(connection);
  }

  #regulatePaused(): void {
    for (const connection of this.#connections) {
      if (!connection.paused && connection.inbox.length === 0) continue;
      this.regulate(connection);
      if (!connection.paused) this.#handleInbox(connection);
    }
  }
}
