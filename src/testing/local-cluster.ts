import { DeadlineExceededError, InvalidArgumentError } from '../base/errors.ts';
import { mainGroup } from '../base/ids.ts';
import { connectOver } from '../client/connect.ts';
import type { QueueClient } from '../client/types.ts';
import type { Permission } from '../mesh/types.ts';
import { groupsOf } from '../node/group-names.ts';
import type { Clock } from '../ports/clock.ts';
import { assembleNode, type NodeNumbers, type RaftsmanNode } from '../service/assemble-node.ts';
import { addressOf, SimulatedCluster } from '../simulation/simulated-cluster.ts';
import { SimulatedEscrow } from '../simulation/simulated-escrow.ts';
import { SimulatedNetwork } from '../simulation/simulated-network.ts';
import { SimulatedHost } from '../simulation/simulated-process.ts';
import { World } from '../simulation/world.ts';

/** Size and numbers of a cluster for tests. */
export interface LocalClusterOptions extends Omit<NodeNumbers, 'logBytesMax'> {
  /** How many nodes, 1 to 26 (3); they are called `a`, `b`, `c`, ... */
  readonly size?: number | undefined;
  /** Groups that all nodes host beside `main`; none unless given. */
  readonly groups?: readonly string[] | undefined;
  /** Delays and election timeouts are drawn from it: the same seed gives the same run. 1 unless given. */
  readonly seed?: number | undefined;
}

const sizeMax = 26;
/** What `leader`, `restart` and `until` wait for at most, in virtual ms. */
const patienceMs = 60_000;
const allPermissions: readonly Permission[] = ['put', 'get', 'take', 'admin'];
const secrets = {
  peers: 'the members of a local cluster share it',
  clients: 'the clients of a local cluster share it',
};

/**
 * A cluster inside this process for tests of your own service: real nodes over a network and disks in memory, under virtual time.
 * Time passes only in `advance`, `until`, `leader` and `restart`, as fast as the processor allows; everything else happens at one moment.
 */
export async function localCluster(options: LocalClusterOptions = {}): Promise<LocalCluster> {
  const { size = 3 } = options;
  if (!(Number.isInteger(size) && size >= 1 && size <= sizeMax)) {
    throw new InvalidArgumentError(`size must be a whole number from 1 to ${sizeMax}, got ${size}`);
  }
  const cluster = new LocalCluster(options);
  for (const id of cluster.ids) await cluster.restart(id);
  return cluster;
}

/** Made by `localCluster`. One call that lets time pass at a time. */
export class LocalCluster implements AsyncDisposable {
  /** Virtual time, for services that take a clock; `after` calls back while time passes. */
  readonly clock: Clock;
  readonly #world: World;
  readonly #network: SimulatedNetwork;
  readonly #cluster: SimulatedCluster<RaftsmanNode>;
  readonly #tester: SimulatedHost;
  readonly #clients = new Set<QueueClient>();
  readonly #escrows = new Map<string, SimulatedEscrow>();
  #clientCount = 0;
  #crash: { readonly error: unknown } | undefined;
  #isClosed = false;

  constructor({ size = 3, seed = 1, groups: named, ...numbers }: LocalClusterOptions) {
    const groups = groupsOf(named);
    this.#world = new World(seed);
    this.#network = new SimulatedNetwork(this.#world, this.#world.random.fork('network'));
    this.#tester = new SimulatedHost(this.#world, 'tester', this.#world.random.fork('tester'));
    const process = this.#tester.boot(this.#world.random.fork('process'), (error) => this.#crashed(error));
    this.clock = process;
    this.#cluster = new SimulatedCluster<RaftsmanNode>({
      world: this.#world,
      network: this.#network,
      size,
      assemble: async ({ id, peers, process, transport, storage, logger }, onBuilt) => {
        const clients = [{ account: 'test', secrets: [secrets.clients], may: new Set(allPermissions) }];
        const config = { id, cluster: 'local', peers, groups, secrets: [secrets.peers], clients, numbers };
        const openEscrow = (workerId: string) =>
          Promise.resolve(this.#escrow(`${id}/${workerId}`).open(process));
        const ports = { transport, storage, clock: process, random: process.random, logger, openEscrow };
        onBuilt((await assembleNode(config, ports)).node);
      },
      observer: { onStarted: () => {}, onCrash: (_, error) => this.#crashed(error) },
    });
  }

  /** All ids, of nodes that run and of those that were killed. */
  get ids(): readonly string[] {
    return this.#cluster.names;
  }

  /** The nodes that run. A node that was restarted is another object. */
  get nodes(): readonly RaftsmanNode[] {
    return this.#cluster.members.flatMap(({ node }) => node ?? []);
  }

  /** Virtual ms since the cluster was made. */
  get nowMs(): number {
    return this.#world.nowMs();
  }

  /** @throws InvalidArgumentError when it does not run. */
  node(id: string): RaftsmanNode {
    const { node } = this.#member(id);
    if (node === undefined) throw new InvalidArgumentError(`node ${id} does not run: restart it first`);
    return node;
  }

  /** Lets time pass until a majority follows one leader, of `main` unless another group is named. @throws DeadlineExceededError after a minute of virtual time. */
  leader(group: string = mainGroup): Promise<RaftsmanNode> {
    return this.until(() => this.#agreedLeader(group));
  }

  /** The process of the node is gone, as by SIGKILL: what its disk had not synced is lost, its connections end. */
  kill(id: string): void {
    this.#member(id);
    this.#cluster.kill(id);
  }

  /** Starts a node that was killed, with what its disk has. Resolves when it listens. */
  async restart(id: string): Promise<RaftsmanNode> {
    const member = this.#member(id);
    if (member.isUp) throw new InvalidArgumentError(`node ${id} runs: kill it first`);
    await this.until(this.#cluster.start(id));
    return this.node(id);
  }

  /** Nothing passes between these nodes until `heal`: one id or several on each side. */
  partition(a: string | readonly string[], b: string | readonly string[]): void {
    for (const one of [a].flat()) {
      for (const other of [b].flat()) {
        this.#network.block(this.#member(one).name, this.#member(other).name);
        this.#network.block(other, one);
      }
    }
  }

  /** Ends all partitions. */
  heal(): void {
    this.#network.healAll();
  }

  /** Lets virtual time pass. */
  async advance(ms: number): Promise<void> {
    if (!(ms >= 0 && ms < Number.POSITIVE_INFINITY))
      throw new InvalidArgumentError(`ms must be 0 or more, got ${ms}`);
    await this.#world.run(this.#world.nowMs() + ms);
    this.#throwCrash();
  }

  /**
   * Lets time pass until the promise settles, or until the function gives something else than undefined or false.
   *
   * @throws what the promise rejects with; DeadlineExceededError after `withinMs` of virtual time, a minute unless given.
   */
  async until<T>(
    awaited: Promise<T> | (() => T | undefined | false),
    withinMs: number = patienceMs,
  ): Promise<T> {
    const outcome = typeof awaited === 'function' ? poll(awaited) : settling(awaited);
    await this.#world.run(
      this.#world.nowMs() + withinMs,
      () => outcome.isOver() || this.#crash !== undefined,
    );
    this.#throwCrash();
    return outcome.result(withinMs);
  }

  /** A client in a process of its own, which may do everything. Ends with the cluster. */
  async connect(): Promise<QueueClient> {
    this.#clientCount += 1;
    const name = `client-${this.#clientCount}`;
    const host = new SimulatedHost(this.#world, name, this.#world.random.fork(name));
    const process = host.boot(this.#world.random.fork(`${name} process`), (error) => this.#crashed(error));
    const transport = this.#network.transport(process, `sim://${name}`);
    const openEscrow = (workerId: string) => Promise.resolve(this.#escrow(workerId).open(process));
    const client = await this.until(
      connectOver(
        { transport, clock: process, random: process.random, openEscrow },
        { endpoints: this.ids.map(addressOf), name: 'test', secret: secrets.clients },
      ),
    );
    this.#clients.add(client);
    return client;
  }

  /** Closes clients and nodes, as they would be. Twice is harmless. */
  async close(): Promise<void> {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.heal();
    await this.until(Promise.allSettled([...this.#clients].map((client) => client.close())));
    await this.until(Promise.allSettled(this.nodes.map((node) => node.close())));
    for (const { host } of this.#cluster.members) host.process?.die();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  #agreedLeader(group: string): RaftsmanNode | undefined {
    const leader = this.#cluster.leader(group);
    const followers = this.nodes.filter((node) => node.group(group).view().leaderId === leader?.name);
    return followers.length > this.ids.length / 2 ? leader?.node : undefined;
  }

  #member(id: string) {
    if (!this.ids.includes(id))
      throw new InvalidArgumentError(`there is no node ${id}, only ${this.ids.join(', ')}`);
    return this.#cluster.member(id);
  }

  #escrow(name: string): SimulatedEscrow {
    const escrow = this.#escrows.get(name) ?? new SimulatedEscrow();
    this.#escrows.set(name, escrow);
    return escrow;
  }

  #crashed(error: unknown): void {
    this.#crash ??= { error };
  }

  /** What the library, or a callback of the test, threw inside a process. */
  #throwCrash(): void {
    const crash = this.#crash;
    this.#crash = undefined;
    if (crash !== undefined) throw crash.error;
  }
}

interface Outcome<T> {
  isOver(): boolean;
  result(withinMs: number): T;
}

function poll<T>(look: () => T | undefined | false): Outcome<T> {
  let found: T | undefined | false;
  return {
    isOver: () => {
      found = look();
      return found !== undefined && found !== false;
    },
    result: (withinMs) => {
      if (found === undefined || found === false) throw tooLate(withinMs);
      return found;
    },
  };
}

function settling<T>(promise: Promise<T>): Outcome<T> {
  let settled: { readonly value: T } | { readonly error: unknown } | undefined;
  promise.then(
    (value) => {
      settled = { value };
    },
    (error: unknown) => {
      settled = { error };
    },
  );
  return {
    isOver: () => settled !== undefined,
    result: (withinMs) => {
      if (settled === undefined) throw tooLate(withinMs);
      if ('error' in settled) throw settled.error;
      return settled.value;
    },
  };
}

function tooLate(withinMs: number): DeadlineExceededError {
  return new DeadlineExceededError(`it did not come about within ${withinMs} ms of virtual time`);
}
