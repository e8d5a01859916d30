import type { IncomingMessage } from 'node:http';
import type { Duplex } from 'node:stream';
import { InvalidArgumentError, InvalidOptionError } from '../base/errors.ts';
import { bootId, clusterId, type GroupId, incarnation, mainGroup, type NodeId } from '../base/ids.ts';
import { createQueueClient } from '../client/create-client.ts';
import type { OpenEscrow } from '../client/escrows.ts';
import type { Codec, Queue, QueueClient } from '../client/types.ts';
import type { ClientAccount } from '../mesh/keyring.ts';
import { createMesh } from '../mesh/mesh.ts';
import { foundersOf } from '../node/founders.ts';
import { rankOffsetOf } from '../node/group-names.ts';
import { Node, type NodeOptions } from '../node/node.ts';
import { readLog } from '../node/read-log.ts';
import type { Clock } from '../ports/clock.ts';
import type { Logger } from '../ports/logger.ts';
import type { Random } from '../ports/random.ts';
import type { LoadedStorage, Storage } from '../ports/storage.ts';
import type { Transport } from '../ports/transport.ts';
import { Raft, type RaftOptions, type RaftOptionsInput, resolveRaftOptions } from '../raft/index.ts';
import type { DurableState } from '../raft/types.ts';
import { groupHellosMax } from '../wire/limits.ts';
import { QueueMachine } from './queue-machine.ts';
import { ServiceHub } from './service-hub.ts';

/** The numbers of design section 3; those left out have their defaults. */
export type NodeNumbers = Pick<
  RaftOptionsInput,
  | 'heartbeatMs'
  | 'electionTimeoutMinMs'
  | 'electionTimeoutMaxMs'
  | 'leaseMs'
  | 'driftBound'
  | 'rankStepMs'
  | 'logBytesMax'
>;

/** Who a node is and whom it talks to; validated. */
export interface NodeConfig {
  readonly id: NodeId;
  readonly cluster: string;
  /** The address book, this node included. */
  readonly peers: ReadonlyMap<NodeId, string>;
  /** `main` first, each once; `main` alone unless given. See `groupsOf`. */
  readonly groups?: readonly GroupId[] | undefined;
  readonly secrets: readonly string[];
  readonly clients: readonly ClientAccount[];
  readonly numbers: NodeNumbers;
}

/** Offers an upgrade request of the application's own server; false when it is not for raftsman. */
export type HandleUpgrade = (request: IncomingMessage, socket: Duplex, head: Buffer) => boolean;

/** The world outside. */
export interface NodePorts {
  readonly transport: Transport;
  readonly storage: Storage;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  /** Given by transports that take sockets of the application's server. */
  readonly handleUpgrade?: HandleUpgrade | undefined;
  /** Where `node.queue(...).work` keeps the answers of providers; without it they die with the process. */
  readonly openEscrow?: OpenEscrow | undefined;
}

/** A running node with everything that stands on it. `startNode` makes one. */
export class RaftsmanNode extends Node {
  readonly #handleUpgrade: HandleUpgrade | undefined;
  readonly #client: () => QueueClient;

  constructor(options: NodeOptions, client: () => QueueClient, handleUpgrade: HandleUpgrade | undefined) {
    super(options);
    this.#client = client;
    this.#handleUpgrade = handleUpgrade;
  }

  /** A queue of the cluster, as `connect` gives it, without a socket. It ends with the node. */
  queue(name: string): Queue<Uint8Array>;
  queue<T>(name: string, options: { readonly codec: Codec<T> }): Queue<T>;
  queue<T>(name: string, options?: { readonly codec: Codec<T> }): Queue<T> | Queue<Uint8Array> {
    return options === undefined ? this.#client().queue(name) : this.#client().queue(name, options);
  }

  /**
   * For `listen: false`: call it from your server's `upgrade` event.
   *
   * @returns false if the request is not for raftsman; the socket is then untouched.
   * @throws InvalidArgumentError when the node was started with a transport of another kind.
   */
  handleUpgrade(request: IncomingMessage, socket: Duplex, head: Buffer): boolean {
    if (this.#handleUpgrade === undefined) {
      throw new InvalidArgumentError('the transport of this node takes no sockets of a server');
    }
    return this.#handleUpgrade(request, socket, head);
  }
}

export interface AssembledNode {
  readonly node: RaftsmanNode;
  readonly service: ServiceHub;
  /** Of `main`. */
  readonly machine: QueueMachine;
  /** One per group. */
  readonly machines: ReadonlyMap<GroupId, QueueMachine>;
}

/**
 * Builds and starts one node over the given ports: the same for production, simulation and `localCluster`. Resolves when the
 * disk is read and the transport listens.
 *
 * @throws what `Storage.load` and `Transport.listen` throw; nothing stays open then.
 */
export async function assembleNode(config: NodeConfig, ports: NodePorts): Promise<AssembledNode> {
  const { storage, random } = ports;
  const newIncarnation = incarnation(hex(random.bytes(8)));
  const loaded = await storage.load({ nodeId: config.id, cluster: config.cluster, newIncarnation });
  try {
    const assembled = await build(config, ports, loaded);
    try {
      await assembled.node.start();
    } catch (error) {
      await assembled.node.close();
      throw error;
    }
    return assembled;
  } catch (error) {
    await storage.close();
    throw error;
  }
}

async function build(config: NodeConfig, ports: NodePorts, loaded: LoadedStorage): Promise<AssembledNode> {
  const { clock, random, logger } = ports;
  const { id, cluster, peers, groups: ids = [mainGroup] } = config;
  const recorded = new Set(loaded.groups.map(({ group }) => group));
  checkGroupCount(new Set([...ids, ...recorded]).size);
  const durables = new Map<GroupId, DurableState>();
  for (const group of ids) durables.set(group, await readLog(ports.storage, loaded, group));
  const configured = [...peers.keys()];
  const options = raftOptions(config, ports, loaded, mainGroup, configured);
  const founders = foundersOf(durables.get(mainGroup) ?? noRecord, configured, id);
  const machines = new Map(ids.map((group) => [group, new QueueMachine()]));
  const now = { monotonicMs: clock.monotonicMs(), wallMs: clock.wallMs() };
  const groups = [...machines].map(([group, machine]) => {
    const members = group === mainGroup ? configured : founders;
    const coreOptions = raftOptions(config, ports, loaded, group, members);
    return { id: group, core: new Raft(coreOptions, durables.get(group) ?? noRecord, now), machine };
  });
  const machine = machines.get(mainGroup);
  if (machine === undefined) throw new InvalidArgumentError(`a node hosts the group ${mainGroup}`);
  const { incarnation: disk } = loaded.identity;
  const { heartbeatMs } = options;
  const mesh = createMesh({
    ...config,
    ...ports,
    incarnation: disk,
    bootId: bootId(hex(random.bytes(8))),
    heartbeatMs,
  });
  const nodeOptions: NodeOptions = {
    ...ports,
    id,
    cluster,
    peers: configured,
    heartbeatMs,
    electionTimeoutMs: options.electionTimeoutMinMs,
    leaseMs: options.leaseMs,
    recorded,
    groups,
    mesh,
    beforeClose: async () => {
      await client?.close();
      await service.close();
    },
    edges: {
      service: (from, frame) => service.fromNode(from, frame),
      clientUp: (link) => service.clientUp(link),
      peerUp: (peer) => service.peerUp(peer),
      peerClosed: (peer) => service.peerClosed(peer),
    },
  };
  // Made when it is first asked for: it has a session of its own.
  let client: QueueClient | undefined;
  const localClient = (): QueueClient => {
    client ??= createQueueClient({
      openChannel: async (options) => service.openLocal(options.client),
      clock,
      random,
      openEscrow: ports.openEscrow,
    });
    return client;
  };
  const node: RaftsmanNode = new RaftsmanNode(nodeOptions, localClient, ports.handleUpgrade);
  const service: ServiceHub = new ServiceHub({
    groups: node.groups().flatMap((handle) => {
      const machine = machines.get(handle.id);
      return machine === undefined ? [] : [{ handle, machine }];
    }),
    sendToNode: (to, frame) => node.sendService(to, frame),
    clock,
    logger,
  });
  if (loaded.tornBytes > 0) {
    logger.warn({ bytes: loaded.tornBytes }, 'cut the torn end of the log, as a crash leaves it');
  }
  return { node, service, machine, machines };
}

const noRecord: DurableState = { hardState: undefined, entries: [] };

/** The same for all groups but for the order of their candidates, and perhaps the first members. */
function raftOptions(
  { id, numbers, groups = [mainGroup] }: NodeConfig,
  { random }: NodePorts,
  loaded: LoadedStorage,
  group: GroupId,
  peers: readonly NodeId[],
): RaftOptions {
  return resolveRaftOptions({
    ...numbers,
    id,
    incarnation: loaded.identity.incarnation,
    peers,
    rankOffset: rankOffsetOf(group, groups),
    random: () => random.next(),
    mintClusterId: () => clusterId(hex(random.bytes(16))),
  });
}

/** A hello names them all. */
function checkGroupCount(count: number): void {
  if (count <= groupHellosMax) return;
  throw new InvalidOptionError(
    `groups and the records in the directory are of ${count} groups, and ${groupHellosMax} is the most: use another directory`,
  );
}

function hex(bytes: Uint8Array): string {
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('');
}
