import type { NodeId } from '../base/ids.ts';

/** A handover under way: proposals wait, the target catches up, then TimeoutNow leaves once. */
export class Transfer {
  readonly to: NodeId;
  readonly id: number;
  readonly scopeClosed: boolean;
  readonly deadlineMs: number;
  /** TimeoutNow has left: no lease is asked for any more. */
  sent = false;

  constructor(to: NodeId, id: number, scopeClosed: boolean, deadlineMs: number) {
    this.to = to;
    this.id = id;
    this.scopeClosed = scopeClosed;
    this.deadlineMs = deadlineMs;
  }
}
