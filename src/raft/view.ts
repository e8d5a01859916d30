import type { Core } from './core.ts';
import type { RaftView } from './types.ts';

/** What is true now; the same object as before while nothing changed. */
export function makeView(core: Core, failed: string | undefined, before: RaftView | undefined): RaftView {
  const { log, members, leader } = core;
  const hasFailed = failed !== undefined;
  const view: RaftView = {
    role: hasFailed && core.role !== 'learner' ? 'follower' : core.role,
    term: core.term,
    leaderId: hasFailed ? undefined : core.leaderId,
    commitIndex: core.commitIndex,
    lastLogIndex: log.lastIndex,
    lastLogTerm: log.lastTerm,
    membership: members.membership,
    // Until entry 1 is committed another first leader may still mint another id.
    clusterId: core.commitIndex >= 1 ? members.bootstrap?.clusterId : undefined,
    awaitingAdmission: core.notAdmitted && log.lastIndex === 0,
    quorumContactMs: leader === undefined ? core.leaderContactMs : leader.quorumContactMs,
    transferringTo: hasFailed ? undefined : leader?.transferringTo,
    failed,
  };
  return before !== undefined && isSame(view, before) ? before : view;
}

function isSame(a: RaftView, b: RaftView): boolean {
  return (
    a.role === b.role &&
    a.term === b.term &&
    a.leaderId === b.leaderId &&
    a.commitIndex === b.commitIndex &&
    a.lastLogIndex === b.lastLogIndex &&
    a.lastLogTerm === b.lastLogTerm &&
    a.membership === b.membership &&
    a.clusterId === b.clusterId &&
    a.awaitingAdmission === b.awaitingAdmission &&
    a.quorumContactMs === b.quorumContactMs &&
    a.transferringTo === b.transferringTo &&
    a.failed === b.failed
  );
}
