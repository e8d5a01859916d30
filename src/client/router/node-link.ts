import type { Buffer } from 'node:buffer';
import { HandshakeRefusedError, ProtocolError } from '../../base/errors.ts';
import type { ClientId } from '../../base/ids.ts';
import type { Clock, Scheduled } from '../../ports/clock.ts';
import type { Random } from '../../ports/random.ts';
import type { Shard } from '../../sharding/types.ts';
import { Bundler, splitBundle } from '../../wire/client-bundle.ts';
import { blankHeader, clientVersion, encodeFrame, frameKinds } from '../../wire/client-header.ts';
import type { NodeIdentity } from '../../wire/handshake.ts';
import { kindCodeOf } from './frame-fields.ts';
import type { LaneLink } from './lane-host.ts';
import type { NodeChannel, OpenNodeChannel, RouterProblem } from './types.ts';

/** Why a link cannot be used, as a problem without its shard and address. */
export type LinkProblem = Pick<RouterProblem, 'kind' | 'message'>;

/** What the owner of a link is told. */
export interface NodeLinkEvents {
  /** Judges who answered; undefined if it is the node that was meant. */
  judge(link: NodeLink, node: NodeIdentity): LinkProblem | undefined;
  opened(link: NodeLink): void;
  closed(link: NodeLink): void;
  frame(link: NodeLink, kind: number, frame: Buffer): void;
  /** The node takes frames again after `isFull`. */
  ready(link: NodeLink): void;
  /** A dial failed, or who answered was not the one; another dial follows. */
  failed(link: NodeLink, problem: LinkProblem | undefined): void;
}

export interface NodeLinkDeps {
  readonly openNode: OpenNodeChannel;
  readonly clientId: ClientId;
  readonly clock: Clock;
  readonly random: Random;
  readonly events: NodeLinkEvents;
}

const dialTimeoutMs = 2_000;
const backoffMs = { first: 10, longest: 1_000 } as const;
const attemptsMax = 12;
/** Who is not the node that was meant will hardly become it soon. */
const strangerRetryMs = 2_000;
const pingEveryMs = 500;
/** A link on which nothing came for so long is given up: well before sessions end by silence. */
const silenceMs = 1_800;
/** More bytes than this must not wait for one node; going on at half of it. */
const queuedBytesMax: number = 4 * 1024 * 1024;
const fullCheckMs = 5;

/** Keeps one link to one node: dials, checks who answers, notices silence, dials again with a growing, jittered wait. */
export class NodeLink implements LaneLink {
  readonly shard: Shard;
  readonly nodeId: string;
  readonly address: string;
  readonly #deps: NodeLinkDeps;
  #channel: NodeChannel | undefined;
  #bundler: Bundler | undefined;
  #dial: AbortController | undefined;
  #timer: Scheduled | undefined;
  #fullTimer: Scheduled | undefined;
  #attempt = 0;
  #heardAtMs = 0;
  #isFull = false;
  #isDown = false;
  #isClosed = false;
  #lastError: string | undefined;

  /** @param shard - one of those that the node serves: whom a dial is for. */
  constructor(shard: Shard, nodeId: string, address: string, deps: NodeLinkDeps) {
    this.shard = shard;
    this.nodeId = nodeId;
    this.address = address;
    this.#deps = deps;
  }

  get isOpen(): boolean {
    return this.#channel !== undefined;
  }

  get isFull(): boolean {
    return this.#isFull;
  }

  get node(): NodeIdentity | undefined {
    return this.#channel?.node;
  }

  /** True from a dial that failed until one that did not. */
  get isDown(): boolean {
    return this.#isDown;
  }

  /** Why it was not reached; undefined while it is, or before the first dial ended. */
  get lastError(): string | undefined {
    return this.#lastError;
  }

  start(): void {
    this.#dialNow();
  }

  send(frame: Buffer): void {
    this.#bundler?.add(frame);
  }

  /** @param isMoving - the sessions that this link stands for go on elsewhere. */
  close(isMoving: boolean): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#timer?.cancel();
    this.#fullTimer?.cancel();
    this.#dial?.abort(new Error('the router closes'));
    if (isMoving) this.#say('move');
    this.#bundler?.flush();
    const channel = this.#channel;
    this.#channel = undefined;
    this.#bundler = undefined;
    channel?.close();
    if (channel !== undefined) this.#deps.events.closed(this);
  }

  #dialNow(): void {
    const dial = new AbortController();
    const { shard, nodeId, address } = this;
    const { clock, openNode } = this.#deps;
    this.#dial = dial;
    this.#timer = clock.after(dialTimeoutMs, () => dial.abort(new Error('no answer in time')));
    openNode({ shard, nodeId, address, signal: dial.signal }).then(
      (channel) => this.#opened(dial, channel),
      (error: unknown) => this.#failed(dial, error),
    );
  }

  #opened(dial: AbortController, channel: NodeChannel): void {
    if (dial !== this.#dial || this.#isClosed) {
      channel.close();
      return;
    }
    this.#endDial();
    const problem = this.#deps.events.judge(this, channel.node);
    if (problem !== undefined) {
      channel.close();
      this.#lastError = problem.message;
      this.#isDown = true;
      this.#dialIn(strangerRetryMs * (0.5 + this.#deps.random.next()));
      this.#deps.events.failed(this, problem);
      return;
    }
    this.#channel = channel;
    this.#bundler = new Bundler((message) => this.#flush(channel, message));
    this.#heardAtMs = this.#deps.clock.monotonicMs();
    this.#lastError = undefined;
    this.#isDown = false;
    channel.onFrame = (message) => this.#onMessage(channel, message);
    channel.onClose = () => this.#drop(channel, 'the link was closed');
    this.#watch();
    this.#deps.events.opened(this);
  }

  #failed(dial: AbortController, error: unknown): void {
    if (dial !== this.#dial || this.#isClosed) return;
    this.#endDial();
    this.#lastError = error instanceof Error ? error.message : 'not reached';
    this.#isDown = true;
    this.#dialLater();
    const isStranger = error instanceof HandshakeRefusedError && error.reason === 'wrongSecret';
    const problem: LinkProblem | undefined = isStranger
      ? { kind: 'wrongSecret', message: this.#lastError }
      : undefined;
    this.#deps.events.failed(this, problem);
  }

  #endDial(): void {
    this.#dial = undefined;
    this.#timer?.cancel();
  }

  /** The first dial after a link that worked goes out at once, or nearly: all routers lost the node at the same time. */
  #dialLater(): void {
    const { first, longest } = backoffMs;
    const jitter = this.#deps.random.next();
    const stepMs = Math.min(longest, first * 2 ** (this.#attempt - 1));
    this.#dialIn(this.#attempt === 0 ? (first / 4) * jitter : stepMs * (0.5 + jitter));
    this.#attempt = Math.min(this.#attempt + 1, attemptsMax);
  }

  #dialIn(delayMs: number): void {
    this.#timer = this.#deps.clock.after(delayMs, () => this.#dialNow());
  }

  #flush(channel: NodeChannel, message: Uint8Array): void {
    channel.send(message);
    if (this.#isFull || channel.queuedBytes() <= queuedBytesMax) return;
    this.#isFull = true;
    this.#checkFull(channel);
  }

  #checkFull(channel: NodeChannel): void {
    this.#fullTimer = this.#deps.clock.after(fullCheckMs, () => {
      if (channel !== this.#channel) return;
      if (channel.queuedBytes() > queuedBytesMax / 2) {
        this.#checkFull(channel);
        return;
      }
      this.#isFull = false;
      this.#deps.events.ready(this);
    });
  }

  #onMessage(channel: NodeChannel, message: Uint8Array): void {
    if (channel !== this.#channel) return;
    this.#heardAtMs = this.#deps.clock.monotonicMs();
    // A node that answers is well: the next dial need not wait.
    this.#attempt = 0;
    try {
      for (const frame of splitBundle(message)) {
        if (frame[0] !== clientVersion) throw new ProtocolError('client frame: of another version');
        const kind = kindCodeOf(frame);
        if (kind !== frameKinds.pong) this.#deps.events.frame(this, kind, frame);
        if (channel !== this.#channel) return;
      }
    } catch (error) {
      if (!(error instanceof ProtocolError)) throw error;
      this.#deps.events.failed(this, { kind: 'badFrame', message: error.message });
      // It may well send the same again: what was asked is asked again on each new link.
      this.#attempt = attemptsMax;
      this.#leave(channel);
    }
  }

  /** Gives up a link that may still stand: its node must not take that for the end of the session. */
  #leave(channel: NodeChannel): void {
    if (channel !== this.#channel) return;
    this.#say('move');
    this.#bundler?.flush();
    this.#drop(channel, 'the node fell silent or sent what is no frame');
  }

  #drop(channel: NodeChannel, why: string): void {
    if (channel !== this.#channel) return;
    this.#channel = undefined;
    this.#bundler = undefined;
    this.#isFull = false;
    this.#timer?.cancel();
    this.#fullTimer?.cancel();
    this.#lastError = why;
    channel.close();
    if (!this.#isClosed) this.#dialLater();
    this.#deps.events.closed(this);
  }

  /** One timer per link: says that we live, and notices that the node does not. */
  #watch(): void {
    const { clock } = this.#deps;
    this.#timer = clock.after(pingEveryMs, () => {
      const channel = this.#channel;
      if (channel === undefined) return;
      this.#say('ping');
      this.#watch();
      // After a stall of our own the node's frames wait to be read: they are newer than the timer.
      if (this.#isSilent()) clock.soon(() => (this.#isSilent() ? this.#leave(channel) : undefined));
    });
  }

  #isSilent(): boolean {
    return this.#deps.clock.monotonicMs() - this.#heardAtMs > silenceMs;
  }

  #say(kind: 'ping' | 'move'): void {
    this.#bundler?.add(encodeFrame({ ...blankHeader, kind, client: this.#deps.clientId }, nothing));
  }
}

const nothing = new Uint8Array(0);
