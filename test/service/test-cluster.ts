import { type ClientId, groupId, mainGroup, type NodeId, nodeId } from '../../src/base/ids.ts';
import type { ClientLink, Permission } from '../../src/mesh/types.ts';
import type { Logger } from '../../src/ports/logger.ts';
import type { ClosedBy } from '../../src/ports/transport.ts';
import { ServiceHub } from '../../src/service/service-hub.ts';
import type { ClientChannel } from '../../src/wire/client-channel.ts';
import { TestClock } from './test-clock.ts';
import { type Fate, TestGroup, TestLog } from './test-group.ts';

export type { Fate } from './test-group.ts';

/** How long things take; all within the 20 ms that a test waits. */
const clientHopMs = 0.2;
const nodeHopMs = 0.5;

export interface TestNode {
  readonly id: NodeId;
  /** Its part of `main`. */
  readonly group: TestGroup;
  readonly groups: readonly TestGroup[];
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
  readonly warnings: string[] = [];
  /** Every frame that left a node for another. */
  readonly frames: { readonly from: NodeId; readonly to: NodeId; readonly frame: Buffer }[] = [];
  /** Ways (`a/b`) that have no room for another frame. */
  readonly full: Set<string> = new Set();
  /** The log of `main`; the others by name. */
  readonly main: TestLog = new TestLog(mainGroup, this.clock);
  readonly logs: ReadonlyMap<string, TestLog>;
  readonly #cuts = new Set<string>();

  /** @param others - groups beside `main`, on every node. */
  constructor(ids: readonly string[] = ['a', 'b', 'c'], others: readonly string[] = []) {
    const logs = [this.main, ...others.map((name) => new TestLog(groupId(name), this.clock))];
    this.logs = new Map(logs.map((log) => [log.id, log]));
    const note = (data: object, message: string): void => {
      this.warnings.push(`${message} ${JSON.stringify(data)}`);
    };
    const logger: Logger = { debug: () => {}, info: () => {}, warn: note, error: note };
    this.nodes = new Map(
      ids.map((text) => {
        const id = nodeId(text);
        const connected = (a: NodeId, b: NodeId): boolean => this.connected(a, b);
        const group = new TestGroup(this.main, id, connected);
        const groups = [group, ...logs.slice(1).map((log) => new TestGroup(log, id, connected))];
        const sendToNode = (to: NodeId, frame: Uint8Array): boolean => this.#send(id, to, frame);
        const service = new ServiceHub({
          groups: groups.map((handle) => ({ handle, machine: handle.machine })),
          sendToNode,
          clock: this.clock,
          logger,
        });
        return [id, { id, group, groups, service }];
      }),
    );
  }

  node(id: string): TestNode {
    const node = this.nodes.get(nodeId(id));
    if (node === undefined) throw new Error(`no node ${id}`);
    return node;
  }

  /** Somebody leads `main` from now on, in a new term; or nobody does. */
  lead(id: string | undefined): void {
    this.main.lead(id);
  }

  get fate(): Fate {
    return this.main.fate;
  }

  set fate(fate: Fate) {
    this.main.fate = fate;
  }

  get proposalCount(): number {
    return this.main.proposalCount;
  }

  get leader(): NodeId | undefined {
    return this.main.leader;
  }

  set leader(id: NodeId | undefined) {
    this.main.leader = id;
  }

  set stampAheadMs(ms: number) {
    this.main.stampAheadMs = ms;
  }

  /** Cuts or heals the way between two nodes. */
  cut(a: string, b: string, isCut = true): void {
    for (const pair of [`${a}/${b}`, `${b}/${a}`]) isCut ? this.#cuts.add(pair) : this.#cuts.delete(pair);
    for (const [here, there] of [
      [a, b],
      [b, a],
    ] as const) {
      const { service, groups } = this.node(here);
      if (isCut) service.peerClosed(nodeId(there));
      else service.peerUp(nodeId(there));
      for (const group of groups) group.viewChanged();
    }
  }

  connected(a: NodeId, b: NodeId): boolean {
    return a === b || !this.#cuts.has(`${a}/${b}`);
  }

  /** Opens a socket of a client, or of a router, to a node. */
  dial(
    id: string,
    client: ClientId,
    may: ReadonlySet<Permission> = everything,
    router: boolean = false,
  ): TestSocket {
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
      router,
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
