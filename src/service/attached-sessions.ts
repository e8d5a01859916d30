import { Alarm } from '../base/alarm.ts';
import { type ClientId, clientId, type SessionId } from '../base/ids.ts';
import type { Clock } from '../ports/clock.ts';
import type { QueueEvents } from '../queue/types.ts';
import {
  type Attachment,
  encodeAttachments,
  encodeDetach,
  encodeLeaseLost,
  encodeSession,
} from '../wire/client-frame.ts';
import { blankHeader, type ClientHeader, noDeadlineMs } from '../wire/client-header.ts';
import type { ClientConnection } from './client-connection.ts';
import type { LeaderPath } from './leader-path.ts';

interface AttachedSession {
  readonly connection: ClientConnection;
  readonly attachment: number;
  /** The entry that attached it; what earlier entries say of the session is no news to its client. */
  readonly index: number;
}

/** How often a gateway says which sessions it heard: several times per session timeout. */
const renewEveryMs = 700;
/** A client that closed is detached within this, or its sessions end by silence. */
const detachWithinMs = 10_000;

/** The sessions whose clients are connected here: their gateway renews them, ends them, and passes news on to them. */
export class AttachedSessions {
  readonly #path: LeaderPath;
  readonly #clock: Clock;
  readonly #sessions = new Map<SessionId, AttachedSession>();
  readonly #renewals: Alarm;

  constructor(path: LeaderPath, clock: Clock) {
    this.#path = path;
    this.#clock = clock;
    this.#renewals = new Alarm(clock, () => this.#renew());
  }

  /** The log attached a session. If its client closed meanwhile, the attachment ends at once. */
  attached(session: SessionId, attachment: number, index: number, connection: ClientConnection): void {
    if (connection.closedBy !== undefined) {
      if (connection.gone) this.#detach(connection.link.clientId, { session, attachment });
      return;
    }
    const known = this.#sessions.get(session);
    if (known !== undefined && known.attachment >= attachment) return;
    this.#sessions.set(session, { connection, attachment, index });
    this.#renewals.at(this.#clock.monotonicMs() + renewEveryMs);
  }

  /** A connection closed. Only a client that closed it itself is gone; a lost path is silence, and silence takes its time. */
  closed(connection: ClientConnection): void {
    for (const session of connection.sessions) {
      const known = this.#sessions.get(session);
      if (known?.connection !== connection) continue;
      this.#sessions.delete(session);
      const { attachment } = known;
      if (connection.gone) this.#detach(connection.link.clientId, { session, attachment });
    }
  }

  /** Tells clients which of their leases and sessions are over. From this node's own replica: every node applies every entry. */
  onApplied(index: number, events: QueueEvents): void {
    if (this.#sessions.size === 0) return;
    for (const lost of events.leasesLost) {
      const known = this.#sessions.get(lost.session);
      if (known !== undefined && index > known.index)
        known.connection.push('leaseLost', encodeLeaseLost(lost));
    }
    for (const session of events.sessionsEnded) {
      const known = this.#sessions.get(session);
      if (known === undefined || index <= known.index) continue;
      this.#sessions.delete(session);
      known.connection.push('sessionEnded', encodeSession(session));
    }
  }

  close(): void {
    this.#renewals.cancel();
  }

  /** Never held and sent later: a renewal says that the sessions were heard now. */
  #renew(): void {
    const heard: Attachment[] = [];
    const connections = new Set<ClientConnection>();
    for (const [session, { connection, attachment }] of this.#sessions) {
      if (!connection.heard) continue;
      heard.push({ session, attachment });
      connections.add(connection);
    }
    for (const connection of connections) connection.heard = false;
    for (let from = 0; from < heard.length; from += renewSessionsMax) {
      const some = heard.slice(from, from + renewSessionsMax);
      this.#path.tell({ ...ownHeader, kind: 'renew' }, encodeAttachments(some));
    }
    if (this.#sessions.size > 0) this.#renewals.at(this.#clock.monotonicMs() + renewEveryMs);
  }

  #detach(client: ClientId, attachment: Attachment): void {
    const deadlineMs = this.#clock.monotonicMs() + detachWithinMs;
    const header: ClientHeader = { ...ownHeader, kind: 'detach', client };
    const carried = { header, body: encodeDetach(attachment), deadlineMs, waitUntilMs: 0 };
    const correlation = this.#path.open(carried, () => {});
    if (correlation !== undefined) this.#path.dispatch(correlation);
  }
}

const renewSessionsMax = 4_096;

/** The header of a frame that a gateway sends in its own name. */
const ownHeader: Omit<ClientHeader, 'kind'> = {
  ...blankHeader,
  remainingMs: noDeadlineMs,
  client: clientId('0'.repeat(32)),
};
