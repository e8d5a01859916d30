import type { Coverage } from './coverage.ts';
import type { Prng } from './prng.ts';
import type { SimulatedCluster, SimulatedMember } from './simulated-cluster.ts';
import { quickDisk } from './simulated-disk.ts';
import { type WireFaultKind, WireNemesis, wireFaultKinds } from './wire-nemesis.ts';
import { quickWire } from './wires.ts';

const machineFaultKinds = [
  'kill',
  'powerLoss',
  'pause',
  'sleep',
  'wipeDisk',
  'slowDisk',
  'diskError',
  'clockStep',
  'clockRate',
  'transfer',
  'close',
  'coups',
] as const;
/** Faults of machines, disks, clocks and wires of the nodes. */
export type FaultKind = (typeof machineFaultKinds)[number] | WireFaultKind;
export const faultKinds: readonly FaultKind[] = [...machineFaultKinds, ...wireFaultKinds];

/** The bound on clock drift that the nodes are configured with. */
export const driftBound = 0.05;

export interface NemesisOptions {
  readonly cluster: SimulatedCluster;
  readonly random: Prng;
  readonly coverage: Coverage;
  /** Called when a disk was replaced, before its node starts again. */
  readonly onWiped: (name: string) => void;
  /** What may be drawn; everything unless given. */
  readonly kinds?: readonly FaultKind[] | undefined;
}

/** Within this a process that runs again has handled what waited for it. */
const wakeUpMs = 5;

/** Draws faults, one after the other and several at once, and takes all of them back in the end. */
export class Nemesis {
  readonly #cluster: SimulatedCluster;
  readonly #random: Prng;
  readonly #coverage: Coverage;
  readonly #onWiped: (name: string) => void;
  readonly #kinds: readonly FaultKind[];
  readonly #meanIntervalMs: number;
  /** Taken back at the end, whether their time has come or not. */
  readonly #repairs = new Set<() => void>();
  readonly #wires: WireNemesis;
  #isActive = true;
  #wiped: string | undefined;

  constructor({ cluster, random, coverage, onWiped, kinds = faultKinds }: NemesisOptions) {
    this.#cluster = cluster;
    this.#random = random;
    this.#coverage = coverage;
    this.#onWiped = onWiped;
    // Few kinds, often, find more than all kinds at once: each seed has its own mixture.
    const some = random.shuffled(kinds).slice(0, 1 + random.below(kinds.length));
    this.#kinds = random.chance(0.5) ? [...some, 'partition', 'partition'] : some;
    this.#meanIntervalMs = random.pick([200, 600, 1_500, 4_000]);
    this.#wires = new WireNemesis({
      cluster,
      random,
      coverage,
      later: (inMs, repair) => this.#later(inMs, repair),
    });
  }

  start(): void {
    this.#drawHabits();
    this.#next();
  }

  /** The end of the safety phase: everything works again, and what was down is started. */
  async stop(): Promise<void> {
    this.#isActive = false;
    for (const repair of [...this.#repairs]) repair();
    const { network, members, world } = this.#cluster;
    network.healAll();
    network.setMessageFaults(undefined);
    network.setProfile(quickWire);
    for (const member of members) {
      member.disk.profile = quickDisk;
      member.disk.failChance = 0;
      // With one voter gone, one clock that is behind makes log time wait for it: the calm has clocks that are about right.
      if (Math.abs(member.host.wallOffsetMs) > 1_000) member.host.wallOffsetMs = 0;
      member.host.wake();
      member.host.process?.resume();
    }
    // Who slept or was paused hears only now that its disk had refused a sync.
    await world.run(world.nowMs() + wakeUpMs);
    for (const member of members) if (hasFailed(member)) this.#cluster.kill(member.name);
    for (const member of members) void this.#cluster.start(member.name);
  }

  /** What is true of this run from its start: wires, disks and clocks are never perfect. */
  #drawHabits(): void {
    const { network, members } = this.#cluster;
    const random = this.#random;
    network.setProfile({
      delayMinMs: random.pick([0.05, 0.5, 5]),
      delayMaxMs: random.pick([6, 20, 80]),
      spikeChance: random.pick([0, 0.001, 0.02]),
      spikeMs: random.pick([50, 800]),
      bytesPerMs: random.pick([1_000, 100_000]),
    });
    const wrong = random.pick(members);
    for (const member of members) {
      member.host.setRate(1 + random.between(-driftBound, driftBound));
      member.host.wallOffsetMs = random.between(-200, 200);
      member.disk.profile = {
        syncMinMs: 0.05,
        syncMaxMs: random.pick([0.5, 5, 30]),
        stallChance: random.pick([0, 0.005]),
        stallMs: 1_200,
      };
    }
    if (members.length >= 3 && random.chance(0.3)) wrong.host.wallOffsetMs = random.between(-1e9, 1e9);
  }

  #next(): void {
    this.#cluster.world.after(-Math.log(1 - this.#random.next()) * this.#meanIntervalMs, () => {
      if (!this.#isActive) return;
      this.#strike(this.#random.pick(this.#kinds));
      this.#next();
    });
  }

  #strike(kind: FaultKind): void {
    const leader = this.#random.chance(0.4) ? this.#cluster.leader() : undefined;
    const done = this.#carryOut(kind, leader ?? this.#random.pick(this.#cluster.members));
    if (done) this.#coverage.count(`fault ${kind}`);
  }

  /** @returns false where the fault could not be made now. */
  #carryOut(kind: FaultKind, member: SimulatedMember): boolean {
    switch (kind) {
      case 'kill':
      case 'powerLoss':
        return this.#stopProcess(kind, member);
      case 'pause':
        return this.#pause(member);
      case 'sleep':
        return this.#sleep(member);
      case 'wipeDisk':
        return this.#wipe(member);
      case 'slowDisk':
        return this.#slowDisk(member);
      case 'diskError':
        return this.#diskError(member);
      case 'clockStep':
        return this.#clockStep(member);
      case 'clockRate':
        member.host.setRate(1 + this.#random.between(-driftBound, driftBound));
        return true;
      case 'transfer':
        return this.#transfer();
      case 'close':
        return this.#close(member);
      case 'coups':
        return this.#coups();
      default:
        return this.#wires.strike(kind, member.name);
    }
  }

  #stopProcess(kind: 'kill' | 'powerLoss', member: SimulatedMember): boolean {
    if (!member.isUp) return false;
    if (kind === 'kill') this.#cluster.kill(member.name);
    else this.#cluster.powerOff(member.name);
    return this.#startLater(member);
  }

  #startLater(member: SimulatedMember): boolean {
    const downMs = this.#random.chance(0.4) ? this.#random.between(1, 200) : this.#random.between(200, 6_000);
    return this.#later(downMs, () => void this.#cluster.start(member.name));
  }

  #pause(member: SimulatedMember): boolean {
    const process = member.host.process;
    if (process === undefined || process.isPaused) return false;
    const forMs = this.#random.pick([20, 400, 1_500, 5_000]) * this.#random.next();
    this.#note(`${member.name} is paused for ${Math.round(forMs)} ms`);
    process.pause();
    return this.#later(forMs, () => process.resume());
  }

  #sleep(member: SimulatedMember): boolean {
    if (!member.isUp || member.host.process?.isPaused === true) return false;
    this.#note(`the machine of ${member.name} sleeps`);
    member.host.sleep();
    return this.#later(this.#random.between(100, 5_000), () => member.host.wake());
  }

  /** One disk per run, once all have entry 1: a majority of the first members must keep what it voted for. */
  #wipe(member: SimulatedMember): boolean {
    const { members } = this.#cluster;
    if (members.length < 3 || this.#wiped !== undefined || !members.every((one) => one.isBootstrapped))
      return false;
    this.#wiped = member.name;
    if (member.isUp) this.#cluster.kill(member.name);
    this.#note(`${member.name} gets a new disk`);
    member.disk.wipe();
    this.#onWiped(member.name);
    return this.#startLater(member);
  }

  /** The node whose disk was replaced: it waits to be admitted, and never votes again in this run. */
  get wiped(): string | undefined {
    return this.#wiped;
  }

  #slowDisk(member: SimulatedMember): boolean {
    const before = member.disk.profile;
    member.disk.profile = {
      syncMinMs: 20,
      syncMaxMs: this.#random.pick([200, 2_500]),
      stallChance: 0,
      stallMs: 0,
    };
    this.#note(`the disk of ${member.name} is slow`);
    return this.#later(this.#random.between(200, 4_000), () => {
      member.disk.profile = before;
    });
  }

  #diskError(member: SimulatedMember): boolean {
    if (!member.isUp) return false;
    member.disk.failChance = 1;
    return this.#later(this.#random.between(200, 3_000), () => {
      member.disk.failChance = 0;
      if (!hasFailed(member)) return;
      this.#cluster.kill(member.name);
      void this.#cluster.start(member.name);
    });
  }

  /** Log time holds against one wrong clock: steps of more would be another promise. */
  #clockStep(member: SimulatedMember): boolean {
    const wrong = this.#cluster.members.filter(({ host }) => Math.abs(host.wallOffsetMs) > 1_000);
    const isMinority = this.#cluster.members.length >= 3;
    const isAllowed = isMinority && (wrong.length === 0 || (wrong.length === 1 && wrong[0] === member));
    member.host.wallOffsetMs = isAllowed
      ? this.#random.pick([-1, 1]) * this.#random.pick([500, 1e5, 1e9])
      : 0;
    this.#note(`the wall clock of ${member.name} is off by ${Math.round(member.host.wallOffsetMs)} ms`);
    return true;
  }

  #transfer(): boolean {
    const leader = this.#cluster.leader();
    if (leader?.node === undefined) return false;
    const to = this.#random.pick(this.#cluster.names);
    this.#note(`${leader.name} is asked to hand over to ${to}`);
    leader.node.transferLeadership(to === leader.name ? {} : { to }).then(
      ({ gapMs }) => this.#note(`handed over in ${Math.round(gapMs)} ms`),
      (error: unknown) =>
        this.#note(`no hand-over: ${error instanceof Error ? error.message : String(error)}`),
    );
    return true;
  }

  #close(member: SimulatedMember): boolean {
    const { node } = member;
    const process = member.host.process;
    if (node === undefined || process === undefined) return false;
    this.#note(`${member.name} is closed`);
    const end = (): void => {
      if (process.isAlive) this.#cluster.kill(member.name);
    };
    node.close().then(end, end);
    return this.#later(this.#random.between(3_000, 8_000), () => {
      end();
      void this.#cluster.start(member.name);
    });
  }

  /** For a while no leader lasts: what one began the next must end (figure 8 of the paper). */
  #coups(): boolean {
    const { world } = this.#cluster;
    const untilMs = world.nowMs() + this.#random.between(500, 4_000);
    let seen = this.#cluster.leader()?.name;
    this.#note('no leader lasts');
    const watch = (): void => {
      if (!this.#isActive || world.nowMs() > untilMs) return;
      const leader = this.#cluster.leader();
      if (leader !== undefined && leader.name !== seen) {
        seen = leader.name;
        world.after(this.#random.between(0, 15), () => this.#stopProcess('kill', leader));
      }
      world.after(2, watch);
    };
    watch();
    return true;
  }

  #later(inMs: number, repair: () => void): true {
    const once = (): void => {
      if (this.#repairs.delete(once)) repair();
    };
    this.#repairs.add(once);
    this.#cluster.world.after(inMs, once);
    return true;
  }

  #note(text: string): void {
    this.#cluster.world.note(text);
  }
}

/** A node that stopped for good; only a new process helps. */
export function hasFailed(member: SimulatedMember): boolean {
  return member.isUp && member.node?.view().state === 'failed';
}
