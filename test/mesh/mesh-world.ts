import { Buffer } from 'node:buffer';
import {
  bootId,
  type ClusterId,
  type GroupId,
  type Incarnation,
  incarnation,
  mainGroup,
  type NodeId,
  nodeId,
} from '../../src/base/ids.ts';
import type { ClientAccount } from '../../src/mesh/keyring.ts';
import { createMesh } from '../../src/mesh/mesh.ts';
import type {
  ClientLink,
  LocalGroup,
  LocalHello,
  Mesh,
  MeshPeer,
  MeshProblem,
} from '../../src/mesh/types.ts';
import type { Logger } from '../../src/ports/logger.ts';
import type { Transport } from '../../src/ports/transport.ts';
import type { Message } from '../../src/raft/types.ts';
import { MemoryNetwork } from '../../src/transport/memory/memory-network.ts';
import { SeededRandom, VirtualClock } from './virtual-clock.ts';

export const peerSecret = 'the secret of all members, 32 bytes or more';
export const clientSecret = 'the secret of the updater, 32 bytes or more';
export const updater: ClientAccount = { account: 'updater', secrets: [clientSecret], may: new Set(['take']) };

export const silentLogger: Logger = { debug() {}, info() {}, warn() {}, error() {} };

export const heartbeat = (round: number): Message => ({
  type: 'round',
  term: 1,
  round,
  leaseMs: 800,
  leaderCommit: 0,
});

export interface NodeSettings {
  readonly cluster?: string;
  readonly secrets?: readonly string[];
  readonly peers?: readonly string[];
  readonly addresses?: Readonly<Record<string, string>>;
  readonly incarnation?: Incarnation;
  readonly boot?: number;
  readonly local?: LocalHello;
  readonly members?: ReadonlyMap<NodeId, Incarnation>;
  readonly clients?: readonly ClientAccount[];
  readonly transport?: Transport;
}

/** A mesh and what it said. */
export class MeshNode {
  readonly id: NodeId;
  readonly mesh: Mesh;
  /** Events in order, as short words. */
  readonly events: string[] = [];
  readonly problems: MeshProblem[] = [];
  readonly messages: { group: GroupId; from: NodeId; message: Message }[] = [];
  readonly services: { from: NodeId; text: string }[] = [];
  readonly clients: ClientLink[] = [];
  readonly hellos: MeshPeer[] = [];

  constructor(id: NodeId, mesh: Mesh) {
    this.id = id;
    this.mesh = mesh;
  }

  start(): Promise<void> {
    return this.mesh.start({
      peerUp: (peer) => {
        this.hellos.push(peer);
        this.events.push(`up ${peer.id}`);
      },
      peerClosed: (peer) => this.events.push(`closed ${peer}`),
      peerGone: (peer) => this.events.push(`gone ${peer}`),
      message: (group, from, message) => this.messages.push({ group, from, message }),
      service: (from, frame) => this.services.push({ from, text: Buffer.from(frame).toString() }),
      clientUp: (link) => this.clients.push(link),
      problem: (problem) => this.problems.push(problem),
    });
  }

  connected(): readonly string[] {
    return this.mesh
      .peers()
      .filter((peer) => peer.connected)
      .map((peer) => peer.id);
  }

  kinds(): readonly string[] {
    return this.problems.map((problem) => problem.kind);
  }

  send(to: string, message: Message): void {
    this.mesh.send(mainGroup, nodeId(to), message);
    this.mesh.flush();
  }
}

/** Meshes over one memory network in virtual time. */
export class MeshWorld {
  readonly clock: VirtualClock = new VirtualClock();
  readonly network: MemoryNetwork;
  readonly random: SeededRandom;

  /** @param delayMsMax - deliveries take up to so long; each connection keeps its order. */
  constructor(seed = 1, delayMsMax = 0) {
    const random = new SeededRandom(seed);
    this.random = random;
    const delay = (callback: () => void) => this.clock.after(0.1 + random.next() * delayMsMax, callback);
    this.network = new MemoryNetwork({ soon: delay });
  }

  node(id: string, settings: NodeSettings = {}): MeshNode {
    const { peers = ['a', 'b', 'c'], boot = 1, addresses = {} } = settings;
    const mesh = createMesh({
      id: nodeId(id),
      cluster: settings.cluster ?? 'test',
      incarnation: settings.incarnation ?? lifeOf(id),
      bootId: bootId(`${hexOf(id)}${boot.toString(16).padStart(14, '0')}`),
      peers: new Map(peers.map((peer) => [nodeId(peer), addresses[peer] ?? `memory:${peer}`])),
      secrets: settings.secrets ?? [peerSecret],
      clients: settings.clients ?? [updater],
      heartbeatMs: 100,
      transport: settings.transport ?? this.network.transport(id),
      clock: this.clock,
      random: this.random,
      logger: silentLogger,
    });
    const { local = { clusterId: undefined, groups: mainOnly(false), term: 0, leaderId: undefined } } =
      settings;
    mesh.setLocal(local);
    if (settings.members !== undefined) mesh.setMembers(settings.members);
    return new MeshNode(nodeId(id), mesh);
  }

  async start(...ids: readonly string[]): Promise<readonly MeshNode[]> {
    const nodes = ids.map((id) => this.node(id));
    for (const node of nodes) await node.start();
    await this.clock.until(() => nodes.every((node) => node.connected().length === nodes.length - 1));
    return nodes;
  }
}

export function lifeOf(id: string, disk = 1): Incarnation {
  return incarnation(`${hexOf(id)}${disk.toString(16).padStart(14, '0')}`);
}

/** What a node says of its groups that hosts `main` alone. */
export function mainOnly(recorded: boolean): ReadonlyMap<GroupId, LocalGroup> {
  return new Map([[mainGroup, { hosted: true, recorded, leaderId: undefined }]]);
}

export function knownCluster(clusterId: ClusterId, term = 1): LocalHello {
  return { clusterId, groups: mainOnly(true), term, leaderId: undefined };
}

function hexOf(id: string): string {
  return Buffer.from(id).toString('hex').slice(0, 2);
}
