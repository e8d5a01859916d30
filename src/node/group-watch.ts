import { type GroupId, mainGroup, type NodeId } from '../base/ids.ts';
import type { MeshPeer } from '../mesh/types.ts';
import type { NodeProblem } from './node-events.ts';

/** So many groups that this node does not host are told apart; messages for more are counted all the same. */
const unknownGroupsMax = 64;

/** Which groups the other members host, and which groups they speak of that this node does not. Nothing is decided by it. */
export class GroupWatch {
  readonly #lacking = new Map<NodeId, ReadonlySet<GroupId>>();
  readonly #unknown = new Set<string>();
  #unknownCount = 0;

  /** Messages for groups that this node does not host. */
  get unknownCount(): number {
    return this.#unknownCount;
  }

  /** Members that said they do not host the group when they were last met. */
  lacking(group: GroupId): readonly NodeId[] {
    return [...this.#lacking].flatMap(([peer, groups]) => (groups.has(group) ? [peer] : []));
  }

  /** A member was met, or met again. @returns what a person should know of it now and did not before. */
  met({ id, groups }: MeshPeer): readonly NodeProblem[] {
    const before = this.#lacking.get(id);
    const lacking = new Set([...groups].flatMap(([group, { hosted }]) => (hosted ? [] : [group])));
    this.#lacking.set(id, lacking);
    return [...lacking]
      .filter((group) => before?.has(group) !== true)
      .map((group) => ({ kind: 'groupsDiffer', message: lackingMessage(group, [id]), peer: id }));
  }

  /** A message was dropped. @returns what a person should know, once per member and group. */
  dropped(group: GroupId, from: NodeId): NodeProblem | undefined {
    this.#unknownCount++;
    const key = `${from} ${group}`;
    if (this.#unknown.has(key) || this.#unknown.size >= unknownGroupsMax) return undefined;
    this.#unknown.add(key);
    const message = `${from} speaks of the group ${group}, which this node does not host: name it in groups`;
    return { kind: 'unknownGroup', message, peer: from };
  }
}

export function lackingMessage(group: GroupId, peers: readonly NodeId[]): string {
  const verb = peers.length === 1 ? 'does' : 'do';
  const what = group === mainGroup ? 'main' : group;
  return `group ${what}: ${peers.join(', ')} ${verb} not host it; name it in groups there`;
}
