import { ClosedError, ProtocolError } from '../base/errors.ts';
import type { ClientId, NodeId } from '../base/ids.ts';
import type { ClientLink } from '../mesh/types.ts';
import type { GroupHandle } from '../node/types.ts';
import type { Clock } from '../ports/clock.ts';
import type { Logger } from '../ports/logger.ts';
import type { LogEntry } from '../raft/types.ts';
import type { ClientChannel } from '../wire/client-channel.ts';
import { bodyOf, type ClientHeader, decodeHeader, encodeFrame, frameKinds } from '../wire/client-header.ts';
import { linkCodes } from '../wire/close-codes.ts';
import { asBuffer } from '../wire/msgpack.ts';
import type { Reply } from './answers.ts';
import { Gateway } from './gateway.ts';
import { LeaderPath } from './leader-path.ts';
import { LeaderService } from './leader-service.ts';
import { createLocalLink } from './local-link.ts';
import { LocalReads } from './local-reads.ts';
import type { QueueMachine } from './queue-machine.ts';
import { Replies } from './replies.ts';

export interface QueueServiceDeps {
  readonly group: GroupHandle;
  readonly machine: QueueMachine;
  /** Queues a client frame for another node; false if there is no way to it now. */
  readonly sendToNode: (to: NodeId, frame: Uint8Array) => boolean;
  readonly clock: Clock;
  readonly logger: Logger;
}

/** The queue over one group of a node: gateway of the clients that connect here, and server of all while this node leads. */
export class QueueService {
  readonly #deps: QueueServiceDeps;
  readonly #leader: LeaderService;
  readonly #path: LeaderPath;
  readonly #gateway: Gateway;
  readonly #reads: LocalReads;
  readonly #replies: Replies;
  readonly #unsubscribe: readonly (() => void)[];
  #closed = false;
  #malformedCount = 0;

  constructor(deps: QueueServiceDeps) {
    const { group, machine, clock, logger } = deps;
    this.#deps = deps;
    this.#replies = new Replies(deps.sendToNode, clock);
    this.#leader = new LeaderService(group, machine, clock);
    this.#path = new LeaderPath(group, clock, (to, header, body) => this.#deliver(to, header, body));
    this.#reads = new LocalReads(group, machine, clock);
    this.#gateway = new Gateway(this.#path, this.#reads, clock, logger);
    this.#unsubscribe = [
      group.onView(() => this.#onView()),
      group.onApplied((entry) => this.#onApplied(entry)),
    ];
  }

  /** Frames of other nodes that were no client frames. */
  get malformedCount(): number {
    return this.#malformedCount;
  }

  /** An authenticated client connected. */
  clientUp(link: ClientLink): void {
    if (this.#closed) link.close({ code: linkCodes.closing, text: 'the node closes' });
    else this.#gateway.clientUp(link);
  }

  /** A client inside this process, which may do everything. */
  openLocal(client: ClientId): ClientChannel {
    if (this.#closed) throw new ClosedError('the node is closed');
    const { link, channel } = createLocalLink(client);
    this.#gateway.clientUp(link);
    return channel;
  }

  /** A frame of another node's service: a request that it passed on, or an answer to one of ours. */
  fromNode(from: NodeId, frame: Uint8Array): void {
    if (this.#closed) return;
    try {
      this.#fromNode(from, asBuffer(frame));
    } catch (error) {
      if (!(error instanceof ProtocolError)) throw error;
      this.#malformedCount++;
      this.#deps.logger.warn(
        { from, why: error.message },
        'a node sent a malformed client frame; it is dropped',
      );
    }
  }

  peerUp(peer: NodeId): void {
    if (this.#closed) return;
    this.#path.peerUp(peer);
    this.#gateway.onView();
  }

  peerClosed(peer: NodeId): void {
    if (this.#closed) return;
    this.#replies.drop(peer);
    this.#path.peerClosed(peer);
    this.#gateway.onView();
  }

  /** Clients are told to look for another node. May be called twice. */
  close(): Promise<void> {
    if (!this.#closed) {
      this.#closed = true;
      for (const unsubscribe of this.#unsubscribe) unsubscribe();
      this.#leader.close();
      this.#path.close();
      this.#gateway.close();
      this.#replies.close();
    }
    return Promise.resolve();
  }

  #fromNode(from: NodeId, frame: Buffer): void {
    const header = decodeHeader(frame);
    const body = bodyOf(frame);
    if (isAnswer(header)) {
      this.#path.onAnswer(header.correlation, { kind: header.kind, index: header.settledUpTo, body });
      return;
    }
    if (!header.marked) throw new ProtocolError('client frame: passed on without a mark');
    this.#leader.receive(from, header, body, this.#replyTo(from, header));
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
  }

  #onApplied(entry: LogEntry): void {
    this.#reads.onApplied();
    this.#leader.onApplied(entry);
    this.#gateway.onApplied(entry.index, this.#deps.machine.events);
  }
}

/** Frames that go towards a client, also on their way between nodes. */
function isAnswer(header: ClientHeader): boolean {
  const code = frameKinds[header.kind];
  return header.kind === 'notLeader' || (code >= frameKinds.result && code < frameKinds.leader);
}
