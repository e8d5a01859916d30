import { describe, expect, it } from 'vitest';
import { groupId } from '../../src/base/ids.ts';
import { MemoryDisk } from '../../src/storage/memory/memory-disk.ts';
import { Cluster } from './cluster.ts';

const ids = ['a', 'b', 'c'];
const names = ['main', 'books', 'films', 'games'];

/** Numbers below a bound, the same for the same seed. */
function drawsOf(seed: number): (bound: number) => number {
  let state = seed * 2_654_435_761;
  return (bound) => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return Math.floor((state / 2 ** 32) * bound);
  };
}

/** A cluster whose nodes die, come back with other groups, are cut off and are asked to hand over, while somebody watches. */
class Storm {
  readonly cluster: Cluster = new Cluster(3);
  /** Every cluster id that a group ever had, and who led it in each term. */
  readonly clusterIds: Map<string, Set<string>> = new Map(names.map((name) => [name, new Set()]));
  readonly leaders: Map<string, string> = new Map();
  readonly #draw: (bound: number) => number;
  #wiped: string | undefined;

  constructor(seed: number) {
    this.#draw = drawsOf(seed);
  }

  get wiped(): string | undefined {
    return this.#wiped;
  }

  async start(id: string, groups: readonly string[]): Promise<void> {
    const node = await this.cluster.start(id, { groups });
    for (const group of node.groups()) {
      group.onView(({ role, term, clusterId }) => {
        if (clusterId !== undefined) this.clusterIds.get(group.id)?.add(clusterId);
        if (role !== 'leader') return;
        const key = `${group.id} ${term}`;
        expect([key, this.leaders.get(key) ?? id]).toEqual([key, id]);
        this.leaders.set(key, id);
      });
    }
  }

  async step(): Promise<void> {
    const { cluster } = this;
    const id = ids[this.#draw(3)]!;
    const running = cluster.running.get(id)?.node;
    const what = this.#draw(12);
    if (running === undefined) await this.start(id, this.#someGroups());
    else if (what < 3) cluster.kill(id);
    else if (what === 3) cluster.network.cut(id, ids[this.#draw(3)]!);
    else if (what < 6) cluster.network.heal();
    else if (what === 6 && this.#wiped === undefined) this.#wipe(id);
    else this.#use(id);
    await cluster.clock.advance(this.#draw(1_500));
  }

  /** A disk that was part of something is lost; such a node may not come back in this slice. */
  #wipe(id: string): void {
    this.cluster.kill(id);
    this.cluster.disks.set(id, new MemoryDisk());
    this.#wiped = id;
  }

  #use(id: string): void {
    for (const group of this.cluster.node(id).groups()) {
      if (group.view().role !== 'leader') continue;
      if (this.#draw(3) === 0) {
        this.cluster
          .node(id)
          .transferLeadership({ group: group.id })
          .catch(() => {});
      } else for (let n = 0; n < 3; n++) group.propose(Uint8Array.of(n), () => {});
    }
  }

  #someGroups(): readonly string[] {
    return this.#draw(3) > 0 ? names : names.filter(() => this.#draw(2) === 0);
  }
}

describe('nodes with several groups in a storm', () => {
  it.each(Array.from({ length: 12 }, (_, seed) => seed + 1))(
    'found each group once, lead it one a term, and agree when it is over (seed %i)',
    async (seed) => {
      const storm = new Storm(seed);
      const { cluster } = storm;
      for (const id of ids) await storm.start(id, names);
      await cluster.clock.advance(1_000);
      for (let n = 0; n < 40; n++) await storm.step();
      cluster.network.heal();
      for (const id of cluster.running.keys()) cluster.kill(id);
      for (const id of ids) await storm.start(id, names);
      await cluster.clock.advance(8_000);
      const whole = ids.filter((id) => id !== storm.wiped);
      for (const name of names) {
        expect([name, storm.clusterIds.get(name)?.size]).toEqual([name, 1]);
        const views = whole.map((id) => {
          const group = cluster.node(id).group(name);
          return [
            name,
            group.view().clusterId,
            group.view().leaderId,
            group.applied().index,
            group.machine.digest(),
          ];
        });
        for (const view of views) expect(view).toEqual(views[0]);
        expect(views[0]?.[2]).toBeDefined();
        const kept = cluster.disks.get(whole[0]!)?.groups.get(groupId(name))?.entries.length ?? 0;
        expect(kept).toBeGreaterThanOrEqual(Number(views[0]?.[3]));
      }
      await cluster.close();
    },
  );
});
