import { isRaftAlone } from './checkers/observed-message.ts';
import type { Coverage } from './coverage.ts';
import { drawPartition, partitionShapes } from './partition-shapes.ts';
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
    const shape = random.chance(0.2) ? 'leaderOnly' : random.pick(partitionShapes);
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

  #note(text: string): void {
    this.#options.cluster.world.note(text);
  }
}
