import { assert } from '../base/assert.ts';
import type { GroupId } from '../base/ids.ts';
import type { StorageWrite } from '../ports/storage.ts';
import type { HardState, LogEntry, LogIndex } from '../raft/types.ts';

/** Where a group's log ends: enough to judge the next write. Term and stamp are exact or lower bounds. */
export interface LogTail {
  readonly lastIndex: LogIndex;
  readonly lastTerm: number;
  readonly lastStampMs: number;
}

/** One group as it is durable. */
export interface DurableGroup {
  readonly hardState: HardState | undefined;
  tail(): LogTail;
  /** The tail that is left when `from` and all above it are dropped. */
  tailBefore(from: LogIndex): LogTail;
}

/** What a group will be after the writes of a batch that were looked at so far. */
interface Staged {
  readonly tail: LogTail;
  readonly hardState: HardState | undefined;
}

export const emptyTail: LogTail = { lastIndex: 0, lastTerm: 0, lastStampMs: 0 };

export function tailOf(entry: LogEntry | undefined): LogTail {
  if (entry === undefined) return emptyTail;
  return { lastIndex: entry.index, lastTerm: entry.term, lastStampMs: entry.stampMs };
}

/**
 * Checks that a batch follows from what is durable, before anything of it is written.
 *
 * @throws InvariantError: a defect of the caller.
 */
export function checkBatch(
  batch: readonly StorageWrite[],
  durable: (group: GroupId) => DurableGroup | undefined,
): void {
  const staged = new Map<GroupId, Staged>();
  for (const write of batch) {
    const known = durable(write.group);
    const before = staged.get(write.group);
    const hardState = before === undefined ? known?.hardState : before.hardState;
    if (write.hardState !== undefined) assertHardStateFollows(hardState, write.hardState);
    let tail = before?.tail ?? known?.tail() ?? emptyTail;
    if (write.truncateFrom !== undefined) {
      assertTruncates(tail, write.truncateFrom);
      // Of an entry in the same batch no term is known, and none is asked for.
      const left = before === undefined ? known?.tailBefore(write.truncateFrom) : undefined;
      tail = left ?? { ...emptyTail, lastIndex: write.truncateFrom - 1 };
    }
    assertExtends(tail, write.entries);
    const last = write.entries.at(-1);
    staged.set(write.group, {
      tail: last === undefined ? tail : tailOf(last),
      hardState: write.hardState ?? hardState,
    });
  }
}

/** True if the write changes nothing. */
export function isEmptyWrite(write: StorageWrite): boolean {
  return write.hardState === undefined && write.truncateFrom === undefined && write.entries.length === 0;
}

/** @returns how many of the entries are about `bytesMax` bytes of data, at least one if there is one. */
export function countWithin(entries: readonly LogEntry[], start: number, bytesMax: number): number {
  let bytes = 0;
  for (let at = start; at < entries.length; at++) {
    bytes += entries[at]!.data.length;
    if (bytes > bytesMax && at > start) return at - start;
  }
  return Math.max(0, entries.length - start);
}

function assertExtends(tail: LogTail, entries: readonly LogEntry[]): void {
  let { lastIndex, lastTerm, lastStampMs } = tail;
  for (const entry of entries) {
    assert(entry.index === lastIndex + 1, 'I4: log has no gaps');
    assert(
      Number.isSafeInteger(entry.term) && Number.isSafeInteger(entry.stampMs),
      'term and stamp are safe integers',
    );
    assert(entry.term >= lastTerm, 'I4: terms never fall along the log');
    assert(entry.stampMs >= lastStampMs, 'stamps never fall along the log');
    lastIndex = entry.index;
    lastTerm = entry.term;
    lastStampMs = entry.stampMs;
  }
}

/** I2, I3 and pitfalls 4 and 5: the term and the promised lease never fall, and one term has one vote. */
function assertHardStateFollows(previous: HardState | undefined, next: HardState): void {
  assert(Number.isSafeInteger(next.currentTerm) && next.currentTerm >= 0, 'a term is a safe integer');
  assert(
    Number.isFinite(next.longestLeaseMs) && next.longestLeaseMs >= 0,
    'a lease is a number of milliseconds',
  );
  if (previous === undefined) return;
  assert(next.currentTerm >= previous.currentTerm, 'I3: the durable term never falls');
  assert(next.longestLeaseMs >= previous.longestLeaseMs, 'the longest promised lease never falls');
  const changesVote = previous.votedFor !== undefined && next.votedFor !== previous.votedFor;
  assert(!changesVote || next.currentTerm > previous.currentTerm, 'I2: one vote in a term');
}

function assertTruncates(tail: LogTail, from: LogIndex): void {
  assert(from >= 1 && from <= tail.lastIndex, 'truncateFrom names an entry of the log');
}
