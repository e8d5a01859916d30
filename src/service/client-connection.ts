import type { SessionId } from '../base/ids.ts';
import type { ClientLink } from '../mesh/types.ts';
import type { ClosedBy } from '../ports/transport.ts';
import { Bundler } from '../wire/client-bundle.ts';
import { blankHeader, type ClientHeader, encodeFrame, type FrameKind } from '../wire/client-header.ts';
import type { Answer } from './answers.ts';

/** Requests of one client under way before its link is read no further. */
const requestsMax = 2_048;
/** Sessions of one link; a client has one, and another after it was forgotten. */
export const sessionsPerLinkMax = 16;
/** Bytes a client has not taken before its link is read no further. */
const queuedBytesMax: number = 4 * 1024 * 1024;

/** One client's link as its gateway sees it: answers of a turn leave together, and a client that asks too much is not read. */
export class ClientConnection {
  readonly link: ClientLink;
  /** Bytes were read since the last renewal. */
  heard = false;
  /** Who closed the link; undefined while it is open. */
  closedBy: ClosedBy | undefined;
  /** The client said that it goes on elsewhere: its closing is no end of its session. */
  moving = false;
  /** Frames that were read and wait until the client takes its answers. */
  inbox: readonly Buffer[] = [];
  /** The sessions it asked to attach. */
  readonly sessions: Set<SessionId> = new Set();
  attachCount = 0;
  /** What the leader's path carries for this client. */
  readonly carried: Set<number> = new Set();
  /** Which of that are takes, by (stream, seq): they can be cancelled. */
  readonly takes: Map<string, number> = new Map();
  readonly #bundler: Bundler;
  #paused = false;

  constructor(link: ClientLink) {
    this.link = link;
    this.#bundler = new Bundler((message) => link.send(message));
  }

  answer(request: ClientHeader, answer: Answer): void {
    const { correlation, stream, seq } = request;
    this.#send(answer.kind, { correlation, stream, seq, settledUpTo: answer.index }, answer.body);
  }

  push(kind: FrameKind, body: Uint8Array): void {
    this.#send(kind, { correlation: 0, stream: 0, seq: 0, settledUpTo: 0 }, body);
  }

  /** Called when something was read or answered: too much under way stops the reading, enough of it done resumes it. */
  regulate(): void {
    const requests = this.carried.size + this.attachCount;
    const full = requests >= requestsMax || this.link.queuedBytes() > queuedBytesMax;
    const roomy = requests < requestsMax / 2 && this.link.queuedBytes() <= queuedBytesMax / 2;
    if (this.#paused ? !roomy : !full) return;
    this.#paused = !this.#paused;
    this.link.pause(this.#paused);
  }

  /** The client itself closed the link, and for good. */
  get gone(): boolean {
    return this.closedBy === 'remote' && !this.moving;
  }

  get paused(): boolean {
    return this.#paused;
  }

  #send(
    kind: FrameKind,
    ids: Pick<ClientHeader, 'correlation' | 'stream' | 'seq' | 'settledUpTo'>,
    body: Uint8Array,
  ): void {
    if (this.closedBy !== undefined) return;
    const { clientId: client } = this.link;
    this.#bundler.add(encodeFrame({ ...blankHeader, kind, hops: 0, client, ...ids }, body));
  }
}
