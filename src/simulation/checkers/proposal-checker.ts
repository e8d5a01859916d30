import type { Judge } from './judge.ts';

export type ProposalOutcome = 'applied' | 'refused' | 'unknown';

interface Proposal {
  outcome: ProposalOutcome | undefined;
  /** Where it stands in the log, 0 while it was not seen applied. */
  index: number;
}

/** I8 and P1 for bare proposals, I11 for reads: applied at most once, never after "refused", never lost after an answer. */
export class ProposalChecker {
  readonly #judge: Judge;
  readonly #proposals = new Map<number, Proposal>();
  #highestAnswered = 0;

  constructor(judge: Judge) {
    this.#judge = judge;
  }

  /** The highest index that an answer has named: a read that begins now must see it. */
  get highestAnswered(): number {
    return this.#highestAnswered;
  }

  asked(id: number): void {
    this.#proposals.set(id, { outcome: undefined, index: 0 });
  }

  answered(id: number, outcome: ProposalOutcome, index: number, committedIndex: number): void {
    const proposal = this.#of(id);
    proposal.outcome = outcome;
    if (outcome === 'refused' && proposal.index > 0)
      this.#judge.violated('P1', `proposal ${id} was refused and applied`);
    if (outcome !== 'applied') return;
    this.#judge.reached('I8 answer');
    this.#highestAnswered = Math.max(this.#highestAnswered, index);
    if (index > committedIndex) {
      this.#judge.violated('I8', `proposal ${id} was answered at ${index}, committed is ${committedIndex}`);
    }
  }

  applied(id: number, index: number): void {
    const proposal = this.#of(id);
    if (proposal.index !== 0 && proposal.index !== index) {
      this.#judge.violated('P1', `proposal ${id} was applied at ${proposal.index} and at ${index}`);
    }
    proposal.index = index;
    if (proposal.outcome === 'refused')
      this.#judge.violated('P1', `proposal ${id} was refused and applied at ${index}`);
  }

  /** A read that may be served now began when `answeredBefore` was the highest answer. */
  readServed(node: string, answeredBefore: number, appliedIndex: number): void {
    if (answeredBefore > 0) this.#judge.reached('I11');
    if (appliedIndex < answeredBefore) {
      this.#judge.violated(
        'I11',
        `${node} serves a read at ${appliedIndex}, ${answeredBefore} was answered before it`,
      );
    }
  }

  /** At the end, when every node has applied everything. @returns how many were never answered. */
  finish(): number {
    let pending = 0;
    for (const [id, { outcome, index }] of this.#proposals) {
      if (outcome === undefined) pending += 1;
      if (outcome === 'applied' && index === 0)
        this.#judge.violated('I8', `proposal ${id} was answered and is lost`);
    }
    return pending;
  }

  /** Proposals whose process died will never be answered. */
  forget(id: number): void {
    this.#of(id).outcome ??= 'unknown';
  }

  #of(id: number): Proposal {
    const proposal = this.#proposals.get(id);
    if (proposal === undefined) {
      const phantom: Proposal = { outcome: undefined, index: 0 };
      this.#proposals.set(id, phantom);
      this.#judge.violated('Q2', `proposal ${id} was never made`);
      return phantom;
    }
    return proposal;
  }
}
