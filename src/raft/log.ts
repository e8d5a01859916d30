import { assert } from '../base/assert.ts';
import type { EntryKind, LogEntry, LogIndex, Term } from './types.ts';

/** What an entry costs beyond its data, on the wire and in memory. */
const entryOverheadBytes = 64;
/** Slices kept so that followers at the same place are sent the same array. */
const sharedSlicesMax = 8;

/** What this version can apply. A newer version may write more. */
const knownKinds: readonly EntryKind[] = ['bootstrap', 'noop', 'commands'];

interface SharedSlice {
  readonly entries: readonly LogEntry[];
  readonly from: LogIndex;
  readonly to: LogIndex;
  /** Reached the byte bound: stays right when the log grows. */
  readonly full: boolean;
}

/** The replicated log in memory, from index 1 without a gap. */
export class RaftLog {
  readonly #entries: LogEntry[] = [];
  readonly #batchBytesMax: number;
  #bytes = 0;
  #shared: SharedSlice[] = [];

  constructor(entries: readonly LogEntry[], batchBytesMax: number) {
    this.#batchBytesMax = batchBytesMax;
    this.#push(entries);
  }

  get lastIndex(): LogIndex {
    return this.#entries.length;
  }

  get lastTerm(): Term {
    return this.termAt(this.lastIndex);
  }

  get lastStampMs(): number {
    return this.#entries.at(-1)?.stampMs ?? 0;
  }

  /** Data and overhead of all entries. */
  get bytes(): number {
    return this.#bytes;
  }

  /** @returns 0 for index 0; the index must not be above the last. */
  termAt(index: LogIndex): Term {
    if (index === 0) return 0;
    return this.at(index).term;
  }

  at(index: LogIndex): LogEntry {
    const entry = this.#entries[index - 1];
    assert(entry !== undefined, `the log holds index ${index}`);
    return entry;
  }

  /** Compares as §5.4.1 does: by the last term, then by the length. */
  isUpToDate(lastTerm: Term, lastIndex: LogIndex): boolean {
    if (lastTerm !== this.lastTerm) return lastTerm > this.lastTerm;
    return lastIndex >= this.lastIndex;
  }

  /** The array is shared with followers at this place: it must not be changed afterwards. */
  append(entries: readonly LogEntry[]): void {
    if (entries.length === 0) return;
    const from = this.lastIndex + 1;
    const before = this.#bytes;
    this.#push(entries);
    if (this.#bytes - before <= this.#batchBytesMax) {
      this.#share({ entries, from, to: this.lastIndex, full: false });
    }
  }

  truncateFrom(index: LogIndex): void {
    for (let at = index; at <= this.lastIndex; at += 1) this.#bytes -= entryBytes(this.at(at));
    this.#entries.length = index - 1;
    this.#shared = [];
  }

  /** Entries from `from` on: one at least if there is one, and no more than fit the batch. The same array for the same place. */
  batchFrom(from: LogIndex): readonly LogEntry[] {
    if (from > this.lastIndex) return [];
    for (const slice of this.#shared) {
      if (slice.from === from && (slice.full || slice.to === this.lastIndex)) return slice.entries;
    }
    let to = from;
    let bytes = entryBytes(this.at(from));
    while (to < this.lastIndex) {
      bytes += entryBytes(this.at(to + 1));
      if (bytes > this.#batchBytesMax) break;
      to += 1;
    }
    const entries = this.range(from, to);
    this.#share({ entries, from, to, full: to < this.lastIndex });
    return entries;
  }

  /** Both ends included. */
  range(from: LogIndex, to: LogIndex): readonly LogEntry[] {
    return this.#entries.slice(from - 1, to);
  }

  /** The last index whose term is at most `term`; 0 if there is none. */
  lastIndexUpToTerm(term: Term): LogIndex {
    let low = 0;
    let high = this.lastIndex;
    while (low < high) {
      const middle = Math.ceil((low + high) / 2);
      if (this.termAt(middle) <= term) low = middle;
      else high = middle - 1;
    }
    return low;
  }

  /** The first index of the term that the entry at `index` has. */
  firstIndexOfTermAt(index: LogIndex): LogIndex {
    return this.lastIndexUpToTerm(this.termAt(index) - 1) + 1;
  }

  #push(entries: readonly LogEntry[]): void {
    for (const entry of entries) {
      assert(entry.index === this.lastIndex + 1, 'I4: the log has no gap');
      assert(entry.term >= this.lastTerm, 'I4: terms never fall along the log');
      assert(knownKinds.includes(entry.kind), `entry ${entry.index} is of a newer kind: upgrade this node`);
      this.#entries.push(entry);
      this.#bytes += entryBytes(entry);
    }
  }

  #share(slice: SharedSlice): void {
    if (this.#shared.length >= sharedSlicesMax) this.#shared.shift();
    this.#shared.push(slice);
  }
}

export function entryBytes(entry: LogEntry): number {
  return entry.data.length + entryOverheadBytes;
}

export function totalBytes(entries: readonly LogEntry[]): number {
  let bytes = 0;
  for (const entry of entries) bytes += entryBytes(entry);
  return bytes;
}
