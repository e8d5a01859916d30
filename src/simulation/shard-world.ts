import type { QueueClient } from '../client/types.ts';
import type { RaftsmanNode } from '../service/assemble-node.ts';
import { QueueHistory } from './checkers/queue-history.ts';
import { MapAuthor, type MapHolder } from './map-author.ts';
import { holderOf } from './map-nemesis.ts';
import { type Market, provider, queueOf } from './market.ts';
import type { Prng } from './prng.ts';
import { watchRouters } from './router-watch.ts';
import { RoutingClient } from './routing-client.ts';
import type { SeedOptions, SeedReport } from './seed-report.ts';
import { ShardAudit } from './shard-audit.ts';
import { ShardChecks } from './shard-checks.ts';
import { namespacesOf } from './shard-files.ts';
import { layOut, type ShardLayout, tokenNamespace } from './shard-layout.ts';
import { ShardNemesis } from './shard-nemesis.ts';
import { programName, programSecret } from './shard-node.ts';
import { ShardProbe } from './shard-probe.ts';
import { addressKeys, taker, tokenKeys, writer } from './shard-programs.ts';
import { type Program, SimulatedClient, sleep } from './simulated-client.ts';
import type { SimulatedProcess } from './simulated-process.ts';
import { SimulatedProxy } from './simulated-proxy.ts';
import { Stage } from './stage.ts';

const policy = { leadMs: 3_000, urgentMs: 500, sessionTimeoutMs: 3_000 };
const askAgainMs = 200;

/** Several groups behind routers and proxies, and shard files that change, under faults. */
export class ShardWorld {
  readonly #stage: Stage;
  readonly #random: Prng;
  readonly #checks: ShardChecks;
  readonly #layout: ShardLayout;
  readonly #author: MapAuthor;
  readonly #market: Market;
  readonly #proxies: readonly SimulatedProxy[];
  readonly #programs: readonly SimulatedClient[];
  readonly #holders: readonly MapHolder[];
  readonly #nemesis: ShardNemesis;

  constructor(seed: number, options: SeedOptions = {}) {
    this.#stage = new Stage('shards', seed, options);
    const { random, judge, coverage } = this.#stage;
    this.#random = random;
    this.#checks = new ShardChecks(this.#stage);
    this.#layout = layOut(this.#stage, random, (cluster) => ({
      onStarted: (name, process, node) => this.#started(cluster, name, process, node),
      onCrash: (name, error) => this.#stage.crashed(name, error),
    }));
    const { sites, kind } = this.#layout;
    coverage.count(`layout ${kind}`);
    const { ownership, effects, callers } = this.#checks;
    this.#author = new MapAuthor({
      stage: this.#stage,
      random: random.fork('author'),
      sites,
      ownership,
      effects,
    });
    this.#market = {
      stage: this.#stage,
      stalls: namespacesOf(sites).map((name) => ({
        name,
        keys: name === tokenNamespace ? tokenKeys : addressKeys,
        history: new QueueHistory(judge),
      })),
      effects,
      callers,
      pending: new Set(),
      isOpen: true,
    };
    this.#proxies = ['p1', 'p2'].map(
      (name) => new SimulatedProxy(this.#stage, random.fork(name), name, this.#author.first()),
    );
    this.#checks.watch(this.#layout, this.#proxies);
    const routing = this.#makeRouting();
    this.#programs = [...this.#makePrograms(), ...routing.map(({ client }) => client)];
    this.#holders = [...this.#proxies.map(holderOf), ...routing];
    this.#nemesis = new ShardNemesis({
      stage: this.#stage,
      random: random.fork('nemesis'),
      layout: this.#layout,
      author: this.#author,
      proxies: this.#proxies,
      programs: this.#programs,
      holders: this.#holders,
      serverOf: this.#serverOf,
      market: this.#market,
      client: (name, program) => this.#client(name, program, [this.#proxies[0]!.address]),
    });
  }

  run(): Promise<SeedReport> {
    return this.#stage.play(
      () => this.#live(),
      this.#layout.clusters,
      () => this.#checks.conclude(),
    );
  }

  async #live(): Promise<void> {
    const { world } = this.#stage;
    watchRouters(this.#stage, this.#proxies);
    for (const cluster of this.#layout.clusters) {
      for (const name of cluster.names)
        world.after(this.#random.between(0, 300), () => void cluster.start(name));
    }
    for (const proxy of this.#proxies) world.after(this.#random.between(0, 500), () => proxy.start());
    this.#client('admin', (client, process) => void this.#configure(client, process)).start();
    for (const program of this.#programs) world.after(this.#random.between(0, 1_000), () => program.start());
    world.after(this.#random.between(300, 2_500), () => this.#nemesis.start());
    await world.run(this.#random.between(6_000, 13_000));
    world.note('--- the faults end');
    await this.#nemesis.stop();
    const audit = new ShardAudit({
      stage: this.#stage,
      layout: this.#layout,
      author: this.#author,
      market: this.#market,
      holders: this.#holders,
      checks: this.#checks,
      client: (name, program) => this.#client(name, program),
    });
    if (!(await audit.run())) return;
    const probe = new ShardProbe({
      stage: this.#stage,
      random: this.#random.fork('probe'),
      market: this.#market,
      sites: this.#layout.sites,
      proxies: this.#proxies,
      serverOf: this.#serverOf,
      client: (name, program) => this.#client(name, program),
    });
    await probe.run();
  }

  #started(cluster: number, name: string, process: SimulatedProcess, node: RaftsmanNode): void {
    const { sites, clusters } = this.#layout;
    for (const site of sites)
      if (site.cluster === clusters[cluster]) this.#checks.started(site, name, process, node);
  }

  /** Says how providers and sessions behave, again and again until every shard has heard it. */
  async #configure(client: QueueClient, process: SimulatedProcess): Promise<void> {
    for (const stall of this.#market.stalls) {
      const queue = queueOf(client, stall);
      for (const step of [
        () => queue.setPolicy(policy),
        () => queue.setProvider(provider, { kind: 'static' }),
      ]) {
        while (!(await succeeds(step))) await sleep(process, askAgainMs);
      }
    }
    await client.close();
  }

  #makePrograms(): readonly SimulatedClient[] {
    const random = this.#random.fork('programs');
    const market = this.#market;
    const programs = [this.#client('w1', writer(market, random.fork('w'), random.pick([25, 80])))];
    if (random.chance(0.5)) programs.push(this.#client('w2', writer(market, random.fork('w'), 120)));
    for (let place = 1; place <= random.pick([1, 2]); place += 1)
      programs.push(this.#client(`t${place}`, taker(market, random.fork('t'))));
    return programs;
  }

  /** Programs that route for themselves. */
  #makeRouting(): readonly RoutingClient[] {
    const random = this.#random.fork('routing');
    const market = this.#market;
    const make = (name: string, program: Program): RoutingClient =>
      new RoutingClient({ ...this.#ofClient(name), program }, this.#author.first());
    const made: RoutingClient[] = [];
    if (random.chance(0.6)) made.push(make('r1', writer(market, random.fork('w'), random.pick([40, 120]))));
    if (random.chance(0.3)) made.push(make('r2', taker(market, random.fork('t'))));
    return made;
  }

  readonly #serverOf = (namespace: string, bucket: number): string | undefined =>
    this.#checks.ownership.serverOf(namespace, bucket);

  /** A program that knows the proxies and nothing else. */
  #client(
    name: string,
    program: Program,
    endpoints: readonly string[] = this.#proxies.map(({ address }) => address),
  ): SimulatedClient {
    return new SimulatedClient({
      ...this.#ofClient(name),
      account: programName,
      secret: programSecret,
      endpoints,
      program,
    });
  }

  #ofClient(
    name: string,
  ): Pick<
    ConstructorParameters<typeof SimulatedClient>[0],
    'world' | 'network' | 'random' | 'name' | 'onCrash'
  > {
    const { world, network } = this.#stage;
    const onCrash = (crashed: string, error: unknown): void => this.#stage.crashed(crashed, error);
    return { world, network, random: this.#random.fork(name), name, onCrash };
  }
}

async function succeeds(call: () => Promise<void>): Promise<boolean> {
  try {
    await call();
    return true;
  } catch {
    return false;
  }
}
