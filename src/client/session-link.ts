import { Alarm } from '../base/alarm.ts';
import { ProtocolError } from '../base/errors.ts';
import type { Clock } from '../ports/clock.ts';
import type { Random } from '../ports/random.ts';
import { encodeAttach, readLeader, readRefused, readSessionEnded } from '../wire/client-frame.ts';
import { blankHeader, type ClientHeader } from '../wire/client-header.ts';
import { decodeResult } from '../wire/queue-result.ts';
import { Connection, type OpenChannel } from './connection.ts';
import { type Identity, mintIdentity } from './identity.ts';

export interface SessionLinkDeps {
  readonly openChannel: OpenChannel;
  readonly clock: Clock;
  readonly random: Random;
}

/** What the owner of a session link is told. */
export interface SessionLinkEvents {
  /** A link stands; the session is on its way. */
  opened(): void;
  /** The session is attached: requests may be sent. */
  attached(): void;
  /** The link is gone: what was sent on it may or may not have been applied. Also inside `rotate`. */
  lost(): void;
  /** The cluster did not know this client any more, and with it the answers to its requests. */
  expired(): void;
  /** An answer or a push that is not the link's own. */
  frame(header: ClientHeader, body: Buffer): void;
  dialFailed(error: Error, isFinal: boolean): void;
}

/** What a frame of the client says of its request; the rest of the header is the link's. */
export type RequestHeader = Pick<
  ClientHeader,
  'kind' | 'correlation' | 'remainingMs' | 'waitMs' | 'stream' | 'seq' | 'settledUpTo'
>;

/** A node that cannot attach the session for so long is left for another. */
const attachWithinMs = 2_500;
const attachRetryMs = 100;
/** A node that knows no leader for so long may be cut off from the others: the session would end by silence there. */
const leaderlessMs = 1_000;
/** Correlations of attaches; those of requests are below. */
export const attachCorrelation = 0x8000_0000;

/** A client's session on whatever link stands: attached again, under the same ids, whenever a link or the session was lost. */
export class SessionLink {
  readonly #deps: SessionLinkDeps;
  readonly #events: SessionLinkEvents;
  readonly #connection: Connection;
  readonly #alarm: Alarm;
  #identity: Identity;
  #workerId = '';
  #isAttached = false;
  /** Under which registration the cluster remembers our requests; undefined before the first attach. */
  #registration: number | undefined;
  #attachCount = 0;
  #attachByMs = Number.POSITIVE_INFINITY;
  #attachAgainMs = Number.POSITIVE_INFINITY;
  #leaderlessUntilMs = Number.POSITIVE_INFINITY;

  constructor(deps: SessionLinkDeps, events: SessionLinkEvents) {
    this.#deps = deps;
    this.#events = events;
    this.#identity = mintIdentity(deps.random);
    this.#alarm = new Alarm(deps.clock, () => this.#ring());
    this.#connection = new Connection(deps.openChannel, deps.clock, deps.random, this.#identity.client, {
      opened: () => {
        events.opened();
        this.#attach();
      },
      lost: () => this.#lost(),
      frame: (header, body) => this.#onFrame(header, body),
      dialFailed: (error, isFinal) => events.dialFailed(error, isFinal),
    });
  }

  get identity(): Identity {
    return this.#identity;
  }

  get isAttached(): boolean {
    return this.#isAttached;
  }

  start(): void {
    this.#connection.start();
  }

  send(header: RequestHeader, body: Uint8Array): void {
    this.#connection.send({ ...blankHeader, ...header, client: this.#identity.client }, body);
  }

  /** Names the worker whose escrow belongs to the session. */
  nameWorker(workerId: string): void {
    if (this.#workerId === workerId) return;
    this.#workerId = workerId;
    this.reattach();
  }

  /** The session is over or changed: attaches it again on the link that stands. */
  reattach(): void {
    if (!this.#connection.isOpen || this.#attachByMs !== Number.POSITIVE_INFINITY) return;
    this.#attach();
  }

  /** A new client and session from now on, on a new link. */
  rotate(): void {
    this.#identity = mintIdentity(this.#deps.random);
    this.#registration = undefined;
    this.#connection.move(this.#identity.client);
  }

  close(): void {
    this.#isAttached = false;
    this.#alarm.cancel();
    this.#connection.close();
  }

  #attach(): void {
    const nowMs = this.#deps.clock.monotonicMs();
    this.#isAttached = false;
    this.#attachCount = (this.#attachCount + 1) % attachCorrelation;
    this.#attachAgainMs = Number.POSITIVE_INFINITY;
    this.#attachByMs = nowMs + attachWithinMs;
    this.#alarm.at(this.#attachByMs);
    const correlation = attachCorrelation + this.#attachCount;
    const header = { correlation, remainingMs: attachWithinMs, waitMs: 0, stream: 0, seq: 0, settledUpTo: 0 };
    const { session } = this.#identity;
    this.send({ ...header, kind: 'attach' }, encodeAttach({ session, workerId: this.#workerId }));
  }

  #lost(): void {
    this.#isAttached = false;
    this.#attachByMs = Number.POSITIVE_INFINITY;
    this.#attachAgainMs = Number.POSITIVE_INFINITY;
    this.#leaderlessUntilMs = Number.POSITIVE_INFINITY;
    this.#events.lost();
  }

  #onFrame(header: ClientHeader, body: Buffer): void {
    if (header.correlation >= attachCorrelation) {
      if (header.correlation === attachCorrelation + this.#attachCount) this.#onAttachAnswer(header, body);
    } else if (header.kind === 'leader') this.#onLeader(readLeader(body).leaderId !== undefined);
    else if (header.kind === 'sessionEnded') {
      if (readSessionEnded(body) === this.#identity.session) this.reattach();
    } else this.#events.frame(header, body);
  }

  #onAttachAnswer(header: ClientHeader, body: Buffer): void {
    if (header.kind === 'refused' && readRefused(body).code === 'BUSY') this.#attachLater();
    else if (header.kind !== 'result') this.#connection.move();
    else {
      const result = decodeResult(body);
      if (result.type === 'attached') this.#onAttached(result.registration);
      else if (result.type === 'refused') this.#attachLater();
      else throw new ProtocolError(`an attach was answered with ${result.type}`);
    }
  }

  #onAttached(registration: number): void {
    this.#attachByMs = Number.POSITIVE_INFINITY;
    this.#connection.settled();
    if (this.#registration !== undefined && this.#registration !== registration) {
      this.#events.expired();
      return;
    }
    this.#isAttached = true;
    this.#registration = registration;
    this.#alarm.at(this.#leaderlessUntilMs);
    this.#events.attached();
  }

  #attachLater(): void {
    this.#attachAgainMs = this.#deps.clock.monotonicMs() + attachRetryMs;
    this.#alarm.at(this.#attachAgainMs);
  }

  #onLeader(isKnown: boolean): void {
    const nowMs = this.#deps.clock.monotonicMs();
    this.#leaderlessUntilMs = isKnown ? Number.POSITIVE_INFINITY : nowMs + leaderlessMs;
    this.#alarm.at(this.#leaderlessUntilMs);
  }

  #ring(): void {
    const nowMs = this.#deps.clock.monotonicMs();
    const isUseless = this.#isAttached && nowMs >= this.#leaderlessUntilMs;
    if (nowMs >= this.#attachByMs || isUseless) this.#connection.move();
    else if (nowMs >= this.#attachAgainMs) this.#attach();
    else this.#alarm.at(this.#nextMs(nowMs));
  }

  #nextMs(nowMs: number): number {
    const leaderlessMs = this.#leaderlessUntilMs > nowMs ? this.#leaderlessUntilMs : Number.POSITIVE_INFINITY;
    return Math.min(this.#attachByMs, leaderlessMs, this.#attachAgainMs);
  }
}
