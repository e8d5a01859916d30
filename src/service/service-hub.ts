import { ClosedError, ProtocolError } from '../base/errors.ts';
import type { ClientId, GroupId, NodeId } from '../base/ids.ts';
import { createLocalLink } from '../mesh/local-link.ts';
import type { ClientLink } from '../mesh/types.ts';
import type { GroupHandle } from '../node/types.ts';
import type { Clock } from '../ports/clock.ts';
import type { Logger } from '../ports/logger.ts';
import type { ClientChannel } from '../wire/client-channel.ts';
import { bodyOf, type ClientHeader, decodeHeader } from '../wire/client-header.ts';
import { linkCodes } from '../wire/close-codes.ts';
import { groupCode } from '../wire/group-code.ts';
import { asBuffer } from '../wire/msgpack.ts';
import { type Answer, refusedAnswer } from './answers.ts';
import type { ClientConnection } from './client-connection.ts';
import { ClientLinks } from './client-links.ts';
import { checkFrame, hasAnswer } from './frame-checks.ts';
import type { QueueMachine } from './queue-machine.ts';
import { QueueService } from './queue-service.ts';

/** One group that this node hosts, and the queue that it replicates. */
export interface HostedGroup {
  readonly handle: GroupHandle;
  readonly machine: QueueMachine;
}

export interface ServiceHubDeps {
  /** At least one, `main` among them if the node hosts it; no two of one code. */
  readonly groups: readonly HostedGroup[];
  /** Queues a client frame for another node; false if there is no way to it now. */
  readonly sendToNode: (to: NodeId, frame: Uint8Array) => boolean;
  readonly clock: Clock;
  readonly logger: Logger;
}

/** The queues of a node: one service per group it hosts, and the links of clients, routers and nodes that speak to them. */
export class ServiceHub {
  readonly #links: ClientLinks;
  readonly #services = new Map<number, QueueService>();
  /** Whose leader plain clients are told. */
  readonly #main: QueueService;
  readonly #names: string;
  readonly #logger: Logger;
  #closed = false;
  #malformedCount = 0;

  /** @throws Error when two groups have one code. */
  constructor(deps: ServiceHubDeps) {
    const { groups, sendToNode, clock, logger } = deps;
    this.#logger = logger;
    const events = {
      frame: (connection: ClientConnection, header: ClientHeader, body: Uint8Array) =>
        this.#fromLink(connection, header, body),
      closed: (connection: ClientConnection) => this.#onClosed(connection),
    };
    const links = new ClientLinks(events, clock, logger);
    this.#links = links;
    const names = new Map<number, GroupId>();
    for (const { handle, machine } of groups) {
      const code = groupCode(handle.id);
      const other = names.get(code);
      if (other !== undefined) throw new Error(`groups ${other} and ${handle.id} have the same code`);
      names.set(code, handle.id);
      this.#services.set(code, new QueueService({ group: handle, machine, sendToNode, links, clock }));
    }
    const [first] = this.#services.values();
    if (first === undefined) throw new Error('a node hosts at least one group');
    this.#main = this.#services.get(0) ?? first;
    this.#names = [...names.values()].join(', ');
  }

  /** Frames of other nodes that were no client frames, or of a group that is not here. */
  get malformedCount(): number {
    return this.#malformedCount;
  }

  /** An authenticated client connected. */
  clientUp(link: ClientLink): void {
    if (this.#closed) {
      link.close({ code: linkCodes.closing, text: 'the node closes' });
      return;
    }
    const connection = this.#links.up(link);
    if (!link.router) this.#main.up(connection);
    else for (const service of this.#services.values()) service.up(connection);
  }

  /** A client inside this process, which may do everything. */
  openLocal(client: ClientId): ClientChannel {
    if (this.#closed) throw new ClosedError('the node is closed');
    const { link, channel } = createLocalLink(client);
    this.clientUp(link);
    return channel;
  }

  /** A frame of another node's service: a request that it passed on, or an answer to one of ours. */
  fromNode(from: NodeId, frame: Uint8Array): void {
    if (this.#closed) return;
    try {
      const bytes = asBuffer(frame);
      const header = decodeHeader(bytes);
      const service = this.#services.get(header.group);
      if (service === undefined) throw new ProtocolError('client frame: of a group that is not here');
      service.fromNode(from, header, bodyOf(bytes));
    } catch (error) {
      if (!(error instanceof ProtocolError)) throw error;
      this.#malformedCount++;
      this.#logger.warn({ from, why: error.message }, 'a node sent a malformed client frame; it is dropped');
    }
  }

  peerUp(peer: NodeId): void {
    if (this.#closed) return;
    for (const service of this.#services.values()) service.peerUp(peer);
  }

  peerClosed(peer: NodeId): void {
    if (this.#closed) return;
    for (const service of this.#services.values()) service.peerClosed(peer);
  }

  /** Clients are told to look for another node. May be called twice. */
  close(): Promise<void> {
    if (!this.#closed) {
      this.#closed = true;
      for (const service of this.#services.values()) service.close();
      this.#links.close();
    }
    return Promise.resolve();
  }

  #fromLink(connection: ClientConnection, header: ClientHeader, body: Uint8Array): void {
    checkFrame(connection.link, header);
    if (header.kind === 'ping') connection.push('pong', new Uint8Array(0));
    else if (header.kind === 'move') connection.moving = true;
    else {
      const service = this.#services.get(header.group);
      if (service !== undefined) service.fromLink(connection, header, body);
      else if (hasAnswer(header.kind)) connection.answer(header, this.#unknownGroup(header.group));
    }
  }

  #unknownGroup(code: number): Answer {
    return refusedAnswer('UNKNOWN_GROUP', `this node hosts no group of code ${code}, but ${this.#names}`);
  }

  #onClosed(connection: ClientConnection): void {
    for (const service of this.#services.values()) service.closed(connection);
  }
}
