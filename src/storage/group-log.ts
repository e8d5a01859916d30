import { assert } from '../base/assert.ts';
import type { StorageWrite } from '../ports/storage.ts';
import type { HardState, LogEntry, LogIndex } from '../raft/types.ts';

/** Where a group's log ends: enough to judge the next write. */
export interface LogTail {
  readonly lastIndex: LogIndex;
  readonly lastTerm: number;
  readonly lastStampMs: number;
}

export const emptyTail: LogTail = { lastIndex: 0, lastTerm: 0, lastStampMs: 0 };

/** @throws InvariantError unless the entries may follow the tail: the caller's defect, nothing was written. */
export function assertExtends(tail: LogTail, entries: readonly LogEntry[]): void {
  let { lastIndex, lastTerm, lastStampMs } = tail;
  for (const entry of entries) {
    assert(entry.index === lastIndex + 1, 'I4: log has no gaps');
    assert(entry.term >= lastTerm, 'I4: terms never fall along the log');
    assert(entry.stampMs >= lastStampMs, 'stamps never fall along the log');
    assert(
      Number.isSafeInteger(entry.term) && Number.isSafeInteger(entry.stampMs),
      'term and stamp are safe integers',
    );
    lastIndex = entry.index;
    lastTerm = entry.term;
    lastStampMs = entry.stampMs;
  }
}

/** @throws InvariantError unless the term and the promised lease rise or stay (I3, pitfalls 4 and 5). */
export function assertHardStateFollows(previous: HardState | undefined, next: HardState): void {
  assert(Number.isSafeInteger(next.currentTerm) && next.currentTerm >= 0, 'a term is a safe integer');
  if (previous === undefined) return;
  assert(next.currentTerm >= previous.currentTerm, 'I3: the durable term never falls');
  assert(next.longestLeaseMs >= previous.longestLeaseMs, 'the longest promised lease never falls');
  const changedVote = previous.votedFor !== undefined && next.votedFor !== previous.votedFor;
  assert(!changedVote || next.currentTerm > previous.currentTerm, 'I2: one vote in a term');
}

/** @throws InvariantError unless the truncation drops something that is there. */
export function assertTruncates(tail: LogTail, from: LogIndex): void {
  assert(from >= 1 && from <= tail.lastIndex, 'truncateFrom names an entry of the log');
}

/** True if the write changes nothing. */
export function isEmptyWrite(write: StorageWrite): boolean {
  return write.hardState === undefined && write.truncateFrom === undefined && write.entries.length === 0;
}
