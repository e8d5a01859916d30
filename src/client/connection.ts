import { isRaftsmanError, ProtocolError } from '../base/errors.ts';
import type { ClientId } from '../base/ids.ts';
import type { Clock, Scheduled } from '../ports/clock.ts';
import type { Random } from '../ports/random.ts';
import { Bundler, splitBundle } from '../wire/client-bundle.ts';
import type { ClientChannel } from '../wire/client-channel.ts';
import { blankHeader, bodyOf, type ClientHeader, decodeHeader, encodeFrame } from '../wire/client-header.ts';

/** Opens an authenticated channel to any node; the n-th attempt since the last one that stood. */
export type OpenChannel = (options: {
  readonly client: ClientId;
  readonly attempt: number;
  readonly signal: AbortSignal;
}) => Promise<ClientChannel>;

/** What the owner of a connection is told. */
export interface ConnectionEvents {
  opened(): void;
  frame(header: ClientHeader, body: Buffer): void;
  /** The link is gone and another on its way; also inside `move`. */
  lost(): void;
  /** A dial failed; another follows unless `isFinal`. */
  dialFailed(error: Error, isFinal: boolean): void;
}

const dialTimeoutMs = 2_000;
const backoffMs = { first: 10, longest: 2_000 } as const;
/** Beyond this the wait grows no more. */
const attemptsMax = 12;
/** A link says at least this often that its client lives. */
const pingEveryMs = 500;
/** A link on which nothing came for so long is given up: well before the session ends by silence. */
const silenceMs = 1_800;

/** Keeps one link to any node: dials, notices silence, dials again with a growing, jittered wait. */
export class Connection {
  readonly #open: OpenChannel;
  readonly #clock: Clock;
  readonly #random: Random;
  readonly #events: ConnectionEvents;
  #client: ClientId;
  #channel: ClientChannel | undefined;
  #bundler: Bundler | undefined;
  #dial: AbortController | undefined;
  #timer: Scheduled | undefined;
  #attempt = 0;
  #heardAtMs = 0;
  #isClosed = false;

  constructor(open: OpenChannel, clock: Clock, random: Random, client: ClientId, events: ConnectionEvents) {
    this.#open = open;
    this.#clock = clock;
    this.#random = random;
    this.#client = client;
    this.#events = events;
  }

  get isOpen(): boolean {
    return this.#channel !== undefined;
  }

  start(): void {
    this.#dialNow();
  }

  send(header: ClientHeader, body: Uint8Array): void {
    this.#bundler?.add(encodeFrame(header, body));
  }

  /** Gives the link up and dials another, as `client` from now on. The session goes on elsewhere. */
  move(client: ClientId = this.#client): void {
    const channel = this.#channel;
    if (channel !== undefined) this.#leave(channel);
    this.#client = client;
  }

  close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#timer?.cancel();
    this.#dial?.abort(new Error('the client closes'));
    this.#bundler?.flush();
    const channel = this.#channel;
    this.#channel = undefined;
    channel?.close();
  }

  #dialNow(): void {
    const dial = new AbortController();
    this.#dial = dial;
    this.#timer = this.#clock.after(dialTimeoutMs, () => dial.abort(new Error('no node answered in time')));
    this.#open({ client: this.#client, attempt: this.#attempt, signal: dial.signal }).then(
      (channel) => this.#opened(dial, channel),
      (error: unknown) => this.#failed(dial, error),
    );
  }

  #opened(dial: AbortController, channel: ClientChannel): void {
    if (dial !== this.#dial || this.#isClosed) {
      channel.close();
      return;
    }
    this.#endDial();
    this.#channel = channel;
    this.#bundler = new Bundler((message) => channel.send(message));
    this.#heardAtMs = this.#clock.monotonicMs();
    channel.onFrame = (message) => this.#onMessage(channel, message);
    channel.onClose = () => this.#drop(channel);
    this.#watch();
    this.#events.opened();
  }

  #failed(dial: AbortController, error: unknown): void {
    if (dial !== this.#dial || this.#isClosed) return;
    this.#endDial();
    const cause = error instanceof Error ? error : new Error('the node was not reached');
    const isFinal = isRaftsmanError(cause) && finalCodes.has(cause.code);
    if (!isFinal) this.#dialLater();
    this.#events.dialFailed(cause, isFinal);
  }

  #endDial(): void {
    this.#dial = undefined;
    this.#timer?.cancel();
  }

  /** The first dial after a link that worked goes out at once: another node is there, and a session does not wait for ever. */
  #dialLater(): void {
    const { first, longest } = backoffMs;
    const waitMs = this.#attempt === 0 ? first / 4 : Math.min(longest, first * 2 ** (this.#attempt - 1));
    const jitter = this.#random.next();
    this.#timer = this.#clock.after(waitMs * (this.#attempt === 0 ? jitter : 0.5 + jitter), () =>
      this.#dialNow(),
    );
    this.#attempt = Math.min(this.#attempt + 1, attemptsMax);
  }

  /** The link works: the next dial does not wait long. */
  settled(): void {
    this.#attempt = 0;
  }

  #onMessage(channel: ClientChannel, message: Uint8Array): void {
    if (channel !== this.#channel) return;
    this.#heardAtMs = this.#clock.monotonicMs();
    try {
      for (const frame of splitBundle(message)) {
        const header = decodeHeader(frame);
        if (header.kind !== 'pong') this.#events.frame(header, bodyOf(frame));
        if (channel !== this.#channel) return;
      }
    } catch (error) {
      if (!(error instanceof ProtocolError)) throw error;
      this.#leave(channel);
    }
  }

  /** Gives up a link that may still stand: its node must not take that for the end of the session. */
  #leave(channel: ClientChannel): void {
    if (channel !== this.#channel) return;
    this.send(this.#control('move'), nothing);
    this.#bundler?.flush();
    this.#drop(channel);
  }

  #drop(channel: ClientChannel): void {
    if (channel !== this.#channel) return;
    this.#channel = undefined;
    this.#bundler = undefined;
    this.#timer?.cancel();
    channel.close();
    if (!this.#isClosed) this.#dialLater();
    this.#events.lost();
  }

  /** One timer per link: says that the client lives, and notices that the node does not. */
  #watch(): void {
    this.#timer = this.#clock.after(pingEveryMs, () => {
      const channel = this.#channel;
      if (channel === undefined) return;
      this.send(this.#control('ping'), nothing);
      this.#watch();
      // After a stall of our own the node's frames wait to be read: they are newer than the timer.
      if (this.#isSilent()) this.#clock.soon(() => (this.#isSilent() ? this.#leave(channel) : undefined));
    });
  }

  #isSilent(): boolean {
    return this.#clock.monotonicMs() - this.#heardAtMs > silenceMs;
  }

  #control(kind: 'ping' | 'move'): ClientHeader {
    return { ...blankHeader, kind, client: this.#client };
  }
}

const nothing = new Uint8Array(0);
/** Another dial would end the same way. */
const finalCodes: ReadonlySet<string> = new Set(['INVALID_OPTION', 'CLOSED']);
