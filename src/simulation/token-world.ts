import type { QueueClient } from '../client/types.ts';
import { AuthorizationServer } from './authorization-server.ts';
import { AnswerChecker } from './checkers/answer-checker.ts';
import { EscrowChecker } from './checkers/escrow-checker.ts';
import type { Judge } from './checkers/judge.ts';
import { QueueHistory } from './checkers/queue-history.ts';
import { ClientNemesis } from './client-nemesis.ts';
import { ConsensusChecks } from './consensus-checks.ts';
import type { Coverage } from './coverage.ts';
import { frontEnd } from './front-end.ts';
import { driftBound, Nemesis } from './nemesis.ts';
import type { Prng } from './prng.ts';
import { ReleaseProbe } from './release-probe.ts';
import { ScopeUser } from './scope-user.ts';
import type { SeedOptions, SeedReport } from './seed-report.ts';
import { jobIds, jobsOf, type Shop, tokenIds, tokenIn, tokensOf } from './shop.ts';
import { type Program, SimulatedClient } from './simulated-client.ts';
import { addressOf, markOf, SimulatedCluster, type SimulatedMember } from './simulated-cluster.ts';
import type { SimulatedNetwork } from './simulated-network.ts';
import { probeStability } from './stability-probe.ts';
import { Stage } from './stage.ts';
import { type AccountName, assembleTokenNode, clientSecrets, configureQueues } from './token-node.ts';
import { jobber, updater } from './workers.ts';
import type { World } from './world.ts';

const livenessMs = 20_000;
const settleMs = 40_000;
const calmMs = 4_000;
/** Longer than a run until its audit. */
const runMsMax = 100_000;
/** Frames of a handshake, per direction. */
const handshakeFrames = 2;
/** The state machine is compared at every so many entries; its digest reads all of its state. */
const digestEvery = 16;

/** The whole of the first slice: nodes, queue, gateways, front ends, updaters and a provider, under faults. */
export class TokenWorld {
  readonly #stage: Stage;
  readonly #world: World;
  readonly #random: Prng;
  readonly #judge: Judge;
  readonly #coverage: Coverage;
  readonly #checks: ConsensusChecks;
  readonly #scopeUser: ScopeUser;
  readonly #network: SimulatedNetwork;
  readonly #cluster: SimulatedCluster;
  readonly #nemesis: Nemesis;
  readonly #clientNemesis: ClientNemesis;
  readonly #shop: Shop;
  readonly #clients: readonly SimulatedClient[];
  readonly #updaters = new Map<string, SimulatedClient>();
  /** Longer than a whole run, so that every answer must be stored; or short, so that tokens are tried again. */
  readonly #suspectMs: number;

  constructor(seed: number, options: SeedOptions = {}) {
    this.#stage = new Stage('tokens', seed, options);
    const { world, random, judge, coverage, network } = this.#stage;
    this.#world = world;
    this.#random = random;
    this.#judge = judge;
    this.#coverage = coverage;
    this.#network = network;
    const size = random.pick([1, 3, 3, 3, 5]);
    coverage.count(`size ${size}`);
    this.#suspectMs = random.pick([8_000, 120_000]);
    this.#checks = new ConsensusChecks(judge, size, digestEvery);
    this.#scopeUser = new ScopeUser(this.#checks.scopes, coverage, random.fork('scopes'));
    this.#cluster = this.#makeCluster(size);
    this.#checks.watch(this.#cluster);
    this.#watchFrames();
    this.#shop = {
      tokens: new QueueHistory(this.#judge),
      jobs: new QueueHistory(this.#judge),
      provider: this.#makeProvider(),
      coverage: this.#coverage,
      pending: new Set(),
      closers: new Set(),
      isOpen: true,
    };
    this.#clients = this.#makeClients();
    this.#nemesis = this.#makeNemesis();
    this.#clientNemesis = this.#makeClientNemesis();
  }

  run(): Promise<SeedReport> {
    return this.#stage.play(
      () => this.#live(),
      [this.#cluster],
      () => {
        for (const [name, times] of this.#shop.provider.faultCounts())
          this.#coverage.count(`provider ${name}`, times);
      },
    );
  }

  async #live(): Promise<void> {
    for (const name of this.#cluster.names) {
      this.#world.after(this.#random.between(0, 300), () => void this.#cluster.start(name));
    }
    this.#client(
      'admin',
      'admin',
      (client, process) => void configureQueues(client, process, this.#suspectMs),
    ).start();
    for (const client of this.#clients)
      this.#world.after(this.#random.between(0, 1_000), () => client.start());
    this.#world.after(this.#random.between(500, 4_000), () => {
      this.#nemesis.start();
      this.#clientNemesis.start();
    });
    await this.#world.run(this.#random.between(12_000, 35_000));
    this.#world.note('--- the faults end');
    await this.#nemesis.stop();
    this.#clientNemesis.stop();
    this.#scopeUser.isMoody = false;
    if (await this.#converges()) await this.#audit();
  }

  /** L1 and L2. */
  async #converges(): Promise<boolean> {
    await this.#world.run(this.#world.nowMs() + livenessMs, () => this.#hasLeader());
    if (!this.#hasLeader()) return this.#stage.didNot('have a leader within 10 election timeouts (L1)');
    await this.#world.run(this.#world.nowMs() + 3_000);
    this.#world.note('--- nothing new is begun');
    this.#shop.isOpen = false;
    for (const close of this.#shop.closers) close();
    await this.#world.run(this.#world.nowMs() + settleMs, () => this.#isSettled());
    if (!this.#isSettled()) return this.#stage.didNot(`settle (L1): ${this.#explainUnsettled()}`);
    const changes = this.#checks.leaderChanges;
    await this.#world.run(this.#world.nowMs() + calmMs);
    if (this.#checks.leaderChanges !== changes) this.#stage.didNot('keep its leader in calm weather (L2)');
    return true;
  }

  /** The books are compared with what is stored in the end; then clients leave in all the ways there are. */
  async #audit(): Promise<void> {
    let isDone = false;
    const auditor = this.#client('auditor', 'admin', (client) => {
      void this.#readAll(client).then(
        () => {
          isDone = true;
        },
        (error: unknown) => this.#stage.didNot(`answer the auditor: ${String(error)}`),
      );
    });
    auditor.start();
    await this.#world.run(this.#world.nowMs() + 20_000, () => isDone);
    if (!isDone) this.#stage.didNot('answer the auditor');
    const probe = new ReleaseProbe({
      world: this.#world,
      cluster: this.#cluster,
      judge: this.#judge,
      coverage: this.#coverage,
      random: this.#random.fork('probe'),
      wiped: this.#nemesis.wiped,
      client: (name, program) => this.#client(name, 'admin', program),
    });
    await probe.run();
    const cost = await probeStability({
      cluster: this.#cluster,
      random: this.#random.fork('stability'),
      coverage: this.#coverage,
      wiped: this.#nemesis.wiped,
      leaderChanges: () => this.#checks.leaderChanges,
    });
    if (cost !== undefined) this.#stage.didNot(cost);
  }

  async #readAll(client: QueueClient): Promise<void> {
    for (const id of jobIds) {
      const found = await jobsOf(client).get(id);
      this.#shop.jobs.final(id, found && { content: found.payload, version: found.version });
    }
    for (const id of tokenIds) {
      const found = await tokensOf(client).get(id);
      this.#shop.tokens.final(id, found && { content: found.payload, version: found.version });
      if (found !== undefined && found.state !== 'buried') this.#judgeStored(id, tokenIn(found.payload));
    }
  }

  /** A1 seen from the other end: where every answer arrived, the newest refresh token is the stored one. */
  #judgeStored(id: string, stored: string): void {
    const { provider } = this.#shop;
    const family = stored.split('.')[0]!;
    const newest = provider.currentToken(family);
    if (newest === undefined || this.#suspectMs < runMsMax || !provider.everyAnswerArrived(family)) return;
    this.#coverage.count('reached A1 stored');
    if (stored !== newest)
      this.#judge.violated('A1', `${id} holds ${stored}, the provider issued ${newest} and was heard`);
  }

  #healthy(): readonly SimulatedMember[] {
    return this.#cluster.members.filter((member) => member.name !== this.#nemesis.wiped);
  }

  #hasLeader(): boolean {
    const leader = this.#cluster.leader();
    return leader !== undefined && this.#healthy().every((one) => one.node?.view().leaderId === leader.name);
  }

  #pending(): number {
    return [...this.#shop.pending].filter(({ process }) => process.isAlive).length;
  }

  #isSettled(): boolean {
    if (this.#pending() > 0 || this.#clients.some((client) => client.isUp && client.escrow.size > 0))
      return false;
    const marks = this.#healthy().map(({ node }) => markOf(node));
    return this.#hasLeader() && marks[0] !== undefined && marks.every((mark) => mark === marks[0]);
  }

  #explainUnsettled(): string {
    const nodes = this.#healthy().map(
      (member) => `${member.name}: ${member.node?.view().state} ${markOf(member.node)}`,
    );
    const escrows = this.#clients.map((client) => `${client.name}: ${client.escrow.size}`);
    return `${this.#pending()} calls pending; ${nodes.join('; ')}; escrows ${escrows.join(' ')}`;
  }

  #makeCluster(size: number): SimulatedCluster {
    return new SimulatedCluster({
      world: this.#world,
      network: this.#network,
      size,
      assemble: assembleTokenNode,
      observer: {
        onStarted: (name, process, node) => {
          this.#checks.started(name, process, node);
          this.#scopeUser.run(name, process, node);
        },
        onCrash: (name, error) => this.#stage.crashed(name, error),
      },
    });
  }

  #makeProvider(): AuthorizationServer {
    const patienceMs = this.#suspectMs * (1 - driftBound);
    return new AuthorizationServer(this.#world, this.#random.fork('provider'), this.#judge, patienceMs);
  }

  #watchFrames(): void {
    const answers = new AnswerChecker(this.#judge);
    const escrows = new EscrowChecker(this.#judge);
    const nodes = new Set(this.#cluster.names);
    this.#network.observe((from, to, frame) => {
      if (from.sentCount <= handshakeFrames) return;
      if (nodes.has(from.hostName) && !nodes.has(to.hostName)) answers.sent(frame);
      const updater = this.#updaters.get(from.hostName);
      if (updater !== undefined)
        escrows.sent(updater.name, frame, (id, fence) => updater.escrow.has(id, fence));
    });
  }

  #makeClients(): readonly SimulatedClient[] {
    const random = this.#random.fork('clients');
    const clients: SimulatedClient[] = [];
    for (let i = 1; i <= random.pick([1, 2, 3]); i += 1) {
      const client = this.#client(`u${i}`, 'updater', updater(this.#shop, random.fork('u'), `u${i}`));
      this.#updaters.set(client.name, client);
      clients.push(client);
    }
    for (let i = 1; i <= random.pick([1, 2]); i += 1) {
      clients.push(this.#client(`j${i}`, 'updater', jobber(this.#shop, random.fork('j'))));
    }
    for (let i = 1; i <= random.pick([1, 2]); i += 1) {
      clients.push(
        this.#client(`f${i}`, 'web', frontEnd(this.#shop, random.fork('f'), random.pick([40, 150]))),
      );
    }
    return clients;
  }

  #client(name: string, account: AccountName, program: Program): SimulatedClient {
    return new SimulatedClient({
      world: this.#world,
      network: this.#network,
      random: this.#random.fork(name),
      name,
      account,
      secret: clientSecrets[account],
      endpoints: this.#cluster.names.map(addressOf),
      program,
      onCrash: (crashed, error) => this.#stage.crashed(crashed, error),
    });
  }

  #makeNemesis(): Nemesis {
    return new Nemesis({
      cluster: this.#cluster,
      random: this.#random.fork('nemesis'),
      coverage: this.#coverage,
      onWiped: (name) => this.#checks.wiped(name),
    });
  }

  #makeClientNemesis(): ClientNemesis {
    return new ClientNemesis({
      world: this.#world,
      network: this.#network,
      random: this.#random.fork('client nemesis'),
      coverage: this.#coverage,
      clients: this.#clients,
      nodes: this.#cluster.names,
      provider: this.#shop.provider,
    });
  }
}
