import { ProtocolError } from '../base/errors.ts';
import type { NodeId } from '../base/ids.ts';
import type { GroupHandle } from '../node/types.ts';
import type { Clock } from '../ports/clock.ts';
import type { LogEntry } from '../raft/types.ts';
import { type ClientHeader, encodeFrame, frameKinds } from '../wire/client-header.ts';
import type { Reply } from './answers.ts';
import type { ClientConnection } from './client-connection.ts';
import type { ClientLinks } from './client-links.ts';
import { Gateway } from './gateway.ts';
import { LeaderPath } from './leader-path.ts';
import { LeaderService } from './leader-service.ts';
import { LocalReads } from './local-reads.ts';
import type { QueueMachine } from './queue-machine.ts';
import { Replies } from './replies.ts';
import { RouterDesk } from './router-desk.ts';
import { RouterSessions } from './router-sessions.ts';

export interface QueueServiceDeps {
  readonly group: GroupHandle;
  readonly machine: QueueMachine;
  /** Queues a client frame for another node; false if there is no way to it now. */
  readonly sendToNode: (to: NodeId, frame: Uint8Array) => boolean;
  readonly links: ClientLinks;
  readonly clock: Clock;
}

/** The queue over one group of a node: gateway of the clients that connect here, desk of the routers, and server of all while this node leads. */
export class QueueService {
  readonly #deps: QueueServiceDeps;
  readonly #leader: LeaderService;
  readonly #path: LeaderPath;
  readonly #gateway: Gateway;
  readonly #routers: RouterDesk;
  readonly #reads: LocalReads;
  readonly #replies: Replies;
  readonly #unsubscribe: readonly (() => void)[];

  constructor(deps: QueueServiceDeps) {
    const { group, machine, links, clock } = deps;
    this.#deps = deps;
    this.#replies = new Replies(deps.sendToNode, clock);
    this.#leader = new LeaderService(group, machine, clock);
    this.#path = new LeaderPath(group, clock, (to, header, body) => this.#deliver(to, header, body));
    this.#reads = new LocalReads(group, machine, clock);
    this.#gateway = new Gateway(this.#path, this.#reads, links, clock);
    const sessions = new RouterSessions(group, this.#path, clock);
    this.#routers = new RouterDesk({
      group,
      machine,
      leader: this.#leader,
      reads: this.#reads,
      sessions,
      links,
    });
    this.#unsubscribe = [
      group.onView(() => this.#onView()),
      group.onApplied((entry) => this.#onApplied(entry)),
    ];
  }

  /** A link opened whose other end is to know who leads this group. */
  up(connection: ClientConnection): void {
    if (connection.link.router) this.#routers.up(connection);
    else this.#gateway.up(connection);
  }

  /** A link is over; one that never spoke to this group is none of its business. */
  closed(connection: ClientConnection): void {
    if (connection.link.router) this.#routers.closed(connection);
    else this.#gateway.closed(connection);
  }

  /** A frame of a client or a router, whose header was checked. */
  fromLink(connection: ClientConnection, header: ClientHeader, body: Uint8Array): void {
    if (connection.link.router) this.#routers.receive(connection, header, body);
    else this.#gateway.receive(connection, header, body);
  }

  /**
   * A frame of another node's service: a request that it passed on, or an answer to one of ours.
   *
   * @throws ProtocolError if it is neither.
   */
  fromNode(from: NodeId, header: ClientHeader, body: Uint8Array): void {
    if (isAnswer(header)) {
      this.#path.onAnswer(header.correlation, { kind: header.kind, index: header.settledUpTo, body });
      return;
    }
    if (!header.marked) throw new ProtocolError('client frame: passed on without a mark');
    this.#leader.receive(from, header, body, this.#replyTo(from, header));
  }

  peerUp(peer: NodeId): void {
    this.#path.peerUp(peer);
    this.#gateway.onView();
  }

  peerClosed(peer: NodeId): void {
    this.#replies.drop(peer);
    this.#path.peerClosed(peer);
    this.#gateway.onView();
  }

  close(): void {
    for (const unsubscribe of this.#unsubscribe) unsubscribe();
    this.#leader.close();
    this.#path.close();
    this.#gateway.close();
    this.#replies.close();
  }

  #replyTo(to: NodeId, request: ClientHeader): Reply {
    return ({ kind, index, body }) => {
      const header = { ...request, kind, marked: true, remainingMs: 0, waitMs: 0, settledUpTo: index };
      this.#replies.send(to, encodeFrame(header, body));
    };
  }

  #deliver(to: NodeId, header: ClientHeader, body: Uint8Array): boolean {
    const marked: ClientHeader = { ...header, marked: true, hops: header.hops - 1 };
    if (to !== this.#deps.group.nodeId) return this.#deps.sendToNode(to, encodeFrame(marked, body));
    const { correlation } = header;
    this.#leader.receive(to, marked, body, (answer) => this.#path.onAnswer(correlation, answer));
    return true;
  }

  #onView(): void {
    this.#leader.onView();
    this.#path.onView();
    this.#gateway.onView();
    this.#routers.onView();
  }

  #onApplied(entry: LogEntry): void {
    this.#reads.onApplied();
    this.#leader.onApplied(entry);
    this.#gateway.onApplied(entry.index, this.#deps.machine.events);
    this.#routers.onApplied(entry.index, this.#deps.machine.events);
  }
}

/** Frames that go towards a client, also on their way between nodes. */
function isAnswer(header: ClientHeader): boolean {
  const code = frameKinds[header.kind];
  return header.kind === 'notLeader' || (code >= frameKinds.result && code < frameKinds.leader);
}
