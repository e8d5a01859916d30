import { mainGroup, type NodeId, nodeId } from '../base/ids.ts';
import type { Node } from '../node/node.ts';
import type { Logger } from '../ports/logger.ts';
import type { Storage } from '../ports/storage.ts';
import type { Transport } from '../ports/transport.ts';
import type { Prng } from './prng.ts';
import { SimulatedDisk, SimulatedStorage } from './simulated-disk.ts';
import type { SimulatedNetwork } from './simulated-network.ts';
import { SimulatedHost, type SimulatedProcess } from './simulated-process.ts';
import type { World } from './world.ts';

/** Everything one process of a node gets from its world. */
export interface NodePorts {
  readonly id: NodeId;
  readonly peers: ReadonlyMap<NodeId, string>;
  readonly process: SimulatedProcess;
  readonly transport: Transport;
  readonly storage: Storage;
  readonly logger: Logger;
}

/** Puts a real node together over simulated ports and starts it; tells of the node as soon as it is there. */
export type AssembleNode<N extends Node> = (ports: NodePorts, onBuilt: (node: N) => void) => Promise<void>;

/** What watches the cluster from outside. */
export interface ClusterObserver<N extends Node> {
  /** A node's process has been put together and runs. */
  onStarted(name: string, process: SimulatedProcess, node: N): void;
  /** Code of the library threw where nothing may throw, or a node could not start. */
  onCrash(name: string, error: unknown): void;
}

/** One machine with a node on it. */
export class SimulatedMember<N extends Node = Node> {
  readonly name: string;
  readonly address: string;
  readonly host: SimulatedHost;
  readonly disk: SimulatedDisk;
  /** The node while its process runs. */
  node: N | undefined;

  constructor(name: string, host: SimulatedHost, disk: SimulatedDisk) {
    this.name = name;
    this.address = addressOf(name);
    this.host = host;
    this.disk = disk;
  }

  get isUp(): boolean {
    return this.host.process !== undefined;
  }

  /** True while this node says that it leads. */
  get leads(): boolean {
    return this.leadsGroup(mainGroup);
  }

  /** True while this node says that it leads the group. */
  leadsGroup(group: string): boolean {
    return this.isUp && this.node?.group(group).view().role === 'leader';
  }

  /** True once entry 1 is on this disk. */
  get isBootstrapped(): boolean {
    return this.disk.group(mainGroup).entries.length > 0;
  }
}

/** The machines, disks and wires of one cluster, and the life of its processes. */
export class SimulatedCluster<N extends Node = Node> {
  readonly world: World;
  readonly network: SimulatedNetwork;
  readonly members: readonly SimulatedMember<N>[];
  readonly #random: Prng;
  readonly #assemble: AssembleNode<N>;
  readonly #observer: ClusterObserver<N>;

  constructor(options: {
    readonly world: World;
    readonly network: SimulatedNetwork;
    readonly size: number;
    /** Follows the letter of each node, where a world has several clusters. */
    readonly suffix?: string | undefined;
    readonly assemble: AssembleNode<N>;
    readonly observer: ClusterObserver<N>;
  }) {
    this.world = options.world;
    this.network = options.network;
    const { suffix = '' } = options;
    this.#random = options.world.random.fork(`cluster${suffix}`);
    this.#assemble = options.assemble;
    this.#observer = options.observer;
    this.members = Array.from({ length: options.size }, (_, place) =>
      this.#machine(`${nodeName(place)}${suffix}`),
    );
    this.network.addSilence((host) =>
      this.members.some((member) => member.name === host && !member.host.isUp),
    );
  }

  get names(): readonly string[] {
    return this.members.map((member) => member.name);
  }

  member(name: string): SimulatedMember<N> {
    const found = this.members.find((member) => member.name === name);
    if (found === undefined) throw new RangeError(`this cluster has no member ${name}`);
    return found;
  }

  /** The node with the highest term that says it leads. */
  leader(group: string = mainGroup): SimulatedMember<N> | undefined {
    let best: SimulatedMember<N> | undefined;
    for (const member of this.members) {
      if (!member.leadsGroup(group)) continue;
      if (best === undefined || termOf(member, group) > termOf(best, group)) best = member;
    }
    return best;
  }

  /** Starts the node's process; resolves when it listens. A node that runs is left alone. */
  async start(name: string): Promise<void> {
    const member = this.member(name);
    if (member.isUp) return;
    const process = member.host.boot(this.#random.fork(`${name} boots`), (error) =>
      this.#crashed(member, error),
    );
    this.world.note(`${name} starts (process ${process.life})`);
    const peers = new Map(this.members.map((peer) => [nodeId(peer.name), peer.address]));
    const storage = new SimulatedStorage(member.disk, process);
    const transport = this.network.transport(process, member.address);
    const logger = traceLogger(this.world, name);
    const onBuilt = (node: N): void => {
      if (!process.isAlive) return;
      member.node = node;
      this.#observer.onStarted(name, process, node);
    };
    try {
      await this.#assemble({ id: nodeId(name), peers, process, transport, storage, logger }, onBuilt);
    } catch (error) {
      if (process.isAlive) this.#crashed(member, error);
    }
  }

  /** SIGKILL: the process is gone, its kernel closes its connections. */
  kill(name: string): void {
    this.world.note(`${name} is killed`);
    this.#end(this.member(name));
  }

  /** The machine loses power: its connections say nothing. */
  powerOff(name: string): void {
    const member = this.member(name);
    this.world.note(`${name} loses power`);
    member.host.isUp = false;
    this.#end(member);
  }

  #end(member: SimulatedMember<N>): void {
    member.node = undefined;
    member.host.wake();
    member.host.process?.die();
  }

  #crashed(member: SimulatedMember<N>, error: unknown): void {
    this.world.note(`${member.name} crashes: ${error instanceof Error ? error.stack : String(error)}`);
    this.#end(member);
    this.#observer.onCrash(member.name, error);
  }

  #machine(name: string): SimulatedMember<N> {
    const host = new SimulatedHost(this.world, name, this.#random.fork(`${name} host`));
    return new SimulatedMember(name, host, new SimulatedDisk(name, this.#random.fork(`${name} disk`)));
  }
}

export function addressOf(name: string): string {
  return `ws://${name}`;
}

/** `a`, `b`, `c`, ... */
export function nodeName(place: number): string {
  return String.fromCharCode('a'.charCodeAt(0) + place);
}

/** Where a node stands: the last index it applied and the state there. */
export function markOf(node: Node | undefined, name: string = mainGroup): string | undefined {
  const group = node?.group(name);
  return group === undefined ? undefined : `${group.applied().index} ${group.machine.digest()}`;
}

function termOf(member: SimulatedMember, group: string): number {
  return member.node?.group(group).view().term ?? 0;
}

/** What a process logs goes into the trace. */
export function traceLogger(world: World, name: string): Logger {
  const write =
    (level: string) =>
    (data: object, message: string): void => {
      const why = 'err' in data && data.err instanceof Error ? ` (${data.err.message})` : '';
      world.note(`${name} ${level}: ${message}${why}`);
    };
  return { debug: () => {}, info: write('info'), warn: write('warn'), error: write('error') };
}
