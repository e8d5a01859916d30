import { assert } from '../../base/assert.ts';
import type { HardState, LogEntry, LogIndex } from '../../raft/types.ts';
import { type DurableGroup, type LogTail, tailOf } from '../group-log.ts';

/** Where one blob of entries stands on the disk. */
export interface BlobPlace {
  readonly segment: number;
  readonly offset: number;
  readonly bytes: number;
}

/** A blob and the part of it that still counts: a truncation may have dropped its end. */
export interface Run extends BlobPlace {
  readonly first: LogIndex;
  readonly last: LogIndex;
}

/** One group as the log has it, with the place of its entries: six numbers per blob, none per entry. */
export class GroupIndex implements DurableGroup {
  hardState: HardState | undefined;
  /** The batch that holds it. */
  hardStateSequence = 0;
  readonly #first: number[] = [];
  readonly #segment: number[] = [];
  readonly #offset: number[] = [];
  readonly #bytes: number[] = [];
  readonly #lastTerm: number[] = [];
  readonly #lastStampMs: number[] = [];
  #lastIndex: LogIndex = 0;

  get lastIndex(): LogIndex {
    return this.#lastIndex;
  }

  tail(): LogTail {
    return this.tailBefore(this.#lastIndex + 1);
  }

  /** Term and stamp are those of the last blob that is left whole: within a blob they are not known here. */
  tailBefore(from: LogIndex): LogTail {
    const at = this.#find(from - 1);
    const whole = at >= 0 && this.#lastOf(at) === from - 1 ? at : at - 1;
    return {
      lastIndex: from - 1,
      lastTerm: this.#lastTerm[whole] ?? 0,
      lastStampMs: this.#lastStampMs[whole] ?? 0,
    };
  }

  add(entries: readonly LogEntry[], place: BlobPlace): void {
    assert(entries[0]?.index === this.#lastIndex + 1, 'I4: log has no gaps');
    const tail = tailOf(entries.at(-1));
    this.#first.push(this.#lastIndex + 1);
    this.#segment.push(place.segment);
    this.#offset.push(place.offset);
    this.#bytes.push(place.bytes);
    this.#lastTerm.push(tail.lastTerm);
    this.#lastStampMs.push(tail.lastStampMs);
    this.#lastIndex = tail.lastIndex;
  }

  truncate(from: LogIndex): void {
    assert(from >= 1 && from <= this.#lastIndex, 'truncateFrom names an entry of the log');
    const { lastTerm, lastStampMs } = this.tailBefore(from);
    const runs = this.#find(from - 1) + 1;
    for (const column of this.#columns()) column.length = runs;
    this.#lastIndex = from - 1;
    if (runs === 0) return;
    this.#lastTerm[runs - 1] = lastTerm;
    this.#lastStampMs[runs - 1] = lastStampMs;
  }

  /** @returns the blob that holds the index; undefined if the log does not reach it. */
  runAt(index: LogIndex): Run | undefined {
    if (index < 1 || index > this.#lastIndex) return undefined;
    const at = this.#find(index);
    return {
      first: this.#first[at]!,
      last: this.#lastOf(at),
      segment: this.#segment[at]!,
      offset: this.#offset[at]!,
      bytes: this.#bytes[at]!,
    };
  }

  #columns(): readonly number[][] {
    return [this.#first, this.#segment, this.#offset, this.#bytes, this.#lastTerm, this.#lastStampMs];
  }

  #lastOf(at: number): LogIndex {
    return (this.#first[at + 1] ?? this.#lastIndex + 1) - 1;
  }

  /** @returns the place of the last blob that starts at or before the index; -1 if there is none. */
  #find(index: LogIndex): number {
    let low = -1;
    let high = this.#first.length;
    while (high - low > 1) {
      const middle = (low + high) >>> 1;
      if (this.#first[middle]! <= index) low = middle;
      else high = middle;
    }
    return low;
  }
}
