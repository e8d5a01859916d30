import { type GroupId, mainGroup, type NodeId } from '../base/ids.ts';
import type { LocalGroup, LocalHello, Mesh } from '../mesh/types.ts';
import type { RaftView } from '../raft/types.ts';

/** What a hello says of `main`, which stands for the cluster. */
type Spoken = Pick<RaftView, 'clusterId' | 'term' | 'leaderId'>;

/**
 * Keeps current what this node says of itself in a hello, and whom the first entry of `main` admits. A group of which the
 * directory holds a record is said to be recorded also when this node does not host it any more: it must not be founded anew.
 */
export class Introduction {
  readonly #mesh: Mesh;
  readonly #hosted: ReadonlySet<GroupId>;
  readonly #recorded: Set<GroupId>;
  readonly #leaders = new Map<GroupId, NodeId | undefined>();
  #main: Spoken = { clusterId: undefined, term: 0, leaderId: undefined };
  #membership: RaftView['membership'] | undefined;

  /** @param recorded - the groups of which the directory held a record when it was opened. */
  constructor(mesh: Mesh, hosted: Iterable<GroupId>, recorded: Iterable<GroupId>) {
    this.#mesh = mesh;
    this.#hosted = new Set(hosted);
    this.#recorded = new Set(recorded);
  }

  /** Before anybody can ask. */
  start(): void {
    this.#say();
  }

  /** Something is on its way to the disk: from now on this node has a past in the group. */
  wrote(group: GroupId): void {
    if (this.#recorded.has(group)) return;
    this.#recorded.add(group);
    this.#say();
  }

  /** Called for every entry that commits, and hardly ever new. */
  update(group: GroupId, view: RaftView): void {
    let isNew = this.#leaders.get(group) !== view.leaderId;
    if (isNew) this.#leaders.set(group, view.leaderId);
    if (group === mainGroup) isNew = this.#updateMain(view) || isNew;
    if (isNew) this.#say();
  }

  #updateMain({ clusterId, term, leaderId, membership }: RaftView): boolean {
    const before = this.#main;
    const isOtherCluster = before.clusterId !== clusterId;
    if (this.#membership !== membership || isOtherCluster) {
      this.#membership = membership;
      const members = [...membership.voters, ...membership.learners];
      const admitted = new Map(members.map((member) => [member.id, member.incarnation]));
      this.#mesh.setMembers(clusterId === undefined ? undefined : admitted);
    }
    this.#main = { clusterId, term, leaderId };
    return isOtherCluster || before.term !== term || before.leaderId !== leaderId;
  }

  #say(): void {
    const groups = new Map<GroupId, LocalGroup>();
    for (const id of new Set([...this.#hosted, ...this.#recorded])) {
      const recorded = this.#recorded.has(id);
      groups.set(id, { hosted: this.#hosted.has(id), recorded, leaderId: this.#leaders.get(id) });
    }
    const hello: LocalHello = { ...this.#main, groups };
    this.#mesh.setLocal(hello);
  }
}
