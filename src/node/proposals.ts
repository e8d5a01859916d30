import { assert } from '../base/assert.ts';
import type { Command } from '../ports/state-machine.ts';
import type { LogEntry, LogIndex, Proposal, ProposalAnswer, Term } from '../raft/types.ts';
import { batchHeaderBytes, commandHeaderBytes, encodeCommandBatch } from './command-batch.ts';
import type { ProposeResult } from './types.ts';

export type ProposalDone = (result: ProposeResult) => void;

/** Commands that are not answered yet, from `propose` to their application; more are refused as `busy`. */
export const inboxEntriesMax = 65_536;
/** Their bytes. */
export const inboxBytesMax: number = 64 * 1024 * 1024;
/** The largest command: an entry with it fits a frame between two members, or nothing behind it could be replicated. */
export const commandBytesMax: number = 3 * 1024 * 1024;
/** One entry is not made larger than this; a single larger command has one of its own. */
export const entryBytesMax: number = 512 * 1024;

interface Waiting {
  readonly term: Term;
  readonly batch: Batch;
}

interface Batch {
  readonly dones: readonly ProposalDone[];
  readonly bytes: number;
}

/**
 * The commands on their way through the log. Each ends once: applied (its entry, by index and term, was applied here), refused
 * (certainly never will be) or unknown (pitfall 73). After a loss of leadership what was appended is still waited for, because
 * the next leader usually commits it within milliseconds; at the bound it is unknown.
 */
export class Proposals {
  readonly #unknownAfterMs: number;
  #gathered: { readonly command: Command; readonly done: ProposalDone }[] = [];
  readonly #handed = new Map<number, Batch>();
  readonly #appended = new Map<LogIndex, Waiting>();
  #nextToken = 1;
  #entries = 0;
  #bytes = 0;
  #leadingTerm: Term | undefined;
  #unknownAtMs = Number.POSITIVE_INFINITY;

  constructor(unknownAfterMs: number) {
    this.#unknownAfterMs = unknownAfterMs;
  }

  /** Monotonic ms at which `expire` has work. */
  get deadlineMs(): number {
    return this.#unknownAtMs;
  }

  /** @returns false at the bound; nothing was kept then. */
  add(command: Command, done: ProposalDone): boolean {
    if (this.#entries >= inboxEntriesMax || this.#bytes + command.length > inboxBytesMax) return false;
    this.#entries++;
    this.#bytes += command.length;
    this.#gathered.push({ command, done });
    return true;
  }

  /** Makes one entry of all that was added since the last call, or several where the bytes ask for it. */
  take(): readonly Proposal[] {
    const proposals: Proposal[] = [];
    const gathered = this.#gathered;
    this.#gathered = [];
    for (let from = 0; from < gathered.length; ) {
      const until = endOfEntry(gathered, from);
      const part = gathered.slice(from, until);
      const token = this.#nextToken++;
      const bytes = part.reduce((sum, { command }) => sum + command.length, 0);
      this.#handed.set(token, { dones: part.map(({ done }) => done), bytes });
      proposals.push({ token, data: encodeCommandBatch(part.map(({ command }) => command)) });
      from = until;
    }
    return proposals;
  }

  /** The core has said where each batch went, or why nowhere. */
  accepted(answers: readonly ProposalAnswer[]): void {
    for (const answer of answers) {
      const batch = this.#handed.get(answer.token);
      assert(batch !== undefined, 'a proposal is answered once');
      this.#handed.delete(answer.token);
      if ('refused' in answer) this.#settle(batch, () => ({ type: 'refused', why: answer.refused }));
      else this.#append(answer.accepted.index, { term: answer.accepted.term, batch });
    }
  }

  /** An entry was applied here: whoever waits for its index learns whether it was theirs. */
  applied(entry: LogEntry, results: readonly Uint8Array[]): void {
    const waiting = this.#appended.get(entry.index);
    if (waiting === undefined) return;
    this.#appended.delete(entry.index);
    const index = entry.index;
    if (waiting.term !== entry.term)
      this.#settle(waiting.batch, () => ({ type: 'refused', why: 'notLeader' }));
    else this.#settle(waiting.batch, (i) => ({ type: 'applied', index, result: results[i]! }));
  }

  /** @param term - the term this node leads, undefined when it does not. */
  leading(term: Term | undefined, nowMs: number): void {
    if (term === this.#leadingTerm) return;
    this.#leadingTerm = term;
    if (this.#appended.size > 0)
      this.#unknownAtMs = Math.min(this.#unknownAtMs, nowMs + this.#unknownAfterMs);
  }

  /** Gives up on what an earlier leadership appended, when its time is over. */
  expire(nowMs: number, leadingTerm: Term | undefined): void {
    if (nowMs < this.#unknownAtMs) return;
    this.#unknownAtMs = Number.POSITIVE_INFINITY;
    for (const [index, waiting] of this.#appended) {
      if (waiting.term === leadingTerm) continue;
      this.#appended.delete(index);
      this.#settle(waiting.batch, () => ({ type: 'unknown' }));
    }
  }

  /** What never reached the core is refused; the rest is unknown. */
  close(why: 'closed' | 'failed'): void {
    const gathered = this.#gathered;
    this.#gathered = [];
    for (const { done } of gathered) done({ type: 'refused', why });
    const batches = [...this.#handed.values(), ...[...this.#appended.values()].map(({ batch }) => batch)];
    this.#handed.clear();
    this.#appended.clear();
    for (const batch of batches) this.#settle(batch, () => ({ type: 'unknown' }));
  }

  #append(index: LogIndex, waiting: Waiting): void {
    const before = this.#appended.get(index);
    this.#appended.set(index, waiting);
    // The same index in a later term of this node. What stood there was cut off here, but another node may still commit it.
    if (before !== undefined) this.#settle(before.batch, () => ({ type: 'unknown' }));
  }

  #settle(batch: Batch, resultOf: (i: number) => ProposeResult): void {
    this.#entries -= batch.dones.length;
    this.#bytes -= batch.bytes;
    for (let i = 0; i < batch.dones.length; i++) batch.dones[i]!(resultOf(i));
  }
}

function endOfEntry(gathered: readonly { readonly command: Command }[], from: number): number {
  let bytes = batchHeaderBytes;
  for (let i = from; i < gathered.length; i++) {
    bytes += commandHeaderBytes + gathered[i]!.command.length;
    if (bytes > entryBytesMax && i > from) return i;
  }
  return gathered.length;
}
