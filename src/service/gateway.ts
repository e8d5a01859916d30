import { ProtocolError } from '../base/errors.ts';
import type { SessionId } from '../base/ids.ts';
import type { Permission } from '../mesh/types.ts';
import type { Clock } from '../ports/clock.ts';
import type { QueueEvents } from '../queue/types.ts';
import {
  encodeLeader,
  encodeQueueName,
  type LeaderBody,
  readAttach,
  readGet,
  readQueueName,
  readRefused,
} from '../wire/client-frame.ts';
import { type ClientHeader, noDeadlineMs } from '../wire/client-header.ts';
import { missingPermission } from '../wire/operation-permissions.ts';
import { peekOperation } from '../wire/queue-operation.ts';
import { decodeResult } from '../wire/queue-result.ts';
import { type Answer, busyRetryMs, forbiddenAnswer, refusedAnswer } from './answers.ts';
import { AttachedSessions } from './attached-sessions.ts';
import { type ClientConnection, sessionsPerLinkMax } from './client-connection.ts';
import type { ClientLinks } from './client-links.ts';
import type { Carried, LeaderPath } from './leader-path.ts';
import type { LocalReads } from './local-reads.ts';

/** What one link has to do with the group. */
interface Guest {
  /** The sessions it asked to attach. */
  readonly sessions: Set<SessionId>;
  /** What the leader's path carries for this client. */
  readonly carried: Set<number>;
  /** Which of that are takes, by (stream, seq): they can be cancelled. */
  readonly takes: Map<string, number>;
}

/**
 * The clients that are connected to this node, as far as they speak to one group. Their requests are checked against what their
 * secret allows and carried to the leader; when a socket closes, and only then, the gateway says that its client is gone.
 */
export class Gateway {
  readonly #path: LeaderPath;
  readonly #reads: LocalReads;
  readonly #links: ClientLinks;
  readonly #clock: Clock;
  readonly #guests = new Map<ClientConnection, Guest>();
  readonly #sessions: AttachedSessions;
  #told: LeaderBody = { leaderId: undefined, term: 0 };

  constructor(path: LeaderPath, reads: LocalReads, links: ClientLinks, clock: Clock) {
    this.#path = path;
    this.#reads = reads;
    this.#links = links;
    this.#clock = clock;
    this.#sessions = new AttachedSessions(path, clock);
  }

  /** A client connected that is to know who leads this group. */
  up(connection: ClientConnection): void {
    this.#guestOf(connection);
    connection.push('leader', encodeLeader(this.#path.leader()));
  }

  /** Tells all clients who leads, when that changed, or the way to it. */
  onView(): void {
    const { leaderId, term } = this.#path.leader();
    if (term === this.#told.term && leaderId === this.#told.leaderId) return;
    this.#told = { leaderId, term };
    for (const connection of this.#guests.keys()) {
      connection.push('leader', encodeLeader(this.#told), { group: this.#path.group });
    }
  }

  onApplied(index: number, events: QueueEvents): void {
    this.#sessions.onApplied(index, events);
  }

  closed(connection: ClientConnection): void {
    const guest = this.#guests.get(connection);
    if (guest === undefined) return;
    this.#guests.delete(connection);
    for (const correlation of guest.carried) this.#path.drop(correlation);
    this.#sessions.closed(connection, guest.sessions);
  }

  close(): void {
    this.#sessions.close();
  }

  /** @throws ProtocolError when no client sends such a frame. */
  receive(connection: ClientConnection, header: ClientHeader, body: Uint8Array): void {
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
      case 'ownership':
      case 'claim':
        if (this.#allows(connection, header, 'admin')) this.#carry(connection, header, body);
        break;
      case 'cancel':
        this.#cancel(connection, header, body);
        break;
      case 'settle':
        this.#path.tell(header, body);
        break;
      default:
        throw new ProtocolError(`client frame: a client sends no ${header.kind}`);
    }
  }

  /** Carried to its end also when the link closes meanwhile: only the answer says which attachment to end then. */
  #attach(connection: ClientConnection, header: ClientHeader, body: Uint8Array): void {
    const { session } = readAttach(body);
    const { sessions } = this.#guestOf(connection);
    if (sessions.size >= sessionsPerLinkMax && !sessions.has(session)) {
      connection.answer(header, tooManySessions);
      return;
    }
    sessions.add(session);
    connection.opened(body.length);
    const correlation = this.#path.open(this.#carried(header, body), (answer) => {
      connection.done(body.length);
      const result = answer.kind === 'result' ? decodeResult(answer.body) : undefined;
      if (result?.type === 'attached')
        this.#sessions.attached(session, result.attachment, answer.index, connection);
      connection.answer(header, answer);
    });
    if (correlation !== undefined) this.#path.dispatch(correlation);
    else {
      connection.done(body.length);
      connection.answer(header, tooMuch);
    }
  }

  #request(connection: ClientConnection, header: ClientHeader, body: Uint8Array): void {
    const type = peekOperation(body);
    if (type === undefined || header.seq === 0) throw new ProtocolError('client frame: no operation');
    const missing = missingPermission(connection.link.may, type);
    if (missing === undefined) this.#carry(connection, header, body);
    else connection.answer(header, forbiddenAnswer(missing));
  }

  #get(connection: ClientConnection, header: ClientHeader, body: Uint8Array): void {
    const get = readGet(body);
    if (!this.#allows(connection, header, 'get')) return;
    const local = get.any ? this.#reads.get(get, header.mapVersion) : undefined;
    if (local === undefined) this.#carry(connection, header, body);
    else connection.answer(header, local);
  }

  #cancel(connection: ClientConnection, header: ClientHeader, body: Uint8Array): void {
    const queue = readQueueName(body);
    const correlation = this.#guestOf(connection).takes.get(takeKey(header));
    const sent = correlation === undefined ? undefined : this.#path.endWait(correlation);
    if (sent !== undefined) this.#path.tell({ ...sent, kind: 'cancel' }, encodeQueueName(queue));
  }

  #allows(connection: ClientConnection, header: ClientHeader, permission: Permission): boolean {
    if (connection.link.may.has(permission)) return true;
    connection.answer(header, forbiddenAnswer(permission));
    return false;
  }

  #carry(connection: ClientConnection, header: ClientHeader, body: Uint8Array): void {
    const guest = this.#guestOf(connection);
    const correlation = this.#path.open(this.#carried(header, body), (answer) => {
      connection.done(body.length);
      if (correlation !== undefined) guest.carried.delete(correlation);
      if (header.waitMs > 0) guest.takes.delete(takeKey(header));
      if (isMalformed(answer)) this.#links.malformed(connection, 'the leader cannot read the request');
      else connection.answer(header, answer);
      this.#links.regulate(connection);
    });
    if (correlation === undefined) {
      connection.answer(header, tooMuch);
      return;
    }
    connection.opened(body.length);
    guest.carried.add(correlation);
    if (header.waitMs > 0) guest.takes.set(takeKey(header), correlation);
    this.#path.dispatch(correlation);
  }

  #carried(header: ClientHeader, body: Uint8Array): Carried {
    const nowMs = this.#clock.monotonicMs();
    const hasDeadline = header.remainingMs !== noDeadlineMs;
    const deadlineMs = hasDeadline ? nowMs + header.remainingMs : Number.POSITIVE_INFINITY;
    return { header, body, deadlineMs, waitUntilMs: nowMs + header.waitMs };
  }

  #guestOf(connection: ClientConnection): Guest {
    const known = this.#guests.get(connection);
    if (known !== undefined) return known;
    const guest: Guest = { sessions: new Set(), carried: new Set(), takes: new Map() };
    this.#guests.set(connection, guest);
    return guest;
  }
}

const tooMuch = refusedAnswer('BUSY', 'too many requests wait for a leader', busyRetryMs);
const tooManySessions = refusedAnswer('BUSY', 'too many sessions on one link', busyRetryMs);

function isMalformed(answer: Answer): boolean {
  return answer.kind === 'refused' && readRefused(answer.body).code === 'PROTOCOL';
}

function takeKey(header: ClientHeader): string {
  return `${header.stream}/${header.seq}`;
}
