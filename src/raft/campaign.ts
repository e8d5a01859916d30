import type { NodeId } from '../base/ids.ts';
import { hasQuorum, type Voters } from './quorum.ts';
import { Stamps } from './stamps.ts';
import type { Term, VoteRefusal } from './types.ts';

/** The answers to one pre-vote or one vote: keyed by voter, the first final one counts (pitfall 7). */
export class Campaign {
  readonly phase: 'pre' | 'real';
  readonly term: Term;
  readonly requestId: number;
  readonly transferId: number | undefined;
  /** The clocks of those that answered; the leader goes on with them. */
  readonly stamps: Stamps = new Stamps();
  readonly #granted = new Set<NodeId>();
  readonly #refused = new Map<NodeId, VoteRefusal>();
  /** Monotonic ms at which the longest promise of a granting voter ends. */
  promisedUntilMs: number = Number.NEGATIVE_INFINITY;

  constructor(phase: 'pre' | 'real', term: Term, requestId: number, transferId: number | undefined) {
    this.phase = phase;
    this.term = term;
    this.requestId = requestId;
    this.transferId = transferId;
  }

  grant(id: NodeId, promisedUntilMs: number): void {
    if (this.#granted.has(id) || this.#isFinal(id)) return;
    this.#refused.delete(id);
    this.#granted.add(id);
    this.promisedUntilMs = Math.max(this.promisedUntilMs, promisedUntilMs);
  }

  refuse(id: NodeId, why: VoteRefusal): void {
    if (!this.#granted.has(id) && !this.#isFinal(id)) this.#refused.set(id, why);
  }

  /** Silent so far, or refused for a reason that passes. */
  isOpen(id: NodeId): boolean {
    return !this.#granted.has(id) && !this.#isFinal(id);
  }

  isWon(voters: Voters): boolean {
    return hasQuorum(voters, (id) => this.#granted.has(id));
  }

  isUnanimous(voters: Voters): boolean {
    return voters.every((ids) => ids.every((id) => this.#granted.has(id)));
  }

  isLost(voters: Voters): boolean {
    return !hasQuorum(voters, (id) => !this.#isFinal(id));
  }

  /** True if someone refused only because it still trusts a leader. */
  metStickiness(): boolean {
    for (const why of this.#refused.values()) if (why === 'sticky') return true;
    return false;
  }

  #isFinal(id: NodeId): boolean {
    const why = this.#refused.get(id);
    return why !== undefined && why !== 'sticky';
  }
}
