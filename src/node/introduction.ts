import type { LocalHello, Mesh } from '../mesh/types.ts';
import type { RaftView } from '../raft/types.ts';

/** Keeps current what this node says of itself in a hello, and whom the first entry of the log admits. */
export class Introduction {
  readonly #mesh: Mesh;
  #pristine: boolean;
  #said: LocalHello | undefined;
  #membership: RaftView['membership'] | undefined;
  #view: RaftView | undefined;

  /** @param pristine - true when the directory held nothing at all. */
  constructor(mesh: Mesh, pristine: boolean) {
    this.#mesh = mesh;
    this.#pristine = pristine;
  }

  /** Something is on its way to the disk: from now on this node has a past. */
  wrote(): void {
    if (!this.#pristine) return;
    this.#pristine = false;
    if (this.#view !== undefined) this.update(this.#view);
  }

  update(view: RaftView): void {
    this.#view = view;
    const { clusterId, membership } = view;
    const clusterChanged = this.#said?.clusterId !== clusterId;
    this.#sayHello(view);
    if (this.#membership === membership && !clusterChanged) return;
    this.#membership = membership;
    const members = [...membership.voters, ...membership.learners];
    const admitted = new Map(members.map((member) => [member.id, member.incarnation]));
    this.#mesh.setMembers(clusterId === undefined ? undefined : admitted);
  }

  /** Called for every entry that commits, and hardly ever new. */
  #sayHello({ clusterId, term, leaderId }: RaftView): void {
    const said = this.#said;
    const pristine = this.#pristine;
    const isSame =
      said?.term === term &&
      said.leaderId === leaderId &&
      said.clusterId === clusterId &&
      said.pristine === pristine;
    if (isSame) return;
    this.#said = { clusterId, pristine, term, leaderId };
    this.#mesh.setLocal(this.#said);
  }
}
