import { contentHash } from './content-hash.ts';
import type { Judge } from './judge.ts';

/** An entry as a disk or a state machine was given it. */
export interface ObservedEntry {
  readonly index: number;
  readonly term: number;
  readonly stampMs: number;
  readonly data: Uint8Array;
}

export interface ObservedWrite {
  readonly truncateFrom: number | undefined;
  readonly entries: readonly ObservedEntry[];
  /** The durable term after this write. */
  readonly term: number;
}

interface DurableLog {
  readonly terms: number[];
  /** chain[i] covers entries 1 to i + 1. */
  readonly chain: number[];
}

interface Committed {
  readonly index: number;
  readonly term: number;
  readonly chain: number;
}

const nothing: Committed = { index: 0, term: 0, chain: 0 };
const termsMax = 2 ** 20;

/** I4 (logs that agree at an index agree before it), I5 (a leader only appends), I6 (leaders hold what is committed), I8 (what is committed is durable on a quorum). */
export class LogChecker {
  readonly #judge: Judge;
  readonly #quorum: number;
  readonly #leaderOf: (term: number) => string | undefined;
  readonly #logs = new Map<string, DurableLog>();
  readonly #chainAt = new Map<number, number>();
  /** term -> node -> last index of that term, written while the node was in that term. */
  readonly #heldInTerm = new Map<number, Map<string, number>>();
  readonly #seenTerms = new Set<number>();
  #committed = nothing;
  #claimedIndex = 0;
  #latestLeader: { readonly node: string; readonly term: number } | undefined;

  constructor(judge: Judge, clusterSize: number, leaderOf: (term: number) => string | undefined) {
    this.#judge = judge;
    this.#quorum = Math.floor(clusterSize / 2) + 1;
    this.#leaderOf = leaderOf;
  }

  /** The highest index known to be committed, whether a node says so yet or not. */
  get committedIndex(): number {
    return this.#committed.index;
  }

  durable(node: string, write: ObservedWrite): void {
    const log = this.#log(node);
    if (write.truncateFrom !== undefined) this.#truncate(node, log, write.truncateFrom, write.term);
    for (const entry of write.entries) this.#append(node, log, entry);
    if (log.terms.at(-1) === write.term) this.#hold(node, log, write.term);
  }

  /** The disk of the node was replaced by an empty one. What was acknowledged from the old one still counts: f disks may be lost. */
  wiped(node: string): void {
    this.#logs.set(`the lost disk of ${node}`, this.#log(node));
    this.#logs.delete(node);
    for (const held of this.#heldInTerm.values()) held.delete(node);
  }

  /** Called when a node is first seen as leader of a term. */
  leaderSeen(node: string, term: number): void {
    if (this.#seenTerms.has(term)) return;
    this.#seenTerms.add(term);
    if ((this.#latestLeader?.term ?? 0) < term) this.#latestLeader = { node, term };
    if (this.#committed.index === 0 || this.#committed.term >= term) return;
    this.#judge.reached('I6');
    this.#mustHold(node, term, this.#committed);
  }

  /** A node says that everything up to `index` is committed. */
  claimed(node: string, index: number): void {
    if (index <= this.#claimedIndex) return;
    this.#claimedIndex = index;
    this.#judge.reached('I8');
    const agreed = this.#agreedAt(index);
    if (agreed === undefined) {
      this.#judge.violated(
        'I8',
        `${node} calls ${index} committed, no quorum of ${this.#quorum} holds it durably`,
      );
    } else if (index > this.#committed.index) {
      this.#committed = agreed;
    }
  }

  /** The commit index of a leader rose to `index`: it counts entries of its own term only (pitfall 11). */
  claimedByLeader(node: string, term: number, index: number): void {
    const entryTerm = this.#log(node).terms[index - 1];
    if (entryTerm !== undefined && entryTerm !== term) {
      this.#judge.violated(
        'I8',
        `${node} leads term ${term} and calls entry ${index} of term ${entryTerm} committed`,
      );
    }
  }

  /** A follower acknowledged that its log is durable up to `index`. */
  acknowledged(node: string, index: number): void {
    if (index > this.#log(node).terms.length) {
      this.#judge.violated(
        'I8',
        `${node} acknowledged ${index}, its disk ends at ${this.#log(node).terms.length} (pitfall 1)`,
      );
    }
  }

  #truncate(node: string, log: DurableLog, from: number, term: number): void {
    for (let place = from - 1; place < log.terms.length; place += 1) {
      this.#judge.reached('I5');
      if (log.terms[place] === term && this.#leaderOf(term) === node) {
        this.#judge.violated('I5', `${node} leads term ${term} and truncated its own entry ${place + 1}`);
        break;
      }
    }
    if (from <= this.#committed.index && log.chain[this.#committed.index - 1] === this.#committed.chain) {
      this.#judge.violated(
        'I8',
        `${node} truncated from ${from}; ${this.#committed.index} is committed (pitfall 18)`,
      );
    }
    log.terms.length = Math.min(log.terms.length, from - 1);
    log.chain.length = log.terms.length;
    for (const [heldTerm, held] of this.#heldInTerm) if (heldTerm !== term) held.delete(node);
  }

  #append(node: string, log: DurableLog, entry: ObservedEntry): void {
    if (entry.index !== log.terms.length + 1) {
      this.#judge.violated('I4', `${node} wrote entry ${entry.index} after ${log.terms.length}`);
      return;
    }
    const chain = contentHash(log.chain.at(-1) ?? 0, [entry.term, entry.stampMs], entry.data);
    log.terms.push(entry.term);
    log.chain.push(chain);
    const key = entry.index * termsMax + entry.term;
    const known = this.#chainAt.get(key);
    if (known === undefined) this.#chainAt.set(key, chain);
    else this.#judge.reached('I4');
    if (known !== undefined && known !== chain) {
      this.#judge.violated('I4', `${node} has another prefix at entry ${entry.index} of term ${entry.term}`);
    }
  }

  /** Raft's rule: an entry is committed once a quorum wrote it in the term it was made in (pitfall 11). */
  #hold(node: string, log: DurableLog, term: number): void {
    let held = this.#heldInTerm.get(term);
    if (held === undefined) {
      held = new Map();
      this.#heldInTerm.set(term, held);
    }
    held.set(node, log.terms.length);
    if (held.size < this.#quorum) return;
    const index = [...held.values()].sort((a, b) => b - a)[this.#quorum - 1]!;
    if (index <= this.#committed.index || log.terms[index - 1] !== term) return;
    this.#committed = { index, term, chain: log.chain[index - 1]! };
    const leader = this.#latestLeader;
    if (leader !== undefined && leader.term > term) this.#mustHold(leader.node, leader.term, this.#committed);
  }

  #mustHold(node: string, term: number, committed: Committed): void {
    if (this.#log(node).chain[committed.index - 1] !== committed.chain) {
      this.#judge.violated(
        'I6',
        `${node} leads term ${term} without the committed entry ${committed.index} of term ${committed.term}`,
      );
    }
  }

  #agreedAt(index: number): Committed | undefined {
    const counts = new Map<number, number>();
    for (const log of this.#logs.values()) {
      const chain = log.chain[index - 1];
      if (chain === undefined) continue;
      const count = (counts.get(chain) ?? 0) + 1;
      if (count >= this.#quorum) return { index, term: log.terms[index - 1]!, chain };
      counts.set(chain, count);
    }
    return undefined;
  }

  #log(node: string): DurableLog {
    let log = this.#logs.get(node);
    if (log === undefined) {
      log = { terms: [], chain: [] };
      this.#logs.set(node, log);
    }
    return log;
  }
}
