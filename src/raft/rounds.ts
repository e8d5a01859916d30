import type { NodeId } from '../base/ids.ts';
import { quorumValue, type Voters } from './quorum.ts';
import type { LogIndex, ReadAnswer, Round } from './types.ts';

interface SentRound {
  readonly round: Round;
  readonly sentAtMs: number;
  readonly leaseMs: number;
}

interface ReadBatch {
  readonly round: Round;
  readonly index: LogIndex;
  readonly tokens: readonly number[];
}

/** One leader's rounds in one term: a counter that peers echo. It confirms reads, carries the lease and proves the quorum. */
export class Rounds {
  readonly #self: NodeId;
  readonly #answered = new Map<NodeId, Round>();
  #current: Round = 0;
  #confirmed: Round = 0;
  #open: SentRound[] = [];
  #contactMs: number;
  #watchedFromMs: number;
  #leaseUntilMs: number = Number.NEGATIVE_INFINITY;
  #leaseVoidThrough: Round = 0;
  #waiting: number[] = [];
  #batches: ReadBatch[] = [];
  #readCount = 0;

  constructor(self: NodeId, nowMs: number) {
    this.#self = self;
    this.#contactMs = nowMs;
    this.#watchedFromMs = nowMs;
  }

  get current(): Round {
    return this.#current;
  }

  /** When the newest round that a quorum answered was sent. */
  get contactMs(): number {
    return this.#contactMs;
  }

  /** Since when a quorum has owed an answer. */
  get silentFromMs(): number {
    return Math.max(this.#contactMs, this.#watchedFromMs);
  }

  get leaseUntilMs(): number {
    return this.#leaseUntilMs;
  }

  get readCount(): number {
    return this.#readCount;
  }

  /** Reads wait for a round, and the last round is answered: send one. */
  get wantsRound(): boolean {
    return this.#waiting.length > 0 && this.#confirmed === this.#current;
  }

  addRead(token: number): void {
    this.#waiting.push(token);
    this.#readCount += 1;
  }

  /**
   * A new round leaves now.
   *
   * @param readIndex - the commit index that confirms the reads that wait; undefined while no entry of this term is committed.
   */
  start(nowMs: number, leaseMs: number, readIndex: LogIndex | undefined): Round {
    this.#current += 1;
    this.#open.push({ round: this.#current, sentAtMs: nowMs, leaseMs });
    if (readIndex !== undefined && this.#waiting.length > 0) {
      this.#batches.push({ round: this.#current, index: readIndex, tokens: this.#waiting });
      this.#waiting = [];
    }
    return this.#current;
  }

  answered(id: NodeId): Round {
    return this.#answered.get(id) ?? 0;
  }

  answer(id: NodeId, round: Round): void {
    if (round > this.answered(id)) this.#answered.set(id, round);
  }

  /** Counts the answers. @returns true if a newer round is confirmed. */
  confirm(voters: Voters): boolean {
    const confirmed = quorumValue(voters, (id) => (id === this.#self ? this.#current : this.answered(id)));
    if (confirmed <= this.#confirmed) return false;
    this.#confirmed = confirmed;
    let passed = 0;
    for (const sent of this.#open) {
      if (sent.round > confirmed) break;
      passed += 1;
      this.#contactMs = Math.max(this.#contactMs, sent.sentAtMs);
      // An answer to a later round promises for longer, so only the confirmed round itself need be looked at.
      if (sent.round === confirmed && sent.leaseMs > 0 && sent.round > this.#leaseVoidThrough) {
        this.#leaseUntilMs = Math.max(this.#leaseUntilMs, sent.sentAtMs + sent.leaseMs);
      }
    }
    this.#open.splice(0, passed);
    return true;
  }

  /** Reads whose round, sent after they came, is confirmed. */
  takeConfirmedReads(): ReadAnswer[] {
    const answers: ReadAnswer[] = [];
    while (this.#batches.length > 0 && this.#batches[0]!.round <= this.#confirmed) {
      const { index, tokens } = this.#batches.shift()!;
      for (const token of tokens) answers.push({ token, index });
    }
    this.#readCount -= answers.length;
    return answers;
  }

  /** All reads that are still open; for the end of leadership. */
  takeAllReads(): readonly number[] {
    const tokens = [...this.#batches.flatMap((batch) => batch.tokens), ...this.#waiting];
    this.#batches = [];
    this.#waiting = [];
    this.#readCount = 0;
    return tokens;
  }

  /** The rounds so far carry no lease any more (§ release): only one sent from now on does. */
  voidLease(): void {
    this.#leaseVoidThrough = this.#current;
    this.#leaseUntilMs = Number.NEGATIVE_INFINITY;
  }

  /** After a stall of this process: the quorum has from now on to answer. */
  restartWatch(nowMs: number): void {
    this.#watchedFromMs = nowMs;
  }
}
