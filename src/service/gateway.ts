import { Alarm } from '../base/alarm.ts';
import { ProtocolError } from '../base/errors.ts';
import type { ClientLink, Permission } from '../mesh/types.ts';
import type { Clock } from '../ports/clock.ts';
import type { Logger } from '../ports/logger.ts';
import type { ClosedBy } from '../ports/transport.ts';
import type { Operation, QueueEvents } from '../queue/types.ts';
import { splitBundle } from '../wire/client-bundle.ts';
import {
  encodeLeader,
  encodeQueueName,
  type LeaderBody,
  readAttach,
  readGet,
  readQueueName,
  readRefused,
} from '../wire/client-frame.ts';
import { bodyOf, type ClientHeader, decodeHeader, noDeadlineMs } from '../wire/client-header.ts';
import { linkCodes } from '../wire/close-codes.ts';
import { peekOperation } from '../wire/queue-operation.ts';
import { decodeResult } from '../wire/queue-result.ts';
import { type Answer, busyRetryMs, refusedAnswer } from './answers.ts';
import { AttachedSessions } from './attached-sessions.ts';
import { ClientConnection, sessionsPerLinkMax } from './client-connection.ts';
import type { Carried, LeaderPath } from './leader-path.ts';
import type { LocalReads } from './local-reads.ts';

/** How often a link that is not read is looked at again. */
const pausedCheckMs = 20;
/** Frames that are handled before it is asked again whether the client takes its answers. */
const framesAtOnce = 32;

const permissions: { readonly [Type in Operation['type']]: Permission } = {
  put: 'put',
  take: 'take',
  ack: 'take',
  ackDone: 'take',
  release: 'take',
  bury: 'take',
  setProvider: 'admin',
  setPolicy: 'admin',
};

/**
 * The clients that are connected to this node. Their requests are checked against what their secret allows and carried to the
 * leader; when a socket closes, and only then, the gateway says that its client is gone.
 */
export class Gateway {
  readonly #path: LeaderPath;
  readonly #reads: LocalReads;
  readonly #clock: Clock;
  readonly #logger: Logger;
  readonly #connections = new Set<ClientConnection>();
  readonly #sessions: AttachedSessions;
  readonly #pauses: Alarm;
  #told: LeaderBody = { leaderId: undefined, term: 0 };

  constructor(path: LeaderPath, reads: LocalReads, clock: Clock, logger: Logger) {
    this.#path = path;
    this.#reads = reads;
    this.#clock = clock;
    this.#logger = logger;
    this.#sessions = new AttachedSessions(path, clock);
    this.#pauses = new Alarm(clock, () => this.#regulatePaused());
  }

  clientUp(link: ClientLink): void {
    const connection = new ClientConnection(link);
    this.#connections.add(connection);
    link.onFrame = (message) => this.#onMessage(connection, message);
    link.onClose = (by) => this.#onClose(connection, by);
    connection.push('leader', encodeLeader(this.#path.leader()));
  }

  /** Tells all clients who leads, when that changed, or the way to it. */
  onView(): void {
    const { leaderId, term } = this.#path.leader();
    if (term === this.#told.term && leaderId === this.#told.leaderId) return;
    this.#told = { leaderId, term };
    for (const connection of this.#connections) connection.push('leader', encodeLeader(this.#told));
  }

  onApplied(index: number, events: QueueEvents): void {
    this.#sessions.onApplied(index, events);
  }

  /** Clients look for another node; their sessions live on. */
  close(): void {
    this.#sessions.close();
    this.#pauses.cancel();
    for (const connection of [...this.#connections]) {
      connection.link.close({ code: linkCodes.closing, text: 'the node closes' });
    }
  }

  #onMessage(connection: ClientConnection, message: Uint8Array): void {
    connection.heard = true;
    try {
      const frames = splitBundle(message);
      connection.inbox = connection.inbox.length === 0 ? frames : [...connection.inbox, ...frames];
    } catch (error) {
      if (!(error instanceof ProtocolError)) throw error;
      this.#malformed(connection, error.message);
    }
    this.#regulate(connection);
    this.#handleInbox(connection);
  }

  /** One message may ask for more than the client will ever take. */
  #handleInbox(connection: ClientConnection): void {
    let count = 0;
    const frames = connection.inbox;
    connection.inbox = [];
    try {
      for (; count < frames.length && connection.closedBy === undefined; count++) {
        if (count > 0 && count % framesAtOnce === 0) this.#regulate(connection);
        if (connection.paused) break;
        const frame = frames[count]!;
        this.#onFrame(connection, decodeHeader(frame), bodyOf(frame));
      }
    } catch (error) {
      if (!(error instanceof ProtocolError)) throw error;
      this.#malformed(connection, error.message);
    }
    connection.inbox = connection.closedBy === undefined ? frames.slice(count) : [];
    this.#regulate(connection);
  }

  #onFrame(connection: ClientConnection, header: ClientHeader, body: Uint8Array): void {
    if (header.client !== connection.link.clientId)
      throw new ProtocolError('client frame: of another client');
    if (header.marked) throw new ProtocolError('client frame: marked by a client');
    if (header.hops === 0) throw new ProtocolError('client frame: passed on too often');
    switch (header.kind) {
      case 'attach':
        this.#attach(connection, header, body);
        break;
      case 'request':
        this.#request(connection, header, body);
        break;
      case 'get':
        this.#get(connection, header, body);
        break;
      case 'stats':
        readQueueName(body);
        if (this.#allows(connection, header, 'get')) this.#carry(connection, header, body);
        break;
      case 'cancel':
        this.#cancel(connection, header, body);
        break;
      case 'ping':
        connection.push('pong', new Uint8Array(0));
        break;
      case 'move':
        connection.moving = true;
        break;
      default:
        throw new ProtocolError(`client frame: a client sends no ${header.kind}`);
    }
  }

  /** Carried to its end also when the link closes meanwhile: only the answer says which attachment to end then. */
  #attach(connection: ClientConnection, header: ClientHeader, body: Uint8Array): void {
    const { session } = readAttach(body);
    const { sessions } = connection;
    if (sessions.size >= sessionsPerLinkMax && !sessions.has(session)) {
      connection.answer(header, refusedAnswer('BUSY', 'too many sessions on one link', busyRetryMs));
      return;
    }
    sessions.add(session);
    connection.attachCount++;
    const correlation = this.#path.open(this.#carried(header, body), (answer) => {
      connection.attachCount--;
      const result = answer.kind === 'result' ? decodeResult(answer.body) : undefined;
      if (result?.type === 'attached')
        this.#sessions.attached(session, result.attachment, answer.index, connection);
      connection.answer(header, answer);
    });
    if (correlation !== undefined) this.#path.dispatch(correlation);
    else {
      connection.attachCount--;
      connection.answer(header, tooMuch);
    }
  }

  #request(connection: ClientConnection, header: ClientHeader, body: Uint8Array): void {
    const type = peekOperation(body);
    if (type === undefined || header.seq === 0) throw new ProtocolError('client frame: no operation');
    if (!this.#allows(connection, header, permissions[type])) return;
    this.#carry(connection, header, body);
  }

  #get(connection: ClientConnection, header: ClientHeader, body: Uint8Array): void {
    const get = readGet(body);
    if (!this.#allows(connection, header, 'get')) return;
    const local = get.any ? this.#reads.get(get) : undefined;
    if (local === undefined) this.#carry(connection, header, body);
    else connection.answer(header, local);
  }

  #cancel(connection: ClientConnection, header: ClientHeader, body: Uint8Array): void {
    const queue = readQueueName(body);
    const correlation = connection.takes.get(takeKey(header));
    const sent = correlation === undefined ? undefined : this.#path.endWait(correlation);
    if (sent !== undefined) this.#path.tell({ ...sent, kind: 'cancel' }, encodeQueueName(queue));
  }

  #allows(connection: ClientConnection, header: ClientHeader, permission: Permission): boolean {
    if (connection.link.may.has(permission)) return true;
    connection.answer(header, refusedAnswer('FORBIDDEN', `this secret does not allow '${permission}'`));
    return false;
  }

  #carry(connection: ClientConnection, header: ClientHeader, body: Uint8Array): void {
    const correlation = this.#path.open(this.#carried(header, body), (answer) => {
      if (correlation !== undefined) connection.carried.delete(correlation);
      if (header.waitMs > 0) connection.takes.delete(takeKey(header));
      if (isMalformed(answer)) this.#malformed(connection, 'the leader cannot read the request');
      else connection.answer(header, answer);
      this.#regulate(connection);
    });
    if (correlation === undefined) {
      connection.answer(header, tooMuch);
      return;
    }
    connection.carried.add(correlation);
    if (header.waitMs > 0) connection.takes.set(takeKey(header), correlation);
    this.#path.dispatch(correlation);
  }

  #carried(header: ClientHeader, body: Uint8Array): Carried {
    const nowMs = this.#clock.monotonicMs();
    const hasDeadline = header.remainingMs !== noDeadlineMs;
    const deadlineMs = hasDeadline ? nowMs + header.remainingMs : Number.POSITIVE_INFINITY;
    return { header, body, deadlineMs, waitUntilMs: nowMs + header.waitMs };
  }

  #onClose(connection: ClientConnection, by: ClosedBy): void {
    if (connection.closedBy !== undefined) return;
    connection.closedBy = by;
    this.#connections.delete(connection);
    for (const correlation of connection.carried) this.#path.drop(correlation);
    this.#sessions.closed(connection);
  }

  /** Bytes that are no frame of ours cost the client its link, and nobody else anything. */
  #malformed(connection: ClientConnection, why: string): void {
    const { account, remoteAddress } = connection.link;
    this.#logger.warn({ account, remoteAddress, why }, 'a client sent a malformed frame; its link is closed');
    this.#onClose(connection, 'local');
    connection.link.close({ code: linkCodes.badFrame, text: 'malformed frame' });
  }

  #regulate(connection: ClientConnection): void {
    connection.regulate();
    if (connection.paused) this.#pauses.at(this.#clock.monotonicMs() + pausedCheckMs);
  }

  #regulatePaused(): void {
    for (const connection of this.#connections) {
      if (!connection.paused) continue;
      this.#regulate(connection);
      if (!connection.paused) this.#handleInbox(connection);
    }
  }
}

const tooMuch = refusedAnswer('BUSY', 'too many requests wait for a leader', busyRetryMs);

function isMalformed(answer: Answer): boolean {
  return answer.kind === 'refused' && readRefused(answer.body).code === 'PROTOCOL';
}

function takeKey(header: ClientHeader): string {
  return `${header.stream}/${header.seq}`;
}
