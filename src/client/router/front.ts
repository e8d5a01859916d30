import type { Buffer } from 'node:buffer';
import { Alarm } from '../../base/alarm.ts';
import { ProtocolError } from '../../base/errors.ts';
import type { ClientId, SessionId } from '../../base/ids.ts';
import type { ClientLink } from '../../mesh/types.ts';
import type { Clock } from '../../ports/clock.ts';
import type { Logger } from '../../ports/logger.ts';
import type { ClosedBy } from '../../ports/transport.ts';
import type { Shard } from '../../sharding/types.ts';
import { splitBundle } from '../../wire/client-bundle.ts';
import { readAttach, readRefused, type ServiceRefusal } from '../../wire/client-frame.ts';
import { bodyOf, frameKinds } from '../../wire/client-header.ts';
import { linkCodes } from '../../wire/close-codes.ts';
import { encodeShardTable, type ShardTable } from '../../wire/shard-frames.ts';
import { FrontConnection, type OnAnswer, sessionsPerLinkMax } from './front-connection.ts';
import {
  attachmentIn,
  checkClientFrame,
  hopsOf,
  indexOf,
  kindOf,
  missingFor,
  refusalOf,
  shardOf,
} from './front-frame.ts';
import { FrontSessions } from './front-sessions.ts';
import type { Origin } from './types.ts';

/** What a front needs of the router behind it. */
export interface FrontRouter {
  /** Takes one frame, which is the router's from now on. Answers come to the origin, never inside this call. */
  submit(frame: Buffer, origin: Origin): void;
  /** Nobody waits for this origin's answers any more. */
  drop(origin: Origin): void;
  table(): ShardTable;
}

export interface FrontDeps {
  readonly router: FrontRouter;
  /** Of the router's own links. */
  readonly clientId: ClientId;
  readonly clock: Clock;
  readonly logger: Logger;
  /** A node refused what this front allowed: the router's own account may not do it. Told once a minute for each shard. */
  readonly onForbidden?: ((shard: number, message: string) => void) | undefined;
}

/** How often a link that is not read is looked at again. */
const pausedCheckMs = 20;
/** Frames that are handled before it is asked again whether the client takes its answers. */
const framesAtOnce = 32;
const busyRetryMs = 20;
const forbiddenAgainMs = 60_000;

/**
 * The gateway of the clients that are connected to a router: a proxy's, or the one client of its own process. It checks what each
 * may do and hands their frames on unread; when a link is closed from the other side, and only then, it says that its client is gone.
 */
export class Front {
  readonly #router: FrontRouter;
  readonly #clock: Clock;
  readonly #logger: Logger;
  readonly #connections = new Set<FrontConnection>();
  readonly #sessions: FrontSessions;
  readonly #pauses: Alarm;
  readonly #onForbidden: FrontDeps['onForbidden'];
  /** When the refusals of each shard were last told of. */
  readonly #forbiddenMs = new Map<number, number>();
  #table: Buffer | undefined;
  #drained: (() => void) | undefined;

  constructor({ router, clientId, clock, logger, onForbidden }: FrontDeps) {
    this.#router = router;
    this.#clock = clock;
    this.#logger = logger;
    this.#onForbidden = onForbidden;
    this.#sessions = new FrontSessions((frame, origin) => router.submit(frame, origin), clientId, clock);
    this.#pauses = new Alarm(clock, () => this.#regulatePaused());
  }

  clientUp(link: ClientLink): void {
    const onAnswer: OnAnswer = (from, frame, attaching) => this.#onAnswer(from, frame, attaching);
    const connection = new FrontConnection(link, this.#clock.monotonicMs(), onAnswer);
    this.#connections.add(connection);
    link.onFrame = (message) => this.#onMessage(connection, message);
    link.onClose = (by) => this.#onClose(connection, by);
    connection.push('shards', this.#tableBody());
    if (this.#drained !== undefined) this.#sendAway(connection);
  }

  /** The router's event: news of one client's lease or session. */
  onPush(frame: Buffer): void {
    try {
      this.#sessions.onPush(frame);
    } catch (error) {
      if (!(error instanceof ProtocolError)) throw error;
      this.#logger.warn({ why: error.message }, 'a node sent news that cannot be read');
    }
  }

  /** The router's event: a shard's leader is known and reached. */
  onLeader(shard: Shard): void {
    this.#sessions.onLeader(shard.number);
  }

  /** The router's event: every client learns the new map. */
  onMapChanged(): void {
    this.#table = undefined;
    for (const connection of this.#connections) connection.push('shards', this.#tableBody());
  }

  status(): { readonly clients: number; readonly sessions: number; readonly underWay: number } {
    let underWay = 0;
    for (const connection of this.#connections) underWay += connection.underWay;
    return { clients: this.#connections.size, sessions: this.#sessions.count, underWay };
  }

  /**
   * Reads no more. Each client is sent elsewhere when what it has under way is answered, or after `withinMs`; its sessions live on.
   * Resolves when the last has gone.
   */
  async drain(withinMs: number): Promise<void> {
    await new Promise<void>((resolve) => {
      const deadline = this.#clock.after(withinMs, () => this.#sendAllAway());
      this.#drained = () => {
        deadline.cancel();
        resolve();
      };
      for (const connection of this.#connections) connection.stopReading();
      for (const connection of [...this.#connections]) this.#sendAwayIfIdle(connection);
      if (this.#connections.size === 0) this.#drained();
    });
  }

  /** Clients look for another front; their sessions live on. */
  close(): void {
    this.#sessions.close();
    this.#pauses.cancel();
    this.#sendAllAway();
  }

  #onMessage(connection: FrontConnection, message: Uint8Array): void {
    connection.heardAtMs = this.#clock.monotonicMs();
    if (this.#drained !== undefined) return;
    try {
      const frames = splitBundle(message);
      connection.inbox = connection.inbox.length === 0 ? frames : [...connection.inbox, ...frames];
    } catch (error) {
      this.#onError(connection, error);
    }
    this.#handleInbox(connection);
  }

  /** One message may ask for more than the client will ever take. */
  #handleInbox(connection: FrontConnection): void {
    let count = 0;
    const frames = connection.inbox;
    connection.inbox = [];
    this.#regulate(connection);
    try {
      for (; count < frames.length && connection.closedBy === undefined; count++) {
        if (count > 0 && count % framesAtOnce === 0) this.#regulate(connection);
        if (connection.paused) break;
        this.#onFrame(connection, frames[count]!);
      }
    } catch (error) {
      this.#onError(connection, error);
    }
    connection.inbox = connection.closedBy === undefined ? frames.slice(count) : [];
    this.#regulate(connection);
  }

  #onFrame(connection: FrontConnection, frame: Buffer): void {
    const kind = checkClientFrame(frame, connection.clientBytes);
    switch (kind) {
      case frameKinds.ping:
        connection.push('pong', nothing);
        break;
      case frameKinds.move:
        connection.moving = true;
        break;
      case frameKinds.cancel:
      case frameKinds.settle:
        if (hopsOf(frame) > 0) this.#router.submit(frame, connection);
        break;
      default:
        if (hopsOf(frame) > 0) this.#onRequest(connection, frame, kind);
        else this.#refuse(connection, frame, 'TOO_MANY_HOPS', 'passed on too often: do proxies form a ring?');
    }
  }

  #onRequest(connection: FrontConnection, frame: Buffer, kind: number): void {
    const missing = missingFor(connection.link.may, frame, kind);
    if (missing !== undefined)
      this.#refuse(connection, frame, 'FORBIDDEN', `this secret does not allow '${missing}'`);
    else if (kind === frameKinds.attach) this.#attach(connection, frame);
    else {
      connection.opened(frame);
      this.#router.submit(frame, connection);
    }
  }

  /** Sent before the link closes, it is carried to its end: only the answer says which attachment to end then. */
  #attach(connection: FrontConnection, frame: Buffer): void {
    const { session } = readAttach(bodyOf(frame));
    const { sessions } = connection;
    if (sessions.size >= sessionsPerLinkMax && !sessions.has(session)) {
      this.#refuse(connection, frame, 'BUSY', 'too many sessions on one link', busyRetryMs);
      return;
    }
    sessions.add(session);
    connection.opened(frame, session);
    this.#router.submit(frame, connection);
  }

  #onAttached(connection: FrontConnection, session: SessionId, frame: Buffer): void {
    const attachment = attachmentIn(frame);
    if (attachment === undefined) return;
    const index = indexOf(frame);
    this.#sessions.attached(shardOf(frame), session, { attachment, index }, connection);
  }

  #onAnswer(connection: FrontConnection, frame: Buffer, attaching: SessionId | undefined): void {
    if (attaching !== undefined) this.#onAttached(connection, attaching, frame);
    if (kindOf(frame) === frameKinds.refused) this.#onRefused(connection, frame);
    else connection.send(frame);
    if (this.#drained === undefined) this.#regulate(connection);
    else this.#sendAwayIfIdle(connection);
  }

  #onRefused(connection: FrontConnection, frame: Buffer): void {
    const { code, message } = readRefused(bodyOf(frame));
    if (code === 'FORBIDDEN') this.#forbidden(shardOf(frame), message);
    if (code === 'PROTOCOL') this.#malformed(connection, 'the leader cannot read the request');
    else connection.send(frame);
  }

  #forbidden(shard: number, message: string): void {
    const nowMs = this.#clock.monotonicMs();
    if (nowMs - (this.#forbiddenMs.get(shard) ?? Number.NEGATIVE_INFINITY) < forbiddenAgainMs) return;
    this.#forbiddenMs.set(shard, nowMs);
    this.#onForbidden?.(shard, message);
  }

  #refuse(
    connection: FrontConnection,
    frame: Buffer,
    code: ServiceRefusal,
    message: string,
    retryAfterMs = 0,
  ): void {
    connection.send(refusalOf(frame, connection.link.clientId, code, message, retryAfterMs));
  }

  #onClose(connection: FrontConnection, by: ClosedBy): void {
    if (connection.closedBy !== undefined) return;
    connection.closedBy = by;
    this.#connections.delete(connection);
    if (connection.underWay > 0) this.#router.drop(connection);
    this.#sessions.closed(connection);
    if (this.#connections.size === 0) this.#drained?.();
  }

  #onError(connection: FrontConnection, error: unknown): void {
    if (!(error instanceof ProtocolError)) throw error;
    this.#malformed(connection, error.message);
  }

  /** Bytes that are no frame of ours cost the client its link, and nobody else anything. */
  #malformed(connection: FrontConnection, why: string): void {
    const { account, remoteAddress } = connection.link;
    this.#logger.warn({ account, remoteAddress, why }, 'a client sent a malformed frame; its link is closed');
    this.#onClose(connection, 'local');
    connection.link.close({ code: linkCodes.badFrame, text: 'malformed frame' });
  }

  #tableBody(): Buffer {
    this.#table ??= encodeShardTable(this.#router.table());
    return this.#table;
  }

  #sendAllAway(): void {
    for (const connection of [...this.#connections]) this.#sendAway(connection);
  }

  #sendAwayIfIdle(connection: FrontConnection): void {
    if (connection.idle) this.#sendAway(connection);
  }

  #sendAway(connection: FrontConnection): void {
    connection.sendAway(closingText);
    this.#onClose(connection, 'local');
  }

  #regulate(connection: FrontConnection): void {
    if (this.#drained !== undefined) return;
    connection.regulate();
    if (connection.paused) this.#pauses.at(this.#clock.monotonicMs() + pausedCheckMs);
    else if (connection.inbox.length > 0) this.#pauses.at(this.#clock.monotonicMs());
  }

  /** Also those whose link is read again, and of whom something was read before. */
  #regulatePaused(): void {
    for (const connection of this.#connections) {
      if (connection.paused) this.#regulate(connection);
      if (!connection.paused && connection.inbox.length > 0) this.#handleInbox(connection);
    }
  }
}

const nothing = new Uint8Array(0);
const closingText = 'the proxy closes';
