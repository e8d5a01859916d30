import type { NodeId } from '../base/ids.ts';
import type { RaftView } from '../raft/types.ts';
import { lackingMessage } from './group-watch.ts';
import type { GroupStatus } from './node-events.ts';
import type { GroupHandle } from './types.ts';

/** @param lacking - members that do not host the group. */
export function statusOfGroup(group: GroupHandle, lacking: readonly NodeId[], isOver: boolean): GroupStatus {
  const view = group.view();
  return {
    id: group.id,
    clusterId: view.clusterId ?? null,
    role: view.role,
    term: view.term,
    leaderId: isOver ? null : (view.leaderId ?? null),
    commitIndex: view.commitIndex,
    appliedIndex: group.applied().index,
    lastLogIndex: view.lastLogIndex,
    reason: isOver ? 'this node is stopped' : reasonOf(group, view, lacking),
  };
}

function reasonOf({ id, nodeId }: GroupHandle, view: RaftView, lacking: readonly NodeId[]): string {
  if (view.leaderId === nodeId) return 'this node leads';
  if (view.leaderId !== undefined) return `${view.leaderId} leads`;
  if (view.awaitingAdmission) return 'the disk of this node waits to be admitted';
  if (view.lastLogIndex > 0 || view.membership.voters.length > 0) return 'no leader is known yet';
  const why = lacking.length === 0 ? 'all members must be connected' : lackingMessage(id, lacking);
  return `not founded yet: ${why}`;
}
