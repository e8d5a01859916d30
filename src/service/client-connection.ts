import type { ClientId, NodeId } from '../base/ids.ts';
import { nodeId } from '../base/ids.ts';
import type { ClientLink } from '../mesh/types.ts';
import type { ClosedBy } from '../ports/transport.ts';
import { Bundler } from '../wire/client-bundle.ts';
import { blankHeader, type ClientHeader, encodeFrame, type FrameKind } from '../wire/client-header.ts';
import type { Answer } from './answers.ts';

/** What a link may have under way before it is read no further. */
export interface LinkBounds {
  readonly requests: number;
  /** Takes that wait for a task: they do not stop the reading, but there are no more than these. */
  readonly waits: number;
  readonly requestBytes: number;
  /** Bytes that the other end has not taken. */
  readonly queuedBytes: number;
}

const mib: number = 1024 * 1024;
export const oneClient: LinkBounds = {
  requests: 2_048,
  waits: 2_048,
  requestBytes: 64 * mib,
  queuedBytes: 4 * mib,
};
/** A link of a proxy carries the requests of all its clients; a router has at most 10,000 under way per shard. */
export const manyClients: LinkBounds = {
  requests: 16_384,
  waits: 32_768,
  requestBytes: 64 * mib,
  queuedBytes: 16 * mib,
};

/** Sessions of one link of one client; a client has one, and another after it was forgotten. */
export const sessionsPerLinkMax = 16;

/** What a push is about, beside its body. */
export interface PushAbout {
  readonly group?: number;
  /** The client concerned, if it is not the one at the end of the link. */
  readonly client?: ClientId;
  /** The log index that says so. */
  readonly index?: number;
}

/** A link as a node sees it: answers of a turn leave together, and who asks too much is not read. */
export class ClientConnection {
  readonly link: ClientLink;
  /** The name under which sessions are attached through this link, if it is a router's. */
  readonly routerName: NodeId;
  /** It may speak for other clients than itself. */
  readonly isProxy: boolean;
  /** Messages read so far: a gateway renews the sessions of links whose count rose. */
  heardCount = 0;
  /** Who closed the link; undefined while it is open. */
  closedBy: ClosedBy | undefined;
  /** The client said that it goes on elsewhere: its closing is no end of its session. */
  moving = false;
  /** Frames that were read and wait until the client takes its answers. */
  inbox: readonly Buffer[] = [];
  readonly #bundler: Bundler;
  readonly #bounds: LinkBounds;
  #requestCount = 0;
  #requestBytes = 0;
  #waitCount = 0;
  #paused = false;

  constructor(link: ClientLink) {
    this.link = link;
    this.routerName = nodeId(`r-${link.clientId}`);
    this.isProxy = link.router && link.may.has('proxy');
    this.#bounds = this.isProxy ? manyClients : oneClient;
    this.#bundler = new Bundler((message) => link.send(message));
  }

  /** A request of this link is under way. */
  opened(bytes: number): void {
    this.#requestCount++;
    this.#requestBytes += bytes;
  }

  /** A request that was under way is answered. */
  done(bytes: number): void {
    this.#requestCount--;
    this.#requestBytes -= bytes;
  }

  /** A take waits, and may for long: it is counted apart. @returns false when too many do. */
  waits(): boolean {
    if (this.#waitCount >= this.#bounds.waits) return false;
    this.#waitCount++;
    return true;
  }

  waitOver(): void {
    this.#waitCount--;
  }

  answer(request: ClientHeader, answer: Answer): void {
    this.#send(
      {
        kind: answer.kind,
        hops: 0,
        marked: false,
        any: false,
        group: request.group,
        bucket: 0,
        mapVersion: 0,
        correlation: request.correlation,
        remainingMs: 0,
        waitMs: 0,
        client: request.client,
        stream: request.stream,
        seq: request.seq,
        settledUpTo: answer.index,
      },
      answer.body,
    );
  }

  push(kind: FrameKind, body: Uint8Array, about: PushAbout = {}): void {
    const { group = 0, client = this.link.clientId, index = 0 } = about;
    this.#send({ ...blankHeader, kind, hops: 0, group, client, settledUpTo: index }, body);
  }

  /** Called when something was read or answered: too much under way stops the reading, enough of it done resumes it. */
  regulate(): void {
    if (this.#paused ? !this.#isBelow(0.5) : this.#isBelow(1)) return;
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

  #isBelow(share: number): boolean {
    const { requests, requestBytes, queuedBytes } = this.#bounds;
    return (
      this.#requestCount < requests * share &&
      this.#requestBytes <= requestBytes * share &&
      this.link.queuedBytes() <= queuedBytes * share
    );
  }

  #send(header: ClientHeader, body: Uint8Array): void {
    if (this.closedBy === undefined) this.#bundler.add(encodeFrame(header, body));
  }
}
