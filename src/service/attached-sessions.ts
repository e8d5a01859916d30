import { Alarm } from '../base/alarm.ts';
import { clientId, type SessionId } from '../base/ids.ts';
import type { Clock } from '../ports/clock.ts';
import type { QueueEvents } from '../queue/types.ts';
import { type Attachment, encodeAttachments, encodeLeaseLost, encodeSession } from '../wire/client-frame.ts';
import { blankHeader, type ClientHeader, noDeadlineMs } from '../wire/client-header.ts';
import type { ClientConnection } from './client-connection.ts';
import { detach } from './detach.ts';
import type { LeaderPath } from './leader-path.ts';

interface AttachedSession {
  readonly connection: ClientConnection;
  readonly attachment: number;
  /** The entry that attached it; what earlier entries say of the session is no news to its client. */
  readonly index: number;
  /** What its link had heard at the last renewal. */
  heardCount: number;
}

/** How often a gateway says which sessions it heard: several times per session timeout. */
const renewEveryMs = 700;

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
      if (connection.gone) this.#detach(connection, { session, attachment });
      return;
    }
    const known = this.#sessions.get(session);
    if (known !== undefined && known.attachment >= attachment) return;
    this.#sessions.set(session, { connection, attachment, index, heardCount: 0 });
    this.#renewals.at(this.#clock.monotonicMs() + renewEveryMs);
  }

  /** A connection closed. Only a client that closed it itself is gone; a lost path is silence, and silence takes its time. */
  closed(connection: ClientConnection, sessions: Iterable<SessionId>): void {
    for (const session of sessions) {
      const known = this.#sessions.get(session);
      if (known?.connection !== connection) continue;
      this.#sessions.delete(session);
      const { attachment } = known;
      if (connection.gone) this.#detach(connection, { session, attachment });
    }
  }

  /** Tells clients which of their leases and sessions are over. From this node's own replica: every node applies every entry. */
  onApplied(index: number, events: QueueEvents): void {
    if (this.#sessions.size === 0) return;
    const { group } = this.#path;
    for (const lost of events.leasesLost) {
      const known = this.#sessions.get(lost.session);
      if (known !== undefined && index > known.index)
        known.connection.push('leaseLost', encodeLeaseLost(lost), { group, index });
    }
    for (const session of events.sessionsEnded) {
      const known = this.#sessions.get(session);
      if (known === undefined || index <= known.index) continue;
      this.#sessions.delete(session);
      known.connection.push('sessionEnded', encodeSession(session), { group, index });
    }
  }

  close(): void {
    this.#renewals.cancel();
  }

  /** Never held and sent later: a renewal says that the sessions were heard now. */
  #renew(): void {
    const heard: Attachment[] = [];
    for (const [session, known] of this.#sessions) {
      const { connection, attachment } = known;
      if (connection.heardCount === known.heardCount) continue;
      known.heardCount = connection.heardCount;
      heard.push({ session, attachment });
    }
    for (let from = 0; from < heard.length; from += renewSessionsMax) {
      const some = heard.slice(from, from + renewSessionsMax);
      this.#path.tell({ ...ownHeader, kind: 'renew' }, encodeAttachments(some));
    }
    if (this.#sessions.size > 0) this.#renewals.at(this.#clock.monotonicMs() + renewEveryMs);
  }

  #detach(connection: ClientConnection, attachment: Attachment): void {
    detach(this.#path, this.#clock, connection.link.clientId, attachment);
  }
}

const renewSessionsMax = 4_096;

/** The header of a frame that a gateway sends in its own name. */
const ownHeader: Omit<ClientHeader, 'kind'> = {
  ...blankHeader,
  remainingMs: noDeadlineMs,
  client: clientId('0'.repeat(32)),
};
