import type { Lane } from './lane.ts';
import { LeaderTable } from './leader-table.ts';
import type { NodeLink } from './node-link.ts';
import type { ShardStatus } from './types.ts';

/** The ways to one shard: its lane, the links to its nodes, and who leads there. */
export class Way {
  readonly lane: Lane;
  readonly leaders: LeaderTable = new LeaderTable();
  /** In the order of the shard file. */
  links: readonly NodeLink[] = [];
  #turn = 0;

  constructor(lane: Lane) {
    this.lane = lane;
  }

  /** Sends what waits to whoever leads now. @returns true if that is another node than before. */
  refresh(): boolean {
    const leader = this.leaders.leader;
    const link = this.links.find((each) => each.nodeId === leader?.id && each.isOpen);
    const isNew = link !== undefined && link !== this.lane.leader;
    this.lane.setLeader(link);
    return isNew;
  }

  /** A node for a read that any replica may answer: each in turn, the leader only if there is no other. */
  replica(): NodeLink | undefined {
    const { links, lane } = this;
    for (let step = 0; step < links.length; step++) {
      this.#turn = (this.#turn + 1) % links.length;
      const link = links[this.#turn]!;
      if (link.isOpen && !link.isFull && link !== lane.leader) return link;
    }
    return lane.state === 'open' ? links.find((link) => link === lane.leader) : undefined;
  }

  /** True if no node is connected and every one was tried. */
  get isDown(): boolean {
    return this.links.length > 0 && this.links.every((link) => link.isDown);
  }

  /** What keeps requests from being answered, in words. */
  describe(): string {
    const { shard } = this.lane;
    const named = this.leaders.named;
    const nodes = this.links.map(
      ({ nodeId, address, isOpen, lastError }) =>
        `${nodeId} (${address}): ${isOpen ? 'connected' : (lastError ?? 'not reached yet')}`,
    );
    const leader = named === undefined ? 'no leader is known' : `${named.id} led last, in term ${named.term}`;
    return `shard ${shard.name} did not answer in time; ${leader}; ${nodes.join('; ')}`;
  }

  status(heldBuckets: number): ShardStatus {
    const { lane } = this;
    const { name, number, namespace, cluster } = lane.shard;
    return {
      name,
      number,
      namespace,
      cluster,
      state: lane.state,
      leaderId: lane.leader?.nodeId,
      term: this.leaders.named?.term ?? 0,
      ...lane.entries.counts(),
      heldBuckets,
      nodes: this.links.map(({ nodeId, address, isOpen, lastError }) => ({
        id: nodeId,
        address,
        connected: isOpen,
        problem: lastError,
      })),
    };
  }
}
