import { isRaftAlone } from './checkers/observed-message.ts';
import type { Coverage } from './coverage.ts';
import { drawPartition, type PartitionShape, partitionShapes } from './partition-shapes.ts';
import type { Prng } from './prng.ts';
import type { SimulatedCluster } from './simulated-cluster.ts';
import { quickWire } from './wires.ts';

/** Faults of the wires between nodes. */
export const wireFaultKinds = [
  'reset',
  'deaf',
  'refuseDials',
  'slowWire',
  'messageFaults',
  'partition',
  'usurp',
] as const;
export type WireFaultKind = (typeof wireFaultKinds)[number];

export interface WireNemesisOptions {
  readonly cluster: SimulatedCluster;
  readonly random: Prng;
  readonly coverage: Coverage;
  /** Plans the end of a fault. */
  readonly later: (inMs: number, repair: () => void) => void;
}

/** Resets, slows, cuts and scrambles what goes between nodes. */
export class WireNemesis {
  readonly #options: WireNemesisOptions;

  constructor(options: WireNemesisOptions) {
    this.#options = options;
  }

  /** @returns false where the fault could not be made now. */
  strike(kind: WireFaultKind, name: string): boolean {
    const { random, later } = this.#options;
    const { network, names } = this.#options.cluster;
    switch (kind) {
      case 'reset':
        return network.reset(name, random.pick(names)) > 0;
      case 'deaf':
        network.setDeaf(name, true);
        this.#note(`${name} accepts and reads nothing`);
        later(random.between(100, 4_000), () => network.setDeaf(name, false));
        return true;
      case 'refuseDials':
        network.setRefusing(name, true);
        later(random.between(100, 3_000), () => network.setRefusing(name, false));
        return true;
      case 'slowWire':
        return this.#slowWire(name);
      case 'messageFaults':
        return this.#messageFaults();
      case 'partition':
        return this.#partition();
      case 'usurp':
        return this.#usurp();
    }
  }

  #slowWire(name: string): boolean {
    const { random, cluster, later } = this.#options;
    const other = random.pick(cluster.names);
    const profile = { ...quickWire, delayMinMs: 50, delayMaxMs: 700, bytesPerMs: 20 };
    cluster.network.setWire(name, other, profile);
    later(random.between(500, 5_000), () => cluster.network.setWire(name, other, quickWire));
    return true;
  }

  #messageFaults(): boolean {
    const { random, cluster, later } = this.#options;
    const chance = (): number => random.pick([0, 0.02, 0.2]);
    const faults = {
      dropChance: chance(),
      duplicateChance: chance(),
      reorderChance: chance(),
      reorderMs: random.pick([5, 300, 2_000]),
      concerns: isRaftAlone,
    };
    cluster.network.setMessageFaults(faults, cluster.names);
    this.#note(`frames between nodes: ${JSON.stringify(faults)}`);
    later(random.between(500, 6_000), () => cluster.network.setMessageFaults(undefined));
    return true;
  }

  #partition(): boolean {
    const { random, cluster, coverage, later } = this.#options;
    const { network, names } = cluster;
    const shape = this.#drawShape();
    const cut = drawPartition(shape, names, cluster.leader()?.name, random);
    if (cut === undefined) return false;
    this.#note(`partition ${shape}: ${cut.cut.map(([from, to]) => `${from}>${to}`).join(' ')}`);
    coverage.count(`shape ${shape}`);
    const withReset = random.chance(0.5);
    for (const [from, to] of cut.cut) {
      network.block(from, to);
      if (withReset) network.reset(from, to);
    }
    later(random.pick([300, 2_000, 8_000]) * random.next(), () => {
      for (const [from, to] of cut.cut) network.unblock(from, to);
      this.#note(`partition ${shape} is over`);
    });
    return true;
  }

  #drawShape(): PartitionShape {
    const { random, cluster } = this.#options;
    const mood = random.next();
    // Two shapes need five nodes, which few worlds have.
    if (mood < 0.3 && cluster.names.length >= 5)
      return random.pick(['majoritiesRing', 'constrainedElection'] as const);
    return random.pick(partitionShapes);
  }

  /** One follower misses some rounds, then the leader seems gone to all: the next leader must honour promises that others gave. */
  #usurp(): boolean {
    const { random, cluster, later } = this.#options;
    const { network } = cluster;
    const leader = cluster.leader()?.name;
    const others = cluster.names.filter((name) => name !== leader);
    if (leader === undefined || others.length < 2) return false;
    const behind = random.pick(others);
    this.#note(`${behind} misses rounds of ${leader}, then ${leader} seems gone`);
    this.#cut(leader, [behind]);
    let isOver = false;
    cluster.world.after(random.between(200, 900), () => {
      if (isOver) return;
      this.#cut(leader, others);
      for (const other of others) network.reset(leader, other);
    });
    later(random.between(1_500, 4_000), () => {
      isOver = true;
      for (const other of others) {
        network.unblock(leader, other);
        network.unblock(other, leader);
      }
    });
    return true;
  }

  #cut(name: string, others: readonly string[]): void {
    for (const other of others) {
      this.#options.cluster.network.block(name, other);
      this.#options.cluster.network.block(other, name);
    }
  }

  #note(text: string): void {
    this.#options.cluster.world.note(text);
  }
}
