import { groupId, mainGroup } from '../../src/base/ids.ts';
import { connectOver } from '../../src/client/connect.ts';
import type { ShardFilePort } from '../../src/client/connect-shards.ts';
import type { QueueClient, ShardsOption } from '../../src/client/types.ts';
import type { Logger } from '../../src/ports/logger.ts';
import type { RaftsmanNode } from '../../src/service/assemble-node.ts';
import type { Shard } from '../../src/sharding/types.ts';
import { type Deal, shardFile, withMoved } from '../../src/simulation/shard-files.ts';
import { programName, programSecret, shardNode } from '../../src/simulation/shard-node.ts';
import { SimulatedCluster } from '../../src/simulation/simulated-cluster.ts';
import { SimulatedNetwork } from '../../src/simulation/simulated-network.ts';
import { SimulatedHost } from '../../src/simulation/simulated-process.ts';
import { World } from '../../src/simulation/world.ts';

const silent: Logger = { debug: () => {}, info: () => {}, warn: () => {}, error: () => {} };
const namespace = 'tokens';

/** A shard file that a test writes. */
export class WatchedFile implements ShardFilePort {
  text: string;
  /** Called when it was read, before anybody has what was read. */
  wasRead: () => void = () => {};
  #onChange: () => void = () => {};

  constructor(text: string) {
    this.text = text;
  }

  write(text: string): void {
    this.text = text;
    this.#onChange();
  }

  async read(): Promise<string> {
    const { text } = this;
    this.wasRead();
    return text;
  }

  watch(_path: string, onChange: () => void): () => void {
    this.#onChange = onChange;
    return () => {
      this.#onChange = () => {};
    };
  }
}

/** Two shards of three nodes each, and programs that route for themselves, over a simulated network. */
export class OwnRouterWorld {
  readonly world: World = new World(7);
  readonly network: SimulatedNetwork;
  readonly clusters: readonly SimulatedCluster<RaftsmanNode>[];
  readonly crashes: unknown[] = [];
  readonly #sites;
  #clientCount = 0;

  private constructor() {
    this.network = new SimulatedNetwork(this.world, this.world.random.fork('network'));
    this.clusters = ['1', '2'].map((suffix) => {
      const onCrash = (_: unknown, error: unknown) => void this.crashes.push(error);
      return new SimulatedCluster<RaftsmanNode>({
        world: this.world,
        network: this.network,
        size: 3,
        suffix,
        assemble: shardNode(`k${suffix}`, [mainGroup]),
        observer: { onStarted: () => {}, onCrash },
      });
    });
    this.#sites = this.clusters.map((cluster, place) => {
      const nodes = new Map(cluster.members.map(({ name, address }) => [name, address]));
      const names = { name: `s${place + 1}`, cluster: `k${place + 1}`, group: mainGroup, namespace };
      const shard: Shard = { ...names, number: place + 1, nodes };
      return { shard, group: groupId(mainGroup), cluster };
    });
  }

  static async start(): Promise<OwnRouterWorld> {
    const world = new OwnRouterWorld();
    for (const cluster of world.clusters)
      for (const name of cluster.names) await world.until(cluster.start(name));
    await world.eventually(() => world.clusters.every((cluster) => cluster.leader() !== undefined));
    return world;
  }

  /** The shard file with these buckets moved to the other shard; buckets 0 to 7 are of `s1` before. */
  map(version: number, moved: readonly number[] = [], to = 2): string {
    const even: Deal = new Map([[namespace, Array.from({ length: 16 }, (_, at) => (at < 8 ? 1 : 2))]]);
    return shardFile(version, this.#sites, withMoved(even, namespace, moved, to));
  }

  /** A client with a router of its own. */
  connect(map: string): Promise<QueueClient> {
    return this.#connect({ map });
  }

  /** A client with a router of its own and a shard file that may change. */
  connectWith(file: WatchedFile): Promise<QueueClient> {
    return this.#connect({ file: 'shards.json' }, file);
  }

  #connect(shards: ShardsOption, shardFile?: WatchedFile): Promise<QueueClient> {
    this.#clientCount++;
    const name = `client-${this.#clientCount}`;
    const host = new SimulatedHost(this.world, name, this.world.random.fork(name));
    const process = host.boot(this.world.random.fork(`${name} process`), (error) => this.crashes.push(error));
    const transport = this.network.transport(process, `sim://${name}`);
    const ports = { transport, clock: process, random: process.random, logger: silent, shardFile };
    const account = { name: programName, secret: programSecret };
    return this.until(connectOver(ports, { shards, ...account }));
  }

  async advance(ms: number): Promise<void> {
    await this.world.run(this.world.nowMs() + ms);
  }

  /** Lets time pass until the promise has settled: a minute at most. */
  async until<T>(promise: Promise<T>): Promise<T> {
    let isSettled = false;
    const note = (): void => {
      isSettled = true;
    };
    promise.then(note, note);
    await this.eventually(() => isSettled);
    return promise;
  }

  /** Lets time pass until the condition holds: a minute at most. */
  async eventually(isSo: () => boolean): Promise<void> {
    await this.world.run(this.world.nowMs() + 60_000, isSo);
    if (!isSo()) throw new Error('it did not come about in a minute');
  }
}
