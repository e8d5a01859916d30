import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Judge } from '../../src/simulation/checkers/judge.ts';
import { ProposalChecker } from '../../src/simulation/checkers/proposal-checker.ts';
import { ConsensusChecks } from '../../src/simulation/consensus-checks.ts';
import { assembleConsensusNode, HashMachine } from '../../src/simulation/consensus-node.ts';
import { SimulatedCluster } from '../../src/simulation/simulated-cluster.ts';
import { SimulatedNetwork } from '../../src/simulation/simulated-network.ts';
import { World } from '../../src/simulation/world.ts';

/** What happens after `afterMs`: a wire is cut or back, a process dies or starts, all connections of a node are reset. */
interface Step {
  readonly kind: 'cut' | 'heal' | 'kill' | 'start' | 'reset';
  readonly from: number;
  readonly to: number;
  readonly afterMs: number;
}

const size = 3;

const step: fc.Arbitrary<Step> = fc.record({
  kind: fc.constantFrom('cut', 'cut', 'heal', 'kill', 'start', 'reset'),
  from: fc.nat(size - 1),
  to: fc.nat(size - 1),
  afterMs: fc.integer({ min: 0, max: 1_500 }),
});

/** A cluster that lives through a schedule; what it shows is judged from outside. */
class Schedule {
  readonly world: World = new World(1);
  readonly judge: Judge = new Judge(() => this.world.nowMs());
  readonly checks: ConsensusChecks = new ConsensusChecks(this.judge, size, 1);
  readonly proposals: ProposalChecker = new ProposalChecker(this.judge);
  readonly cluster: SimulatedCluster = new SimulatedCluster({
    world: this.world,
    network: new SimulatedNetwork(this.world, this.world.random.fork('network')),
    size,
    assemble: (ports, onBuilt) =>
      assembleConsensusNode(
        ports,
        new HashMachine((id, index) => this.proposals.applied(id, index)),
        onBuilt,
      ),
    observer: {
      onStarted: (name, process, node) => this.checks.started(name, process, node),
      onCrash: (name, error) => this.judge.violated('R2', `${name}: ${String(error)}`),
    },
  });
  #count = 0;

  async run(steps: readonly Step[]): Promise<void> {
    this.checks.watch(this.cluster);
    for (const name of this.cluster.names) void this.cluster.start(name);
    for (const { kind, from, to, afterMs } of steps) {
      await this.world.run(this.world.nowMs() + afterMs);
      this.#take(kind, this.cluster.names[from]!, this.cluster.names[to]!);
      for (const name of this.cluster.names) this.#propose(name);
    }
    this.cluster.network.healAll();
    for (const name of this.cluster.names) void this.cluster.start(name);
    await this.world.run(this.world.nowMs() + 3_000);
    await this.world.run(this.world.nowMs() + 20_000, () => this.hasConverged());
  }

  hasConverged(): boolean {
    const leader = this.cluster.leader();
    const marks = this.cluster.members.map(({ node }) => node?.group().applied().index);
    return leader !== undefined && marks.every((mark) => mark === leader.node!.group().view().lastLogIndex);
  }

  #take(kind: Step['kind'], from: string, to: string): void {
    const { network } = this.cluster;
    if (kind === 'cut' && from !== to) network.block(from, to);
    if (kind === 'heal') network.unblock(from, to);
    if (kind === 'kill') this.cluster.kill(from);
    if (kind === 'start') void this.cluster.start(from);
    if (kind === 'reset') network.reset(from, to);
  }

  #propose(name: string): void {
    const { node, host } = this.cluster.member(name);
    if (node === undefined) return;
    this.#count += 1;
    const id = this.#count;
    const command = new Uint8Array(4);
    new DataView(command.buffer).setUint32(0, id);
    this.proposals.asked(id);
    host.process?.onDeath(() => this.proposals.forget(id));
    node.group().propose(command, (result) => {
      const index = result.type === 'applied' ? result.index : 0;
      this.proposals.answered(id, result.type, index, this.checks.log.committedIndex);
    });
  }
}

describe('any schedule of cuts, resets, deaths and starts', () => {
  it('breaks no invariant, and after it the cluster converges', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 14 }), async (steps) => {
        const schedule = new Schedule();
        await schedule.run(steps);
        expect(schedule.judge.violations).toEqual([]);
        expect(schedule.hasConverged()).toBe(true);
        expect(schedule.proposals.finish()).toBe(0);
      }),
      { numRuns: 60, seed: 20_261_121 },
    );
  }, 120_000);

  it('shrinks to a small one when something is wrong: here, that no leader may ever be killed', async () => {
    const result = await fc.check(
      fc.asyncProperty(fc.array(step, { minLength: 4, maxLength: 14 }), async (steps) => {
        const schedule = new Schedule();
        await schedule.run(steps);
        expect(schedule.checks.leaderChanges).toBeLessThan(2);
      }),
      { numRuns: 40, seed: 7, endOnFailure: false },
    );
    expect(result.failed).toBe(true);
    const [steps] = result.counterexample!;
    expect(steps.filter(({ kind }) => kind !== 'start').length).toBeLessThanOrEqual(4);
  }, 120_000);
});
