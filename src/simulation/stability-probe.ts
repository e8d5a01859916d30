import type { Coverage } from './coverage.ts';
import type { Prng } from './prng.ts';
import type { SimulatedCluster, SimulatedMember } from './simulated-cluster.ts';

/** What must not cost a leader its office (L2). */
const spared = ['followerCut', 'followerKilled', 'linkCut', 'leaderStall'] as const;
type Disturbance = (typeof spared)[number];
/** All wires but those of one follower are cut: the leader keeps it, and must not keep it from leading the others (pitfall 47). */
const clinging = 'leaderClings';
export const disturbances: readonly string[] = [...spared, clinging];

const longMs = 5_000;
/** Less than half of the shortest election timeout, as a full collection of a large heap is. */
const stallMs = 400;

export interface StabilityProbeOptions {
  readonly cluster: SimulatedCluster;
  readonly random: Prng;
  readonly coverage: Coverage;
  /** A node that must not be counted on. */
  readonly wiped: string | undefined;
  readonly leaderChanges: () => number;
}

/** One thing goes wrong in calm weather: a cut link, a stale node that comes back, a stall. @returns what it cost, if anything. */
export async function probeStability(options: StabilityProbeOptions): Promise<string | undefined> {
  const { cluster, random, coverage, wiped, leaderChanges } = options;
  const leader = cluster.leader();
  const followers = cluster.members.filter(({ name }) => name !== leader?.name && name !== wiped);
  // Without this follower there must still be a quorum.
  if (leader === undefined || followers.length < Math.floor(cluster.members.length / 2) + 1) return undefined;
  if (followers.length >= 4 && random.chance(0.4))
    return probeClinging(options, leader, random.pick(followers).name);
  const disturbance = random.pick(spared);
  cluster.world.note(`--- in calm weather: ${disturbance}`);
  coverage.count(`reached probe ${disturbance}`);
  const before = leaderChanges();
  await disturb(disturbance, cluster, leader, random.pick(followers));
  await cluster.world.run(cluster.world.nowMs() + longMs);
  return leaderChanges() === before ? undefined : `keep its leader through ${disturbance} (L2)`;
}

async function probeClinging(
  { cluster, coverage }: StabilityProbeOptions,
  leader: SimulatedMember,
  kept: string,
): Promise<string | undefined> {
  const { world, network, names } = cluster;
  world.note(`--- in calm weather: all, ${leader.name} too, reach ${kept} alone`);
  coverage.count(`reached probe ${clinging}`);
  const ends = names.filter((name) => name !== kept);
  for (const from of ends) for (const to of ends) if (from !== to) network.block(from, to);
  const isReplaced = (): boolean => cluster.members.some((member) => member !== leader && member.leads);
  await world.run(world.nowMs() + longMs * 2, isReplaced);
  const replaced = isReplaced();
  network.healAll();
  await world.run(world.nowMs() + longMs);
  return replaced ? undefined : 'replace a leader that had lost its quorum (L1, pitfall 47)';
}

async function disturb(
  disturbance: Disturbance,
  cluster: SimulatedCluster,
  leader: SimulatedMember,
  follower: SimulatedMember,
): Promise<void> {
  const { world, network, names } = cluster;
  const cut = async (others: readonly string[]): Promise<void> => {
    for (const other of others) {
      network.block(follower.name, other);
      network.block(other, follower.name);
    }
    await world.run(world.nowMs() + longMs);
    network.healAll();
  };
  switch (disturbance) {
    case 'followerCut':
      return cut(names.filter((name) => name !== follower.name));
    case 'linkCut':
      return cut([leader.name]);
    case 'followerKilled':
      cluster.kill(follower.name);
      await world.run(world.nowMs() + longMs);
      void cluster.start(follower.name);
      return;
    case 'leaderStall': {
      const process = leader.host.process;
      process?.pause();
      await world.run(world.nowMs() + stallMs);
      process?.resume();
    }
  }
}
