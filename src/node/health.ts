import type { NodeId } from '../base/ids.ts';
import type { MemberIdentity, RaftView, Role } from '../raft/types.ts';

/** `normal`: all members up. `warning`: a quorum, but less tolerance or something to look at. `abnormal`: no quorum, or no leader. */
export type Health = 'normal' | 'warning' | 'abnormal';
/** `isolated`: no contact with a quorum for an election timeout. `awaitingAdmission`: a wiped or new disk that no membership names. */
export type NodeState = 'running' | 'isolated' | 'awaitingAdmission' | 'stopped' | 'failed';

/** Something a person should look at, though the node works. */
export interface Warning {
  readonly code:
    | 'peersDiffer'
    | 'clockSkew'
    | 'slowDisk'
    | 'evenMembers'
    | 'meshProblem'
    | 'groupsDiffer'
    | 'unusedGroup';
  readonly message: string;
}

export interface HealthReport {
  readonly health: Health;
  /** How many more members may go away before there is no quorum; 0 when there is none to spare or none at all. */
  readonly failuresTolerated: number;
  /** In words. */
  readonly reason: string;
}

export interface HealthFacts {
  readonly id: NodeId;
  readonly state: NodeState;
  /** Why the node failed. */
  readonly failure: string | undefined;
  readonly role: Role;
  readonly leaderId: NodeId | undefined;
  /** Ids of the configuration in force, or of the configured peers while there is none. */
  readonly voters: readonly NodeId[];
  /** This node's own links. */
  readonly connected: ReadonlySet<NodeId>;
  readonly warnings: readonly Warning[];
}

/** Judges the cluster as this node sees it, by its own links. */
export function judgeHealth(facts: HealthFacts): HealthReport {
  const up = facts.voters.filter((voter) => voter === facts.id || facts.connected.has(voter));
  const quorum = Math.floor(facts.voters.length / 2) + 1;
  const failuresTolerated = Math.max(0, up.length - quorum);
  const report = (health: Health, reason: string): HealthReport => ({ health, failuresTolerated, reason });
  switch (facts.state) {
    case 'failed':
      return {
        health: 'abnormal',
        failuresTolerated: 0,
        reason: `this node failed: ${facts.failure ?? 'unknown'}`,
      };
    case 'stopped':
      return { health: 'abnormal', failuresTolerated: 0, reason: 'this node is stopped' };
    case 'awaitingAdmission':
      return report('abnormal', 'the cluster does not know the disk of this node; it waits to be admitted');
    default:
  }
  const missing = facts.voters.filter((voter) => !up.includes(voter));
  const upOfAll = `${up.length} of ${facts.voters.length} voters are up`;
  if (up.length < quorum)
    return report('abnormal', `${upOfAll}, a quorum is ${quorum}; missing: ${missing.join(', ')}`);
  if (facts.state === 'isolated')
    return report('abnormal', `${upOfAll}, but no leader was heard for an election timeout`);
  if (facts.leaderId === undefined) return report('abnormal', `${upOfAll}; no leader is known yet`);
  if (missing.length > 0) return report('warning', `${upOfAll}; missing: ${missing.join(', ')}`);
  const [warning] = facts.warnings;
  return warning === undefined ? report('normal', `${upOfAll}`) : report('warning', warning.message);
}

/** The members that count: those of the log, or the configured ones while the log names none. */
export function votersOf(view: RaftView, configured: readonly NodeId[]): readonly NodeId[] {
  const voters = view.membership.voters.map((member: MemberIdentity) => member.id);
  return view.clusterId === undefined || voters.length === 0 ? configured : voters;
}
