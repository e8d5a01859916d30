import type { GroupId } from '../../base/ids.ts';
import type { StorageIdentity, StorageWrite } from '../../ports/storage.ts';
import type { HardState, LogEntry, LogIndex } from '../../raft/types.ts';
import { checkBatch, type DurableGroup, isEmptyWrite, type LogTail, tailOf } from '../group-log.ts';

/** One group's part of the disk. */
export class MemoryGroup implements DurableGroup {
  hardState: HardState | undefined;
  readonly entries: LogEntry[] = [];

  tail(): LogTail {
    return tailOf(this.entries.at(-1));
  }

  tailBefore(from: LogIndex): LogTail {
    return tailOf(this.entries[from - 2]);
  }
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
    if (pendingSurvives) this.finish();
    this.#pending = undefined;
    this.owner = undefined;
  }

  /** From now on writes and syncs fail, until the disk is repaired and opened again. */
  fail(error: Error): void {
    this.brokenBy = error;
  }

  repair(): void {
    this.brokenBy = undefined;
  }

  /** @throws InvariantError when the batch does not follow from what is there; nothing was taken. */
  begin(batch: readonly StorageWrite[]): void {
    checkBatch(batch, (group) => this.groups.get(group));
    this.#pending = batch;
  }

  /** The batch in flight is durable now. */
  finish(): void {
    for (const write of this.#pending ?? []) {
      if (isEmptyWrite(write)) continue;
      const group = this.groups.get(write.group) ?? new MemoryGroup();
      this.groups.set(write.group, group);
      if (write.hardState !== undefined) group.hardState = write.hardState;
      if (write.truncateFrom !== undefined) group.entries.length = write.truncateFrom - 1;
      for (const entry of write.entries) group.entries.push(entry);
    }
    this.#pending = undefined;
  }
}
