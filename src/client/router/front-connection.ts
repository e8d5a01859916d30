import type { Buffer } from 'node:buffer';
import type { SessionId } from '../../base/ids.ts';
import type { ClientLink } from '../../mesh/types.ts';
import type { ClosedBy } from '../../ports/transport.ts';
import { Bundler } from '../../wire/client-bundle.ts';
import { blankHeader, encodeFrame, type FrameKind } from '../../wire/client-header.ts';
import { linkCodes } from '../../wire/close-codes.ts';
import { clientBytesOf, correlationOf, waits } from './front-frame.ts';
import type { Origin } from './types.ts';

/** Requests of one client under way before its link is read no further. */
const requestsMax = 2_048;
/** Sessions of one link; a client has one, and another after it was forgotten. */
export const sessionsPerLinkMax = 16;
/** Bytes a client has not taken before its link is read no further. */
const queuedBytesMax: number = 4 * 1024 * 1024;

/** What is done with an answer; `attaching` is the session that it may tell of. */
export type OnAnswer = (connection: FrontConnection, frame: Buffer, attaching: SessionId | undefined) => void;

/** One client's link as its front sees it: answers of a turn leave together, and a client that asks too much is not read. */
export class FrontConnection implements Origin {
  readonly link: ClientLink;
  /** The client's id as it stands in frames. */
  readonly clientBytes: Buffer;
  /** When bytes were last read. */
  heardAtMs: number;
  /** Who closed the link; undefined while it is open. */
  closedBy: ClosedBy | undefined;
  /** The client said that it goes on elsewhere: its closing is no end of its session. */
  moving = false;
  /** Frames that were read and wait until the client takes its answers. */
  inbox: readonly Buffer[] = [];
  /** The sessions it asked to attach, at any shard. */
  readonly sessions: Set<SessionId> = new Set();
  readonly #onAnswer: OnAnswer;
  readonly #bundler: Bundler;
  /**
   * What is under way and may as well begin anew elsewhere, by the client's own numbers: takes that wait, and attaches with
   * their sessions.
   */
  readonly #movable = new Map<number, SessionId | undefined>();
  #underWay = 0;
  #paused = false;

  constructor(link: ClientLink, nowMs: number, onAnswer: OnAnswer) {
    this.link = link;
    this.clientBytes = clientBytesOf(link.clientId);
    this.heardAtMs = nowMs;
    this.#onAnswer = onAnswer;
    this.#bundler = new Bundler((message) => link.send(message));
  }

  /** A frame of the client's is on its way, and will be answered. @param attaching - the session, for an attach. */
  opened(frame: Buffer, attaching?: SessionId): void {
    this.#underWay++;
    if (attaching !== undefined || waits(frame)) this.#movable.set(correlationOf(frame), attaching);
  }

  /** The router's answer to one of them. */
  answer(frame: Buffer): void {
    this.#underWay--;
    let attaching: SessionId | undefined;
    if (this.#movable.size > 0) {
      const correlation = correlationOf(frame);
      attaching = this.#movable.get(correlation);
      this.#movable.delete(correlation);
    }
    this.#onAnswer(this, frame, attaching);
  }

  send(frame: Buffer): void {
    if (this.closedBy === undefined) this.#bundler.add(frame);
  }

  push(kind: FrameKind, body: Uint8Array): void {
    this.send(encodeFrame({ ...blankHeader, kind, hops: 0, client: this.link.clientId }, body));
  }

  /** Called when something was read or answered: too much under way stops the reading, enough of it done resumes it. */
  regulate(): void {
    const full = this.#underWay >= requestsMax || this.link.queuedBytes() > queuedBytesMax;
    const roomy = this.#underWay < requestsMax / 2 && this.link.queuedBytes() <= queuedBytesMax / 2;
    if (this.#paused ? !roomy : !full) return;
    this.#paused = !this.#paused;
    this.link.pause(this.#paused);
  }

  /** Nothing more is read; what is under way is still answered. */
  stopReading(): void {
    this.inbox = [];
    this.#paused = true;
    this.link.pause(true);
  }

  /** The client looks for another front, with its session. */
  sendAway(text: string): void {
    this.#bundler.flush();
    this.link.close({ code: linkCodes.closing, text });
  }

  /** The client itself closed the link, and for good. */
  get gone(): boolean {
    return this.closedBy === 'remote' && !this.moving;
  }

  get paused(): boolean {
    return this.#paused;
  }

  get underWay(): number {
    return this.#underWay;
  }

  /** Nothing is under way that cannot begin anew elsewhere. */
  get idle(): boolean {
    return this.#underWay <= this.#movable.size;
  }
}
