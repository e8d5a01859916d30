import type { GroupId, NodeId } from '../base/ids.ts';
import type { Command, StateMachine } from '../ports/state-machine.ts';
import type { Lease, LogEntry, RaftView } from '../raft/types.ts';

/** How a proposed command ended. */
export type ProposeResult =
  | { readonly type: 'applied'; readonly index: number; readonly result: Uint8Array }
  /** Certainly not applied. */
  | {
      readonly type: 'refused';
      readonly why: 'notLeader' | 'transferring' | 'logFull' | 'busy' | 'closed' | 'failed';
    }
  /** Appended, then leadership or the node was lost: may have been applied, or may be yet. */
  | { readonly type: 'unknown' };

/** What the edges see of a group: propose, read, watch. One code path for production and simulation. */
export interface GroupHandle {
  readonly id: GroupId;
  readonly nodeId: NodeId;
  readonly machine: StateMachine;
  /** The state after the last step. */
  view(): RaftView;
  lease(): Lease | undefined;
  /** Index of the last applied entry and its stamp (Unix ms of log time). */
  applied(): { readonly index: number; readonly term: number; readonly stampMs: number };
  /** Queues a command; all of one turn share an entry. Calls back once, never inside the call. */
  propose(command: Command, done: (result: ProposeResult) => void): void;
  /** Calls back once the local state holds every write acknowledged before the call (ReadIndex), or with a refusal. */
  read(done: (result: 'ok' | 'notLeader' | 'busy' | 'closed') => void): void;
  /** Called after each step that changed the view, before its messages leave. Returns the unsubscriber. */
  onView(listener: (view: RaftView) => void): () => void;
  /** Called after each applied entry. Returns the unsubscriber. */
  onApplied(listener: (entry: LogEntry) => void): () => void;
}
