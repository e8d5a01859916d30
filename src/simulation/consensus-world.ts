import type { Node } from '../node/node.ts';
import { ProposalChecker } from './checkers/proposal-checker.ts';
import { ConsensusChecks } from './consensus-checks.ts';
import { assembleConsensusNode, HashMachine } from './consensus-node.ts';
import type { Coverage } from './coverage.ts';
import { Nemesis } from './nemesis.ts';
import type { Prng } from './prng.ts';
import { ScopeUser } from './scope-user.ts';
import type { SeedOptions, SeedReport } from './seed-report.ts';
import { markOf, SimulatedCluster, type SimulatedMember } from './simulated-cluster.ts';
import type { SimulatedProcess } from './simulated-process.ts';
import { probeStability } from './stability-probe.ts';
import { Stage } from './stage.ts';
import type { World } from './world.ts';

/** Ten times the longest election timeout (L1). */
const livenessMs = 20_000;
/** A healthy cluster keeps its leader (L2). */
const calmMs = 8_000;

/** Elections and the log under faults: real nodes over a machine that only hashes, and writers that propose to any node. */
export class ConsensusWorld {
  readonly #stage: Stage;
  readonly #world: World;
  readonly #random: Prng;
  readonly #coverage: Coverage;
  readonly #checks: ConsensusChecks;
  readonly #proposals: ProposalChecker;
  readonly #scopeUser: ScopeUser;
  readonly #cluster: SimulatedCluster;
  readonly #nemesis: Nemesis;
  readonly #writeEveryMs: number;
  #proposalCount = 0;
  #writes = true;

  constructor(seed: number, options: SeedOptions = {}) {
    this.#stage = new Stage('elections', seed, options);
    const { world, random, coverage, judge } = this.#stage;
    this.#world = world;
    this.#random = random;
    this.#coverage = coverage;
    const size = random.pick([1, 3, 3, 3, 5, 5]);
    this.#checks = new ConsensusChecks(judge, size, 1);
    this.#proposals = new ProposalChecker(judge);
    this.#scopeUser = new ScopeUser(this.#checks.scopes, coverage, random.fork('scopes'));
    this.#cluster = this.#makeCluster(size);
    this.#checks.watch(this.#cluster);
    this.#nemesis = new Nemesis({
      cluster: this.#cluster,
      random: random.fork('nemesis'),
      coverage,
      onWiped: (name) => this.#checks.wiped(name),
    });
    this.#writeEveryMs = random.pick([20, 100, 400]);
    coverage.count(`size ${size}`);
  }

  run(): Promise<SeedReport> {
    return this.#stage.play(() => this.#live(), [this.#cluster]);
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
    if (!this.#hasLeader()) this.#stage.didNot('have a leader within 10 election timeouts (L1)');
    await this.#world.run(this.#world.nowMs() + 2_000);
    this.#writes = false;
    await this.#world.run(this.#world.nowMs() + 15_000, () => this.#isSettled());
    if (!this.#isSettled()) this.#stage.didNot(`settle (L1): ${this.#explainUnsettled()}`);
    const changes = this.#checks.leaderChanges;
    await this.#world.run(this.#world.nowMs() + calmMs);
    if (this.#checks.leaderChanges !== changes) this.#stage.didNot('keep its leader in calm weather (L2)');
    const cost = await probeStability({
      cluster: this.#cluster,
      random: this.#random.fork('stability'),
      coverage: this.#coverage,
      wiped: this.#nemesis.wiped,
      leaderChanges: () => this.#checks.leaderChanges,
    });
    if (cost !== undefined) this.#stage.didNot(cost);
    const pending = this.#proposals.finish();
    if (pending > 0) this.#stage.didNot(`answer ${pending} proposals`);
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
    return new SimulatedCluster({
      world: this.#world,
      network: this.#stage.network,
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
        onCrash: (name, error) => this.#stage.crashed(name, error),
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
}

function commandOf(id: number, padding: number): Uint8Array {
  const command = new Uint8Array(4 + padding);
  new DataView(command.buffer).setUint32(0, id);
  return command;
}
