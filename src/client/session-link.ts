import { Alarm } from '../base/alarm.ts';
import { DeadlineExceededError, ProtocolError, type RaftsmanError } from '../base/errors.ts';
import type { Clock } from '../ports/clock.ts';
import type { Random } from '../ports/random.ts';
import { encodeAttach, readLeader, readRefused, readSessionEnded } from '../wire/client-frame.ts';
import { type ClientHeader, hopsMax, noBucket } from '../wire/client-header.ts';
import { decodeResult } from '../wire/queue-result.ts';
import { readShardTable } from '../wire/shard-frames.ts';
import { Connection, type OpenChannel } from './connection.ts';
import { attachCorrelation } from './correlations.ts';
import { type Identity, mintIdentity } from './identity.ts';
import { LinkPatience } from './link-patience.ts';
import { refusalError, serviceError } from './refusals.ts';
import { type Routes, ShardRoutes, ToldVersions, unsharded, wholeCluster } from './routes.ts';
import { attachMarginMs, attachWithinMs, ShardSession } from './shard-session.ts';

export interface SessionLinkDeps {
  readonly openChannel: OpenChannel;
  readonly clock: Clock;
  readonly random: Random;
  /** There is no other way to the shards than through the one that `openChannel` leads to. */
  readonly hasOneGateway: boolean;
}

/** What the owner of a session link is told. */
export interface SessionLinkEvents {
  /** A link stands; what it leads to is not known yet. */
  opened(): void;
  /** The link has said where calls go; again after each change of the map. */
  routed(routes: Routes): void;
  /** The session is attached to this shard: requests may be sent there. */
  attached(shard: number): void;
  /** The link is gone: what was sent on it may or may not have been applied. Also inside `rotate`. */
  lost(): void;
  /** This shard did not know the client any more, and with it the answers to its requests. */
  expired(shard: number): void;
  /** A cluster without shards has become one with shards: ids of before mean nothing there. */
  regrouped(): void;
  /** An answer or a push that is not the link's own. */
  frame(header: ClientHeader, body: Buffer): void;
  dialFailed(error: Error, isFinal: boolean): void;
}

/** What a frame of the client says of its request; the rest of the header is the link's. */
export type RequestHeader = Omit<ClientHeader, 'client' | 'hops' | 'marked'>;

/** A node that knows no leader for so long may be cut off from the others: the session would end by silence there. */
const leaderlessMs = 1_000;

/** A client's sessions, one per shard, on whatever link stands: attached again, under the same ids, whenever a link or a session was lost. */
export class SessionLink {
  readonly #deps: SessionLinkDeps;
  readonly #events: SessionLinkEvents;
  readonly #connection: Connection;
  readonly #alarm: Alarm;
  readonly #sessions = new Map<number, ShardSession>();
  readonly #patience = new LinkPatience();
  readonly #queues = new Set<string>();
  readonly #told = new ToldVersions();
  #identity: Identity;
  #workerId = '';
  #routes: Routes | undefined;
  /** The link that stands has said where it leads. */
  #isRouted = false;
  #attachCount = 0;
  #routeByMs = Number.POSITIVE_INFINITY;
  #leaderlessUntilMs = Number.POSITIVE_INFINITY;

  constructor(deps: SessionLinkDeps, events: SessionLinkEvents) {
    this.#deps = deps;
    this.#events = events;
    this.#identity = mintIdentity(deps.random);
    this.#alarm = new Alarm(deps.clock, () => this.#ring());
    this.#connection = new Connection(deps.openChannel, deps.clock, deps.random, this.#identity.client, {
      opened: () => this.#opened(),
      lost: () => this.#lost(),
      frame: (header, body) => this.#onFrame(header, body),
      dialFailed: (error, isFinal) => events.dialFailed(error, isFinal),
    });
  }

  get identity(): Identity {
    return this.#identity;
  }

  /** A link stands, it is known where it leads, and some shard in use has the session. */
  get isConnected(): boolean {
    if (!this.#isRouted) return false;
    return this.#sessions.size === 0 || [...this.#sessions.values()].some(({ isAttached }) => isAttached);
  }

  isAttached(shard: number): boolean {
    return this.#sessions.get(shard)?.isAttached ?? false;
  }

  /** What somebody said when a shard that is not attached was asked last. */
  whyNotAttached(shard: number): RaftsmanError | undefined {
    return this.#sessions.get(shard)?.refusal;
  }

  /** A read needs no session where a router answers it. */
  canRead(shard: number): boolean {
    return shard === wholeCluster ? this.isAttached(shard) : this.#isRouted;
  }

  start(): void {
    this.#connection.start();
  }

  send(header: RequestHeader, body: Uint8Array): void {
    this.#connection.send(
      {
        kind: header.kind,
        hops: hopsMax,
        marked: false,
        any: header.any,
        group: header.group,
        bucket: header.bucket,
        mapVersion: header.mapVersion,
        correlation: header.correlation,
        remainingMs: header.remainingMs,
        waitMs: header.waitMs,
        client: this.#identity.client,
        stream: header.stream,
        seq: header.seq,
        settledUpTo: header.settledUpTo,
      },
      body,
    );
  }

  /** Calls on the queue are to come: its shards get the session. */
  use(queue: string): void {
    if (this.#queues.has(queue)) return;
    this.#queues.add(queue);
    if (this.#isRouted) this.#attachMissing();
  }

  /** A shard that no map of ours names has answered: buckets moved there. It gets the session too. */
  meet(shard: number): void {
    if (!this.#sessions.has(shard)) this.#sessions.set(shard, new ShardSession(shard));
    this.reattach(shard);
  }

  /** Names the worker whose escrow belongs to the session. */
  nameWorker(workerId: string): void {
    if (this.#workerId === workerId) return;
    this.#workerId = workerId;
    if (this.#isRouted) for (const session of this.#sessions.values()) this.#attach(session);
  }

  /** The session is over there: attaches it again on the link that stands. */
  reattach(shard: number): void {
    const session = this.#sessions.get(shard);
    if (session === undefined || !this.#isRouted || session.dueMs !== Number.POSITIVE_INFINITY) return;
    this.#attach(session);
  }

  /** A new client and session from now on, on a new link. */
  rotate(): void {
    this.#identity = mintIdentity(this.#deps.random);
    this.#sessions.clear();
    this.#connection.move(this.#identity.client);
  }

  close(): void {
    this.#isRouted = false;
    this.#alarm.cancel();
    this.#connection.close();
  }

  #opened(): void {
    this.#routeByMs = this.#deps.clock.monotonicMs() + attachWithinMs;
    this.#alarm.at(this.#routeByMs);
    this.#events.opened();
  }

  #lost(): void {
    this.#isRouted = false;
    for (const session of this.#sessions.values()) session.lost();
    this.#patience.lost();
    this.#routeByMs = Number.POSITIVE_INFINITY;
    this.#leaderlessUntilMs = Number.POSITIVE_INFINITY;
    this.#events.lost();
  }

  #onFrame(header: ClientHeader, body: Buffer): void {
    if (header.correlation >= attachCorrelation) {
      const asked = [...this.#sessions.values()].find(
        ({ correlation }) => correlation === header.correlation,
      );
      if (asked !== undefined) this.#onAttachAnswer(asked, header, body);
    } else if (header.kind === 'leader')
      this.#onLeader(header.group, readLeader(body).leaderId !== undefined);
    else if (header.kind === 'shards') this.#onTable(new ShardRoutes(readShardTable(body), this.#told));
    else if (header.kind === 'sessionEnded') {
      if (readSessionEnded(body) === this.#identity.session) this.reattach(header.group);
    } else this.#events.frame(header, body);
  }

  /** A node says who leads each of its groups; the first word of a link tells it from a proxy. */
  #onLeader(group: number, isKnown: boolean): void {
    if (this.#routes?.isSharded === true) {
      // A node knows one group's keys only; the endpoints of this client have to be proxies.
      if (!this.#isRouted) this.#connection.move();
      return;
    }
    if (!this.#isRouted) this.#route(unsharded);
    if (group !== wholeCluster) return;
    this.#leaderlessUntilMs = isKnown
      ? Number.POSITIVE_INFINITY
      : this.#deps.clock.monotonicMs() + leaderlessMs;
    this.#alarm.at(this.#leaderlessUntilMs);
  }

  /** Another proxy may have an older map: versions never go back here. */
  #onTable(routes: ShardRoutes): void {
    const known = this.#routes;
    if (known !== undefined && !known.isSharded) {
      this.#routes = undefined;
      this.#events.regrouped();
    } else if (known === undefined || routes.version > known.version) this.#route(routes);
    else if (!this.#isRouted) this.#route(known);
  }

  #route(routes: Routes): void {
    this.#routes = routes;
    this.#isRouted = true;
    this.#routeByMs = Number.POSITIVE_INFINITY;
    this.#events.routed(routes);
    this.#attachMissing();
  }

  #attachMissing(): void {
    for (const shard of this.#shardsInUse()) {
      const session = this.#sessions.get(shard) ?? new ShardSession(shard);
      this.#sessions.set(shard, session);
      if (!session.isAttached && session.dueMs === Number.POSITIVE_INFINITY) this.#attach(session);
    }
    if (this.#sessions.size === 0) this.#connection.settled();
    this.#judge();
  }

  #shardsInUse(): ReadonlySet<number> {
    const routes = this.#routes;
    if (routes === undefined) return new Set();
    if (!routes.isSharded) return new Set([wholeCluster]);
    const queues = [...this.#queues].filter((queue) => routes.has(queue));
    return new Set(queues.flatMap((queue) => routes.ofQueue(queue).shards.map(({ number }) => number)));
  }

  #attach(session: ShardSession): void {
    const { shard } = session;
    this.#attachCount = (this.#attachCount + 1) % attachCorrelation;
    const correlation = attachCorrelation + this.#attachCount;
    session.asked(correlation, this.#deps.clock.monotonicMs());
    this.#alarm.at(session.dueMs);
    const bucket = shard === wholeCluster ? 0 : noBucket;
    const where = { group: shard, bucket, mapVersion: this.#routes?.version ?? 0, any: false };
    const ids = { correlation, stream: 0, seq: 0, settledUpTo: 0 };
    const { registration } = session;
    const body = encodeAttach({ session: this.#identity.session, workerId: this.#workerId, registration });
    this.send(
      { ...where, ...ids, kind: 'attach', remainingMs: attachWithinMs - attachMarginMs, waitMs: 0 },
      body,
    );
    this.#judge();
  }

  #onAttachAnswer(session: ShardSession, header: ClientHeader, body: Buffer): void {
    const refused = header.kind === 'refused' ? readRefused(body) : undefined;
    const why = refused === undefined ? new DeadlineExceededError('nobody answered') : serviceError(refused);
    if (header.kind === 'result') {
      const result = decodeResult(body);
      if (result.type === 'attached') this.#onAttached(session, result.registration);
      else if (result.type === 'refused' && result.code === 'CLIENT_EXPIRED') this.#onForgotten(session);
      else if (result.type === 'refused')
        this.#attachLater(session, refusalError(result.code, result.message));
      else throw new ProtocolError(`an attach was answered with ${result.type}`);
    } else if (refused?.code === 'BUSY' || session.shard !== wholeCluster) this.#attachLater(session, why);
    else this.#connection.move();
  }

  #onAttached(session: ShardSession, registration: number): void {
    this.#connection.settled();
    if (!session.attached(registration)) {
      this.#events.expired(session.shard);
      return;
    }
    this.#judge();
    this.#alarm.at(this.#leaderlessUntilMs);
    this.#events.attached(session.shard);
  }

  #onForgotten(session: ShardSession): void {
    this.#connection.settled();
    session.lost();
    this.#events.expired(session.shard);
  }

  #attachLater(session: ShardSession, why: RaftsmanError): void {
    session.refused(why, this.#deps.clock.monotonicMs());
    this.#alarm.at(session.dueMs);
  }

  /** One shard that cannot be reached is no reason to disturb the others, unless it lasts. */
  #judge(): void {
    if (this.#routes?.isSharded !== true || this.#deps.hasOneGateway) return;
    const sessions = [...this.#sessions.values()];
    const attached = sessions.filter(({ isAttached }) => isAttached).length;
    this.#patience.attached(attached, sessions.length, this.#deps.clock.monotonicMs());
    this.#alarm.at(this.#patience.leaveAtMs);
  }

  #ring(): void {
    const nowMs = this.#deps.clock.monotonicMs();
    if (this.#isUseless(nowMs)) {
      this.#connection.move();
      return;
    }
    let nextMs = Math.min(this.#routeByMs, this.#patience.leaveAtMs);
    if (this.#leaderlessUntilMs > nowMs) nextMs = Math.min(nextMs, this.#leaderlessUntilMs);
    for (const session of this.#sessions.values()) {
      if (session.dueMs <= nowMs) this.#attach(session);
      nextMs = Math.min(nextMs, session.dueMs);
    }
    this.#alarm.at(nextMs);
  }

  #isUseless(nowMs: number): boolean {
    if (nowMs >= this.#routeByMs || nowMs >= this.#patience.leaveAtMs) return true;
    const session = this.#sessions.get(wholeCluster);
    if (session === undefined) return false;
    return session.isLate(nowMs) || (session.isAttached && nowMs >= this.#leaderlessUntilMs);
  }
}
