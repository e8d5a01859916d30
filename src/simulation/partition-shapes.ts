import type { Prng } from './prng.ts';

/** Which wires a partition cuts: pairs of (from, to), each one direction. */
export interface Cut {
  readonly shape: PartitionShape;
  readonly cut: readonly (readonly [from: string, to: string])[];
}

export const partitionShapes = [
  'isolateOne',
  'leaderOnly',
  'halves',
  'majoritiesRing',
  'bridge',
  'oneWayIn',
  'oneWayOut',
  'chained',
  'quorumLoss',
  'constrainedElection',
] as const;
export type PartitionShape = (typeof partitionShapes)[number];

interface Named {
  /** Below this size the shape cuts nothing or everything. */
  readonly sizeMin: number;
  draw(
    nodes: readonly string[],
    leader: string | undefined,
    random: Prng,
  ): readonly (readonly [string, string])[];
}

/** The last three are the partial partitions of the OmniPaxos paper (EuroSys 2023, section 2). */
const shapes: Readonly<Record<PartitionShape, Named>> = {
  isolateOne: { sizeMin: 2, draw: (nodes, _, random) => isolate(nodes, random.pick(nodes)) },
  leaderOnly: {
    sizeMin: 2,
    draw: (nodes, leader, random) => isolate(nodes, leader ?? random.pick(nodes)),
  },
  halves: {
    sizeMin: 2,
    draw: (nodes, _, random) => {
      const mixed = random.shuffled(nodes);
      const left = new Set(mixed.slice(0, 1 + random.below(nodes.length - 1)));
      return keepOnly(nodes, (a, b) => left.has(a) === left.has(b));
    },
  },
  /** Every node sees a majority, no two the same one. */
  majoritiesRing: {
    sizeMin: 4,
    draw: (nodes, _, random) => {
      const ring = random.shuffled(nodes);
      return keepOnly(ring, (a, b) => areNeighbours(ring, a, b));
    },
  },
  bridge: {
    sizeMin: 3,
    draw: (nodes, _, random) => {
      const [middle, ...rest] = random.shuffled(nodes);
      const left = new Set(rest.slice(0, Math.ceil(rest.length / 2)));
      return keepOnly(nodes, (a, b) => a === middle || b === middle || left.has(a) === left.has(b));
    },
  },
  oneWayIn: {
    sizeMin: 2,
    draw: (nodes, _, random) => {
      const deaf = random.pick(nodes);
      return nodes.filter((node) => node !== deaf).map((node) => [node, deaf] as const);
    },
  },
  oneWayOut: {
    sizeMin: 2,
    draw: (nodes, _, random) => {
      const mute = random.pick(nodes);
      return nodes.filter((node) => node !== mute).map((node) => [mute, node] as const);
    },
  },
  /** A line: the leader loses one follower, both still see the middle. */
  chained: {
    sizeMin: 3,
    draw: (nodes, leader, random) => {
      const line = random.shuffled(nodes);
      if (leader !== undefined)
        line.splice(0, line.length, leader, ...line.filter((node) => node !== leader));
      return keepOnly(line, (a, b) => Math.abs(line.indexOf(a) - line.indexOf(b)) === 1);
    },
  },
  /** All wires but those of one follower, the hub: the leader is alive and has no quorum. */
  quorumLoss: {
    sizeMin: 3,
    draw: (nodes, leader, random) => {
      const hub = random.pick(nodes.filter((node) => node !== leader));
      return keepOnly(nodes, (a, b) => a === hub || b === hub);
    },
  },
  /** The leader is gone from all; the others see each other only through a hub. */
  constrainedElection: {
    sizeMin: 4,
    draw: (nodes, leader, random) => {
      const gone = leader ?? nodes[0]!;
      const hub = random.pick(nodes.filter((node) => node !== gone));
      return keepOnly(nodes, (a, b) => a !== gone && b !== gone && (a === hub || b === hub));
    },
  },
};

/** @returns the cut of a named shape, or undefined where the cluster is too small for it. */
export function drawPartition(
  shape: PartitionShape,
  nodes: readonly string[],
  leader: string | undefined,
  random: Prng,
): Cut | undefined {
  if (nodes.length < shapes[shape].sizeMin) return undefined;
  return { shape, cut: shapes[shape].draw(nodes, leader, random) };
}

function isolate(nodes: readonly string[], one: string): readonly (readonly [string, string])[] {
  return keepOnly(nodes, (a, b) => a !== one && b !== one);
}

function keepOnly(
  nodes: readonly string[],
  isKept: (a: string, b: string) => boolean,
): readonly (readonly [string, string])[] {
  const cut: (readonly [string, string])[] = [];
  for (const a of nodes) {
    for (const b of nodes) if (a !== b && !isKept(a, b)) cut.push([a, b]);
  }
  return cut;
}

function areNeighbours(ring: readonly string[], a: string, b: string): boolean {
  const distance = Math.abs(ring.indexOf(a) - ring.indexOf(b));
  return distance === 1 || distance === ring.length - 1;
}
