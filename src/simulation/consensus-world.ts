import type { Node } from '../node/node.ts';
import { Judge } from './checkers/judge.ts';
import { ProposalChecker } from './checkers/proposal-checker.ts';
import { ConsensusChecks } from './consensus-checks.ts';
import { assembleConsensusNode, HashMachine } from './consensus-node.ts';
import { Coverage } from './coverage.ts';
import { Nemesis } from './nemesis.ts';
import type { Prng } from './prng.ts';
import { ScopeUser } from './scope-user.ts';
import type { SeedOptions, SeedReport } from './seed-report.ts';
import { SimulatedCluster, type SimulatedMember } from './simulated-cluster.ts';
import { SimulatedNetwork } from './simulated-network.ts';
import type { SimulatedProcess } from './simulated-process.ts';
import { probeStability } from './stability-probe.ts';
import { BusyLoopError, World } from './world.ts';
import { markOf, reportOf } from './world-report.ts';

/** Ten times the longest election timeout (L1). */
const livenessMs = 20_000;
/** A healthy cluster keeps its leader (L2). */
const calmMs = 8_000;

/** Elections and the log under faults: real nodes over a machine that only hashes, and writers that propose to any node. */
export class ConsensusWorld {
  readonly #seed: number;
  readonly #world: World;
  readonly #random: Prng;
  readonly #judge: Judge;
  readonly #coverage = new Coverage();
  readonly #checks: ConsensusChecks;
  readonly #proposals: ProposalChecker;
  readonly #scopeUser: ScopeUser;
  readonly #cluster: SimulatedCluster;
  readonly #nemesis: Nemesis;
  readonly #unconverged: string[] = [];
  readonly #writeEveryMs: number;
  #proposalCount = 0;
  #writes = true;

  constructor(seed: number, { onLine }: SeedOptions = {}) {
    this.#seed = seed;
    this.#world = new World(seed);
    if (onLine !== undefined) this.#world.trace.follow(onLine);
    this.#random = this.#world.random.fork('consensus');
    const size = this.#random.pick([1, 3, 3, 3, 5, 5]);
    this.#judge = new Judge(() => this.#world.nowMs());
    this.#judge.onViolation(({ invariant, message }) =>
      this.#world.note(`VIOLATION ${invariant}: ${message}`),
    );
    this.#checks = new ConsensusChecks(this.#judge, size, 1);
    this.#proposals = new ProposalChecker(this.#judge);
    this.#scopeUser = new ScopeUser(this.#checks.scopes, this.#coverage, this.#random.fork('scopes'));
    this.#cluster = this.#makeCluster(size);
    this.#checks.watch(this.#cluster);
    this.#nemesis = new Nemesis({
      cluster: this.#cluster,
      random: this.#random.fork('nemesis'),
      coverage: this.#coverage,
      onWiped: (name) => this.#checks.wiped(name),
    });
    this.#writeEveryMs = this.#random.pick([20, 100, 400]);
    this.#coverage.count(`size ${size}`);
  }

  async run(): Promise<SeedReport> {
    try {
      await this.#live();
    } catch (error) {
      if (!(error instanceof BusyLoopError)) throw error;
      this.#judge.violated('R1', `a process runs without waiting: ${error.message}`);
    }
    return this.#report();
  }

  async #live(): Promise<void> {
    for (const name of this.#cluster.names) {
      this.#world.after(this.#random.between(0, 500), () => void this.#cluster.start(name));
    }
    this.#write();
    this.#world.after(this.#random.between(0, 3_000), () => this.#nemesis.start());
    await this.#world.run(this.#random.between(8_000, 30_000));
    this.#world.note('--- the faults end');
    await this.#nemesis.stop();
    this.#scopeUser.isMoody = false;
    await this.#mustConverge();
  }

  async #mustConverge(): Promise<void> {
    const deadlineMs = this.#world.nowMs() + livenessMs;
    await this.#world.run(deadlineMs, () => this.#hasLeader());
    if (!this.#hasLeader()) this.#didNot('have a leader within 10 election timeouts (L1)');
    await this.#world.run(this.#world.nowMs() + 2_000);
    this.#writes = false;
    await this.#world.run(this.#world.nowMs() + 15_000, () => this.#isSettled());
    if (!this.#isSettled()) this.#didNot(`settle (L1): ${this.#explainUnsettled()}`);
    const changes = this.#checks.leaderChanges;
    await this.#world.run(this.#world.nowMs() + calmMs);
    if (this.#checks.leaderChanges !== changes) this.#didNot('keep its leader in calm weather (L2)');
    const cost = await probeStability({
      cluster: this.#cluster,
      random: this.#random.fork('stability'),
      coverage: this.#coverage,
      wiped: this.#nemesis.wiped,
      leaderChanges: () => this.#checks.leaderChanges,
    });
    if (cost !== undefined) this.#didNot(cost);
    const pending = this.#proposals.finish();
    if (pending > 0) this.#didNot(`answer ${pending} proposals`);
  }

  #didNot(what: string): void {
    this.#world.note(`UNCONVERGED: the cluster did not ${what}`);
    this.#unconverged.push(`the cluster did not ${what}`);
  }

  /** All members but one whose disk was replaced. */
  #healthy(): readonly SimulatedMember[] {
    return this.#cluster.members.filter((member) => member.name !== this.#nemesis.wiped);
  }

  #hasLeader(): boolean {
    const leader = this.#cluster.leader();
    return leader !== undefined && this.#healthy().every((one) => one.node?.view().leaderId === leader.name);
  }

  #isSettled(): boolean {
    const marks = this.#healthy().map(({ node }) => markOf(node));
    return this.#hasLeader() && marks[0] !== undefined && marks.every((mark) => mark === marks[0]);
  }

  #explainUnsettled(): string {
    return this.#healthy()
      .map(({ name, node }) => `${name}: ${node?.view().state} ${node?.view().leaderId} ${markOf(node)}`)
      .join('; ');
  }

  #makeCluster(size: number): SimulatedCluster {
    const network = new SimulatedNetwork(this.#world, this.#world.random.fork('network'));
    return new SimulatedCluster({
      world: this.#world,
      network,
      size,
      assemble: (ports, onBuilt) => {
        const machine = new HashMachine((id, index) => this.#proposals.applied(id, index));
        return assembleConsensusNode(ports, machine, onBuilt);
      },
      observer: {
        onStarted: (name, process, node) => {
          this.#checks.started(name, process, node);
          this.#scopeUser.run(name, process, node);
        },
        onCrash: (name, error) => this.#judge.violated('R2', `${name} crashed: ${String(error)}`),
      },
    });
  }

  #write(): void {
    this.#world.after(-Math.log(1 - this.#random.next()) * this.#writeEveryMs, () => {
      if (!this.#writes) return;
      const member = this.#random.chance(0.7)
        ? this.#cluster.leader()
        : this.#random.pick(this.#cluster.members);
      const process = member?.host.process;
      if (member?.node !== undefined && process !== undefined && !process.isPaused) {
        const { node } = member;
        process.execute(() =>
          this.#random.chance(0.2) ? this.#read(member.name, node) : this.#propose(process, node),
        );
      }
      this.#write();
    });
  }

  #propose(process: SimulatedProcess, node: Node): void {
    const count = this.#random.chance(0.1) ? 20 : 1;
    for (let i = 0; i < count; i += 1) {
      this.#proposalCount += 1;
      const id = this.#proposalCount;
      this.#proposals.asked(id);
      process.onDeath(() => this.#proposals.forget(id));
      node.group().propose(commandOf(id, this.#random.below(40)), (result) => {
        this.#coverage.count(`proposal ${result.type}`);
        const index = result.type === 'applied' ? result.index : 0;
        this.#proposals.answered(id, result.type, index, this.#checks.log.committedIndex);
      });
    }
  }

  #read(name: string, node: Node): void {
    const answeredBefore = this.#proposals.highestAnswered;
    const group = node.group();
    group.read((result) => {
      this.#coverage.count(`read ${result}`);
      if (result === 'ok') this.#proposals.readServed(name, answeredBefore, group.applied().index);
    });
  }

  #report(): SeedReport {
    return reportOf({
      seed: this.#seed,
      cluster: this.#cluster,
      judge: this.#judge,
      coverage: this.#coverage,
      unconverged: this.#unconverged,
    });
  }
}

function commandOf(id: number, padding: number): Uint8Array {
  const command = new Uint8Array(4 + padding);
  new DataView(command.buffer).setUint32(0, id);
  return command;
}
