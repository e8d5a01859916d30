import type { Role } from '../raft/types.ts';
import type { Health, NodeState, Warning } from './health.ts';

/** What a node is, as one value: what `observe()` gives and events carry. */
export interface NodeView {
  readonly state: NodeState;
  readonly role: Role;
  readonly term: number;
  /** null while no leader is known. */
  readonly leaderId: string | null;
  readonly health: Health;
  /** Views that this reader did not see, because newer ones replaced them. */
  readonly missed: number;
}

/** A callback of `runWhileLeader` threw while it was in its scope. */
export interface ScopeErrorEvent {
  readonly error: unknown;
  readonly term: number;
  /** When this node is ready to run the callback again; undefined when it was no failure of a held scope, or `onError` is `stop`. */
  readonly retryInMs: number | undefined;
}

/** Something a person should know: it is also logged, and repeated only when it has been over. */
export interface NodeProblem {
  readonly kind: string;
  readonly message: string;
  readonly peer: string | undefined;
}

/** What a node emits, by name, with the arguments of each listener. */
export interface NodeEvents {
  /** Another leader is known, or none any more. */
  leaderChange: [view: NodeView];
  /** `state`, `role` or `health` is another one. */
  stateChange: [view: NodeView];
  /** The callback of `runWhileLeader` threw. */
  scopeError: [event: ScopeErrorEvent];
  problem: [problem: NodeProblem];
}

/** One member as this node sees it. */
export interface MemberStatus {
  readonly id: string;
  readonly voter: boolean;
  readonly self: boolean;
  readonly connected: boolean;
  readonly lastError: string | null;
}

/** One group as this node sees it. */
export interface GroupStatus {
  readonly id: string;
  /** Minted by the group's first leader; null until then. The one of `main` is the cluster's. */
  readonly clusterId: string | null;
  readonly role: Role;
  readonly term: number;
  readonly leaderId: string | null;
  readonly commitIndex: number;
  readonly appliedIndex: number;
  readonly lastLogIndex: number;
  /** In words: who leads, or why nobody does. */
  readonly reason: string;
}

/** Plain data: what an operator asks of one node. Holds no secret and no payload. */
export interface NodeStatus {
  readonly id: string;
  readonly cluster: string;
  /** null until the first leader has minted it. */
  readonly clusterId: string | null;
  /** The address others can dial; null when this node does not listen itself. */
  readonly address: string | null;
  readonly state: NodeState;
  readonly role: Role;
  readonly term: number;
  readonly leaderId: string | null;
  readonly health: Health;
  readonly failuresTolerated: number;
  readonly reason: string;
  readonly warnings: readonly Warning[];
  readonly members: readonly MemberStatus[];
  readonly commitIndex: number;
  readonly appliedIndex: number;
  readonly lastLogIndex: number;
  /** Well-formed messages that could not be, dropped since the start. */
  readonly rejectedCount: number;
  /** Messages for groups that this node does not host, dropped since the start. */
  readonly unknownGroupCount: number;
  /** All groups that this node hosts, `main` first. */
  readonly groups: readonly GroupStatus[];
  /** The open scope of `runWhileLeader`; null when there is none. */
  readonly scope: {
    readonly term: number;
    readonly fencingToken: number;
    readonly remainingMs: number;
  } | null;
}
