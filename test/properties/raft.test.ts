import { describe, expect, it } from 'vitest';
import { type Faults, type Tally, World } from './raft-world.ts';

const seeds = Number(process.env.RAFT_SEEDS ?? 300);
const firstSeed = Number(process.env.RAFT_SEED ?? 1);
const safetyMs = 5_000;
/** Ten election timeouts (300 ms) without faults: a leader must be there and everything equal. */
const livenessMs = 3_000;
const calm: Faults = { drop: 0, duplicate: 0, slow: 0, slowDisk: 0, chaos: 0 };

describe('a group of cores under drop, duplicate, reorder, delay, partition, crash, pause, slow disks and drifting clocks', () => {
  it(`keeps its promises for ${seeds} seeds, then elects a leader and converges`, () => {
    const total = new Map<string, number>();
    for (let seed = firstSeed; seed < firstSeed + seeds; seed += 1) {
      for (const [name, count] of Object.entries(runSeed(seed))) {
        total.set(name, (total.get(name) ?? 0) + count);
      }
    }
    if (process.env.RAFT_TALLY) console.log(JSON.stringify(Object.fromEntries(total)));
    if (seeds >= 100) {
      for (const [name, count] of total) expect(count, `${name} happened`).toBeGreaterThan(0);
    }
  }, 120_000);

  it('puts out the same bytes for the same inputs', () => {
    const [first, again] = [7, 7].map((seed) => {
      const transcript: string[] = [];
      runSeed(seed, transcript);
      return transcript;
    });
    expect(first!.length).toBeGreaterThan(500);
    expect(again).toEqual(first);
  });
});

describe('a group of cores without faults', () => {
  it('keeps its first leader for ten minutes', () => {
    const world = new World(3, 3, calm);
    world.runUntil(600_000);
    expect(world.tally.elections).toBe(1);
  });

  it('is led within 100 ms of a cold start', () => {
    const world = new World(4, 5, calm);
    world.runUntil(100);
    expect(world.machines.filter(({ role }) => role === 'leader')).toHaveLength(1);
  });
});

function runSeed(seed: number, transcript?: string[]): Tally {
  const draw = (share: number): number =>
    (Math.imul(seed, 2_654_435_761) >>> 0) % 1000 < share * 1000 ? 1 : 0;
  const world = new World(seed, seed % 4 === 0 ? 5 : 3, {
    drop: draw(0.6) * 0.05,
    duplicate: draw(0.5) * 0.1,
    slow: draw(0.7) * 0.08,
    slowDisk: draw(0.4) * 0.05,
    chaos: 1,
  });
  world.isRecorded = transcript !== undefined;
  try {
    disturb(world);
    world.runUntil(safetyMs);
    calmDown(world);
    converge(world);
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    throw new Error(
      `seed ${seed}: ${why}; replay: RAFT_SEED=${seed} RAFT_SEEDS=1 npx vitest run test/properties/raft.test.ts`,
    );
  }
  transcript?.push(...world.transcript);
  return world.tally;
}

/** Draws what happens next, step by step, until the safety phase is over. */
function disturb(world: World): void {
  let at = 100;
  while (at < safetyMs) {
    world.runUntil(at);
    at += world.between(1, 60);
    if (world.chance(0.7)) world.propose();
    if (world.chance(0.4)) world.read();
    if (world.chance(0.03)) world.crash(world.pick(world.machines));
    if (world.chance(0.03)) for (const machine of world.machines) if (world.chance(0.2)) world.crash(machine);
    if (world.chance(0.12)) world.start(world.pick(world.machines));
    if (world.chance(0.03)) world.pause(world.pick(world.machines), world.between(10, 900));
    if (world.chance(0.04)) world.transfer();
    if (world.chance(0.01)) world.abdicate();
    if (world.chance(0.02)) world.falseGone();
    if (world.chance(0.03)) cutSome(world);
    if (world.chance(0.03)) severLeader(world);
    if (world.chance(0.04)) world.heal();
    if (world.chance(0.1)) world.judgeLogs();
  }
}

function cutSome(world: World): void {
  world.tally.partitions += 1;
  const oneWay = world.chance(0.3);
  const density = world.pick([0.2, 0.5, 1]);
  const island = world.pick(world.machines);
  for (const a of world.machines) {
    for (const b of world.machines) {
      if (a === b || (density === 1 && a !== island && b !== island)) continue;
      if (oneWay && a.id < b.id) continue;
      if (world.chance(density)) world.cut(a, b);
    }
  }
}

/** The case that a lease must survive: the leader is cut off and replaced at once, while it still thinks it holds. */
function severLeader(world: World): void {
  const leader = world.machines.find(({ role }) => role === 'leader');
  if (leader === undefined) return;
  world.tally.partitions += 1;
  for (const other of world.machines) if (other !== leader) world.sever(leader, other);
}

function calmDown(world: World): void {
  world.setFaults(calm);
  world.heal();
  for (const machine of world.machines) world.start(machine);
  world.runUntil(world.tau + 1_000);
}

function converge(world: World): void {
  const until = world.tau + livenessMs;
  while (world.tau < until) {
    world.runUntil(world.tau + 50);
    world.propose();
  }
  world.runUntil(world.tau + 300);
  world.judgeLogs();
  const leaders = world.machines.filter(({ role }) => role === 'leader');
  if (leaders.length !== 1) world.fail(`L1: ${leaders.length} leaders after the heal`);
  const [leader] = leaders;
  if (leader!.commit !== leader!.memory.length) world.fail('L1: the leader does not commit');
  for (const machine of world.machines) {
    if (machine.commit !== leader!.commit) world.fail(`L1: ${machine.id} is at ${machine.commit}`);
  }
}
