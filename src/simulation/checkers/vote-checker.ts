import type { Judge } from './judge.ts';
import type { ObservedMessage } from './observed-message.ts';

/** What the platters of one disk say about votes. */
export interface DurableVote {
  readonly currentTerm: number;
  readonly votedFor: string | undefined;
  readonly longestLeaseMs: number;
}

/** Messages that speak of a term the sender may not have yet. */
const ahead = new Set(['preVote', 'preVoteReply', 'unknown']);

/**
 * I1 (one leader per term), I2 (one vote per term and disk, durable before it is sent), I3 (terms never fall, and are durable before
 * they are spoken of), and the promise part of I14 (a lease is durable before it is promised).
 */
export class VoteChecker {
  readonly #judge: Judge;
  readonly #leaders = new Map<number, string>();
  readonly #votes = new Map<string, string>();
  readonly #durable = new Map<string, DurableVote>();
  readonly #leaseOfRound = new Map<string, number>();

  constructor(judge: Judge) {
    this.#judge = judge;
  }

  /** @returns the leader of the term, if any was seen. */
  leaderOf(term: number): string | undefined {
    return this.#leaders.get(term);
  }

  leaderSeen(node: string, term: number): void {
    const known = this.#leaders.get(term);
    if (known === undefined) {
      this.#leaders.set(term, node);
      if (this.#leaders.size > 1) this.#judge.reached('I1');
    } else if (known !== node) {
      this.#judge.violated('I1', `term ${term} has two leaders: ${known} and ${node}`);
    }
  }

  /** `disk` names a node and the life of its disk. */
  durable(disk: string, vote: DurableVote): void {
    const before = this.#durable.get(disk);
    this.#durable.set(disk, vote);
    if (before === undefined) return;
    if (vote.currentTerm < before.currentTerm) {
      this.#judge.violated(
        'I3',
        `the durable term of ${disk} fell from ${before.currentTerm} to ${vote.currentTerm}`,
      );
    } else if (vote.currentTerm === before.currentTerm && before.votedFor !== undefined) {
      this.#judge.reached('I2');
      if (vote.votedFor !== before.votedFor) {
        this.#judge.violated(
          'I2',
          `${disk} changed its durable vote in term ${vote.currentTerm} (pitfall 5)`,
        );
      }
    }
    if (vote.longestLeaseMs < before.longestLeaseMs) {
      this.#judge.violated('I14', `${disk} forgot that it promised a lease of ${before.longestLeaseMs} ms`);
    }
  }

  sent(disk: string, from: string, to: string, message: ObservedMessage): void {
    const durable = this.#durable.get(disk);
    const { kind, term } = message;
    if (!ahead.has(kind) && term > (durable?.currentTerm ?? 0)) {
      this.#judge.violated(
        'I3',
        `${from} sent ${kind} of term ${term} while its disk says ${durable?.currentTerm ?? 0}`,
      );
    }
    if (kind === 'requestVote') this.#voted(disk, term, from, durable);
    if (kind === 'requestVoteReply' && message.granted) this.#voted(disk, term, to, durable);
    if (kind === 'appendEntries' || kind === 'round') this.leaderSeen(from, term);
    if (kind === 'round') this.#leaseOfRound.set(`${term}:${message.round}`, message.leaseMs);
    if (kind === 'roundReply') this.#promised(from, message, durable);
  }

  #voted(disk: string, term: number, candidate: string, durable: DurableVote | undefined): void {
    const key = `${disk}:${term}`;
    const known = this.#votes.get(key);
    if (known !== undefined && known !== candidate) {
      this.#judge.violated('I2', `${disk} voted for ${known} and for ${candidate} in term ${term}`);
    }
    this.#votes.set(key, candidate);
    // A candidate that has moved on repeats nothing, so what it sends is its current vote.
    if (durable?.currentTerm === term && durable.votedFor !== candidate) {
      this.#judge.violated(
        'I2',
        `${disk} sent a vote for ${candidate} in term ${term} that is not on its disk`,
      );
    }
  }

  #promised(from: string, message: ObservedMessage, durable: DurableVote | undefined): void {
    const leaseMs = this.#leaseOfRound.get(`${message.term}:${message.round}`) ?? 0;
    if (leaseMs === 0) return;
    this.#judge.reached('I14 promise');
    if ((durable?.longestLeaseMs ?? 0) < leaseMs) {
      this.#judge.violated('I14', `${from} promised a lease of ${leaseMs} ms that is not on its disk`);
    }
  }
}
