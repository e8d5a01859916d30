import { type ClientId, type GroupId, mainGroup, type NodeId, nodeId } from '../../src/base/ids.ts';
import type { ClientLink, Permission } from '../../src/mesh/types.ts';
import type { GroupHandle, ProposeResult } from '../../src/node/types.ts';
import type { Logger } from '../../src/ports/logger.ts';
import type { ClosedBy } from '../../src/ports/transport.ts';
import type { Lease, LogEntry, RaftView } from '../../src/raft/types.ts';
import { QueueMachine } from '../../src/service/queue-machine.ts';
import { ServiceHub } from '../../src/service/service-hub.ts';
import type { ClientChannel } from '../../src/wire/client-channel.ts';
import { TestClock } from './test-clock.ts';

/** What a leader does with the next proposals. */
export type Fate =
  /** Committed everywhere and answered. */
  | 'commit'
  /** Committed everywhere; the leader is lost before it answers. */
  | 'commitAndLose'
  /** The leader is lost and the entry with it. */
  | 'lose'
  | 'busy'
  | 'logFull'
  /** Neither committed nor answered. */
  | 'stall';

/** How long things take; all within the 20 ms that a test waits. */
const clientHopMs = 0.2;
const nodeHopMs = 0.5;
const commitMs = 1;

interface Proposal {
  readonly command: Uint8Array;
  readonly done: (result: ProposeResult) => void;
}

/** A group with one shared log: what a real one promises, without elections or disks. */
class TestGroup implements GroupHandle {
  readonly id: GroupId = mainGroup;
  readonly nodeId: NodeId;
  readonly machine: QueueMachine = new QueueMachine();
  readonly #cluster: TestCluster;
  readonly #viewListeners = new Set<(view: RaftView) => void>();
  readonly #appliedListeners = new Set<(entry: LogEntry) => void>();
  #applied = { index: 0, term: 0, stampMs: 0 };
  #proposals: Proposal[] = [];

  constructor(cluster: TestCluster, id: NodeId) {
    this.#cluster = cluster;
    this.nodeId = id;
  }

  view(): RaftView {
    const { leader, term } = this.#cluster;
    const knows = leader !== undefined && this.#cluster.connected(this.nodeId, leader);
    return {
      role: leader === this.nodeId ? 'leader' : 'follower',
      term,
      leaderId: knows ? leader : undefined,
      commitIndex: this.#applied.index,
      lastLogIndex: this.#applied.index,
      lastLogTerm: this.#applied.term,
      membership: { voters: [], learners: [] },
      clusterId: undefined,
      awaitingAdmission: false,
      quorumContactMs: this.#cluster.clock.monotonicMs(),
      transferringTo: undefined,
      failed: undefined,
    };
  }

  lease(): Lease | undefined {
    return undefined;
  }

  applied(): { readonly index: number; readonly term: number; readonly stampMs: number } {
    return this.#applied;
  }

  propose(command: Uint8Array, done: (result: ProposeResult) => void): void {
    this.#cluster.proposalCount++;
    if (this.#proposals.push({ command, done }) === 1)
      this.#cluster.clock.after(commitMs, () => this.#append());
  }

  read(done: (result: 'ok' | 'notLeader' | 'busy' | 'closed') => void): void {
    this.#cluster.clock.after(commitMs, () =>
      done(this.#cluster.leader === this.nodeId ? 'ok' : 'notLeader'),
    );
  }

  onView(listener: (view: RaftView) => void): () => void {
    this.#viewListeners.add(listener);
    return () => this.#viewListeners.delete(listener);
  }

  onApplied(listener: (entry: LogEntry) => void): () => void {
    this.#appliedListeners.add(listener);
    return () => this.#appliedListeners.delete(listener);
  }

  viewChanged(): void {
    for (const listener of this.#viewListeners) listener(this.view());
  }

  apply(entry: LogEntry, commands: readonly Uint8Array[]): readonly Uint8Array[] {
    const results = this.machine.apply(entry, commands);
    this.#applied = entry;
    for (const listener of this.#appliedListeners) listener(entry);
    return results;
  }

  #append(): void {
    const proposals = this.#proposals;
    this.#proposals = [];
    const answer = (result: ProposeResult): void => {
      for (const { done } of proposals) done(result);
    };
    if (this.#cluster.leader !== this.nodeId) {
      answer({ type: 'refused', why: 'notLeader' });
      return;
    }
    const { fate } = this.#cluster;
    if (fate === 'busy' || fate === 'logFull') answer({ type: 'refused', why: fate });
    else if (fate === 'stall') return;
    else if (fate === 'commit') {
      const commands = proposals.map(({ command }) => command);
      const { index, results } = this.#cluster.commit(this, commands);
      proposals.forEach(({ done }, place) => {
        done({ type: 'applied', index, result: results[place] ?? new Uint8Array(0) });
      });
    } else {
      if (fate === 'commitAndLose')
        this.#cluster.commit(
          this,
          proposals.map(({ command }) => command),
        );
      this.#cluster.fate = 'commit';
      this.#cluster.lead(undefined);
      answer({ type: 'unknown' });
    }
  }
}

export interface TestNode {
  readonly id: NodeId;
  readonly group: TestGroup;
  readonly service: ServiceHub;
}

/** One end of a test socket, with the power to break it. */
export interface TestSocket {
  readonly node: NodeId;
  readonly client: ClientId;
  readonly channel: ClientChannel;
  readonly link: ClientLink;
  /** Nothing of the client reaches the node any more, not even that it closed. */
  frozen: boolean;
  /** Nothing of the node reaches the client any more. */
  mute: boolean;
  closedWith: number | undefined;
  /** Breaks the socket: how the node sees it. */
  cut(byForNode: ClosedBy): void;
}

export const everything: ReadonlySet<Permission> = new Set(['put', 'get', 'take', 'admin']);

/** Services of several nodes over one log, in one turn-by-turn world. */
export class TestCluster {
  readonly clock: TestClock = new TestClock();
  readonly nodes: ReadonlyMap<NodeId, TestNode>;
  readonly sockets: TestSocket[] = [];
  /** How far log time is ahead of the wall clock that all here share. */
  stampAheadMs = 0;
  readonly log: LogEntry[] = [];
  readonly warnings: string[] = [];
  /** Every frame that left a node for another. */
  readonly frames: { readonly from: NodeId; readonly to: NodeId; readonly frame: Buffer }[] = [];
  /** Ways (`a/b`) that have no room for another frame. */
  readonly full: Set<string> = new Set();
  fate: Fate = 'commit';
  leader: NodeId | undefined;
  term = 0;
  proposalCount = 0;
  readonly #cuts = new Set<string>();

  constructor(ids: readonly string[] = ['a', 'b', 'c']) {
    const note = (data: object, message: string): void => {
      this.warnings.push(`${message} ${JSON.stringify(data)}`);
    };
    const logger: Logger = { debug: () => {}, info: () => {}, warn: note, error: note };
    this.nodes = new Map(
      ids.map((text) => {
        const id = nodeId(text);
        const group = new TestGroup(this, id);
        const sendToNode = (to: NodeId, frame: Uint8Array): boolean => this.#send(id, to, frame);
        const service = new ServiceHub({
          groups: [{ handle: group, machine: group.machine }],
          sendToNode,
          clock: this.clock,
          logger,
        });
        return [id, { id, group, service }];
      }),
    );
  }

  node(id: string): TestNode {
    const node = this.nodes.get(nodeId(id));
    if (node === undefined) throw new Error(`no node ${id}`);
    return node;
  }

  /** Somebody leads from now on, in a new term; or nobody does. */
  lead(id: string | undefined): void {
    this.leader = id === undefined ? undefined : nodeId(id);
    if (id !== undefined) this.term++;
    for (const node of this.nodes.values()) node.group.viewChanged();
    if (id !== undefined) this.commit(this.node(id).group, []);
  }

  /** Cuts or heals the way between two nodes. */
  cut(a: string, b: string, isCut = true): void {
    for (const pair of [`${a}/${b}`, `${b}/${a}`]) isCut ? this.#cuts.add(pair) : this.#cuts.delete(pair);
    for (const [here, there] of [
      [a, b],
      [b, a],
    ] as const) {
      const { service, group } = this.node(here);
      if (isCut) service.peerClosed(nodeId(there));
      else service.peerUp(nodeId(there));
      group.viewChanged();
    }
  }

  connected(a: NodeId, b: NodeId): boolean {
    return a === b || !this.#cuts.has(`${a}/${b}`);
  }

  /** Appends one entry and applies it everywhere. */
  commit(
    leader: TestGroup,
    commands: readonly Uint8Array[],
  ): { readonly index: number; readonly results: readonly Uint8Array[] } {
    const stampMs = Math.max(this.clock.wallMs() + this.stampAheadMs, this.log.at(-1)?.stampMs ?? 0);
    const kind = commands.length === 0 ? 'noop' : 'commands';
    const entry: LogEntry = {
      index: this.log.length + 1,
      term: this.term,
      kind,
      stampMs,
      data: new Uint8Array(0),
    };
    this.log.push(entry);
    let results: readonly Uint8Array[] = [];
    for (const { group } of this.nodes.values()) {
      const own = group.apply(entry, commands);
      if (group === leader) results = own;
    }
    return { index: entry.index, results };
  }

  /** Opens a socket of a client to a node. */
  dial(id: string, client: ClientId, may: ReadonlySet<Permission> = everything): TestSocket {
    const { service } = this.node(id);
    const clock = this.clock;
    // What was sent before the close arrives before it.
    const open = { node: true, client: true };
    const end = (byForNode: ClosedBy, byForClient: ClosedBy): void => {
      clock.after(clientHopMs, () => {
        if (open.node && !socket.frozen) link.onClose?.(byForNode);
        if (open.client) channel.onClose?.(byForClient);
        open.node &&= socket.frozen;
        open.client = false;
      });
    };
    const link: ClientLink = {
      account: 'test',
      name: 'test',
      may,
      clientId: client,
      router: false,
      remoteAddress: 'test',
      send: (message) =>
        void clock.after(clientHopMs, () =>
          open.client && !socket.mute ? channel.onFrame?.(message) : undefined,
        ),
      queuedBytes: () => 0,
      pause: () => {},
      close: (reason) => {
        socket.closedWith = reason?.code;
        end('local', 'remote');
      },
      onFrame: undefined,
      onClose: undefined,
    };
    const channel: ClientChannel = {
      send: (message) =>
        void clock.after(clientHopMs, () =>
          open.node && !socket.frozen ? link.onFrame?.(message) : undefined,
        ),
      queuedBytes: () => 0,
      close: () => end('remote', 'local'),
      onFrame: undefined,
      onClose: undefined,
    };
    const node = nodeId(id);
    const cut = (byForNode: ClosedBy): void => end(byForNode, 'timeout');
    const socket: TestSocket = {
      node,
      client,
      channel,
      link,
      frozen: false,
      mute: false,
      closedWith: undefined,
      cut,
    };
    this.sockets.push(socket);
    service.clientUp(link);
    return socket;
  }

  #send(from: NodeId, to: NodeId, frame: Uint8Array): boolean {
    if (!this.connected(from, to) || this.full.has(`${from}/${to}`)) return false;
    const copy = Buffer.from(frame);
    this.frames.push({ from, to, frame: copy });
    this.clock.after(nodeHopMs, () => {
      if (this.connected(from, to)) this.node(to).service.fromNode(from, copy);
    });
    return true;
  }
}
