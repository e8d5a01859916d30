import type { GroupId } from '../../base/ids.ts';
import type { StorageIdentity, StorageWrite } from '../../ports/storage.ts';
import type { HardState, LogEntry, LogIndex } from '../../raft/types.ts';
import {
  assertExtends,
  assertHardStateFollows,
  assertTruncates,
  emptyTail,
  isEmptyWrite,
  type LogTail,
} from '../group-log.ts';

interface MemoryGroup {
  hardState: HardState | undefined;
  readonly entries: LogEntry[];
}

/** What a group will be after the writes of a batch that were looked at so far. */
interface Staged {
  readonly tail: LogTail;
  readonly hardState: HardState | undefined;
  readonly isDurable: boolean;
}

/** What is durable: outlives the storage that wrote it, as a directory outlives a process. */
export class MemoryDisk {
  identity: StorageIdentity | undefined;
  readonly groups: Map<GroupId, MemoryGroup> = new Map();
  /** The storage that has the disk open; `crash` forgets it. */
  owner: object | undefined;
  /** Set: every later write fails with it. */
  brokenBy: Error | undefined;
  #pending: readonly StorageWrite[] | undefined;

  /** The process is gone: the lock is free, and the batch in flight is lost, or it was just in time. */
  crash(pendingSurvives = false): void {
    if (pendingSurvives && this.#pending !== undefined) this.#apply(this.#pending);
    this.#pending = undefined;
    this.owner = undefined;
  }

  /** From now on writes and syncs fail, until the process is restarted on a repaired disk. */
  fail(error: Error): void {
    this.brokenBy = error;
  }

  repair(): void {
    this.brokenBy = undefined;
  }

  /** @throws InvariantError when the batch does not follow from what is there; nothing was taken. */
  begin(batch: readonly StorageWrite[]): void {
    const staged = new Map<GroupId, Staged>();
    for (const write of batch) {
      const before = staged.get(write.group) ?? this.#durable(write.group);
      if (write.hardState !== undefined) assertHardStateFollows(before.hardState, write.hardState);
      staged.set(write.group, this.#stage(before, write));
    }
    this.#pending = batch;
  }

  /** The batch in flight is durable now. */
  finish(): void {
    if (this.#pending !== undefined) this.#apply(this.#pending);
    this.#pending = undefined;
  }

  #durable(group: GroupId): Staged {
    const known = this.groups.get(group);
    return { tail: tailOf(known?.entries.at(-1)), hardState: known?.hardState, isDurable: true };
  }

  #stage(before: Staged, write: StorageWrite): Staged {
    const hardState = write.hardState ?? before.hardState;
    const start =
      write.truncateFrom === undefined ? before.tail : this.#cut(before, write, write.truncateFrom);
    assertExtends(start, write.entries);
    return {
      tail: write.entries.length === 0 ? start : tailOf(write.entries.at(-1)),
      hardState,
      isDurable: false,
    };
  }

  #cut(before: Staged, write: StorageWrite, from: LogIndex): LogTail {
    assertTruncates(before.tail, from);
    // An entry of the same batch is not on the disk yet: nothing is known of its term, and nothing is asked.
    const last = before.isDurable ? this.groups.get(write.group)?.entries[from - 2] : undefined;
    return { ...tailOf(last), lastIndex: from - 1 };
  }

  #apply(batch: readonly StorageWrite[]): void {
    for (const write of batch) {
      if (isEmptyWrite(write)) continue;
      const group = this.groups.get(write.group) ?? { hardState: undefined, entries: [] };
      this.groups.set(write.group, group);
      if (write.hardState !== undefined) group.hardState = write.hardState;
      if (write.truncateFrom !== undefined) group.entries.length = write.truncateFrom - 1;
      for (const entry of write.entries) group.entries.push(entry);
    }
  }
}

function tailOf(entry: LogEntry | undefined): LogTail {
  if (entry === undefined) return emptyTail;
  return { lastIndex: entry.index, lastTerm: entry.term, lastStampMs: entry.stampMs };
}
