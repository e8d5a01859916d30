import type { Buffer } from 'node:buffer';
import { Alarm } from '../../base/alarm.ts';
import type { ClientId, SessionId } from '../../base/ids.ts';
import type { Clock } from '../../ports/clock.ts';
import {
  type Attachment,
  encodeAttachments,
  encodeDetach,
  readLeaseLost,
  readSessionEnded,
} from '../../wire/client-frame.ts';
import {
  blankHeader,
  bodyOf,
  type ClientHeader,
  encodeFrame,
  frameKinds,
  noBucket,
  noDeadlineMs,
} from '../../wire/client-header.ts';
import type { FrontConnection } from './front-connection.ts';
import { indexOf, kindOf, shardOf } from './front-frame.ts';
import type { Origin } from './types.ts';

interface AttachedSession {
  readonly connection: FrontConnection;
  readonly attachment: number;
  /** The entry that attached it; what earlier entries say of the session is no news to its client. */
  readonly index: number;
}

/** The sessions that are attached at one shard. */
interface ShardSessions {
  readonly sessions: Map<SessionId, AttachedSession>;
  /** When its leader was last told which of them were heard. */
  renewedAtMs: number;
}

/** How often a gateway says which sessions it heard: several times per session timeout. */
const renewEveryMs = 700;
/** A client that closed is detached within this, or its sessions end by silence. */
const detachWithinMs = 10_000;
const renewSessionsMax = 4_096;
/** Nobody waits for it. */
const noOrigin: Origin = { answer: () => {} };

/** The sessions whose clients are connected here, shard by shard: their front renews them, ends them, and passes news on to them. */
export class FrontSessions {
  readonly #submit: (frame: Buffer, origin: Origin) => void;
  readonly #clientId: ClientId;
  readonly #clock: Clock;
  readonly #shards = new Map<number, ShardSessions>();
  readonly #renewals: Alarm;

  /** @param clientId - of the router's own links, in whose name renewals are sent. */
  constructor(submit: (frame: Buffer, origin: Origin) => void, clientId: ClientId, clock: Clock) {
    this.#submit = submit;
    this.#clientId = clientId;
    this.#clock = clock;
    this.#renewals = new Alarm(clock, () => this.#renewAll());
  }

  /** A shard's log attached a session. If its client closed meanwhile, the attachment ends at once. */
  attached(
    shard: number,
    session: SessionId,
    { attachment, index }: Omit<AttachedSession, 'connection'>,
    connection: FrontConnection,
  ): void {
    if (connection.closedBy !== undefined) {
      if (connection.gone) this.#detach(shard, connection.link.clientId, { session, attachment });
      return;
    }
    const { sessions } = this.#at(shard);
    const known = sessions.get(session);
    if (known !== undefined && known.attachment >= attachment) return;
    sessions.set(session, { connection, attachment, index });
    this.#renewals.at(this.#clock.monotonicMs() + renewEveryMs);
  }

  /** A connection closed. Only a client that closed it itself is gone; a lost path is silence, and silence takes its time. */
  closed(connection: FrontConnection): void {
    for (const session of connection.sessions) {
      for (const [shard, { sessions }] of this.#shards) {
        const known = sessions.get(session);
        if (known?.connection !== connection) continue;
        sessions.delete(session);
        const { attachment } = known;
        if (connection.gone) this.#detach(shard, connection.link.clientId, { session, attachment });
      }
    }
  }

  /** Hands the news of a lease or a session that is over to its client. @throws ProtocolError */
  onPush(frame: Buffer): void {
    const sessions = this.#shards.get(shardOf(frame))?.sessions;
    if (sessions === undefined) return;
    const isEnd = kindOf(frame) === frameKinds.sessionEnded;
    const session = isEnd ? readSessionEnded(bodyOf(frame)) : readLeaseLost(bodyOf(frame)).session;
    const known = sessions.get(session);
    if (known === undefined || isOld(indexOf(frame), known.index)) return;
    if (isEnd) sessions.delete(session);
    known.connection.send(frame);
  }

  /** A leader is new, or reached again: it waits for word of the sessions that it inherited. */
  onLeader(shard: number): void {
    const known = this.#shards.get(shard);
    if (known !== undefined) this.#renew(shard, known);
  }

  get count(): number {
    let count = 0;
    for (const { sessions } of this.#shards.values()) count += sessions.size;
    return count;
  }

  close(): void {
    this.#renewals.cancel();
  }

  #at(shard: number): ShardSessions {
    const known = this.#shards.get(shard);
    if (known !== undefined) return known;
    const made = { sessions: new Map<SessionId, AttachedSession>(), renewedAtMs: this.#clock.monotonicMs() };
    this.#shards.set(shard, made);
    return made;
  }

  #renewAll(): void {
    for (const [shard, known] of this.#shards) {
      if (known.sessions.size > 0) this.#renew(shard, known);
      else this.#shards.delete(shard);
    }
    if (this.#shards.size > 0) this.#renewals.at(this.#clock.monotonicMs() + renewEveryMs);
  }

  /** Never held and sent later: a renewal says that the sessions were heard since the one before. */
  #renew(shard: number, known: ShardSessions): void {
    const nowMs = this.#clock.monotonicMs();
    const sinceMs = Math.min(known.renewedAtMs, nowMs - renewEveryMs);
    known.renewedAtMs = nowMs;
    const heard: Attachment[] = [];
    for (const [session, { connection, attachment }] of known.sessions) {
      if (connection.heardAtMs >= sinceMs) heard.push({ session, attachment });
    }
    for (let from = 0; from < heard.length; from += renewSessionsMax) {
      const some = heard.slice(from, from + renewSessionsMax);
      const header = { ...ownHeader, kind: 'renew' as const, group: shard, client: this.#clientId };
      this.#submit(encodeFrame(header, encodeAttachments(some)), noOrigin);
    }
  }

  /** Held until the shard has a leader, as long as that makes sense. */
  #detach(shard: number, client: ClientId, attachment: Attachment): void {
    const header = { ...ownHeader, kind: 'detach' as const, group: shard, client };
    const frame = encodeFrame({ ...header, remainingMs: detachWithinMs }, encodeDetach(attachment));
    this.#submit(frame, noOrigin);
  }
}

/** News of an entry before the one that attached the session; 0 for news that names no entry. */
function isOld(index: number, attachedAt: number): boolean {
  return index > 0 && index <= attachedAt;
}

/** The header of a frame that a front sends in its own name. */
const ownHeader: Omit<ClientHeader, 'kind' | 'client'> = {
  ...blankHeader,
  bucket: noBucket,
  remainingMs: noDeadlineMs,
};
