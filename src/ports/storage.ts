import type { GroupId, Incarnation } from '../base/ids.ts';
import type { HardState, LogEntry, LogIndex } from '../raft/types.ts';

/** What one directory is: written when it is first opened, never changed. */
export interface StorageIdentity {
  readonly nodeId: string;
  /** The cluster's configured name, so that a directory is not opened for another. */
  readonly cluster: string;
  readonly incarnation: Incarnation;
}

/** One group as the disk has it. */
export interface GroupState {
  readonly group: GroupId;
  readonly hardState: HardState | undefined;
  /** 1 until snapshots exist. */
  readonly firstIndex: LogIndex;
  /** 0 when the log is empty. */
  readonly lastIndex: LogIndex;
}

export interface LoadedStorage {
  readonly identity: StorageIdentity;
  /** True if the directory held no record at all, of any group. */
  readonly pristine: boolean;
  readonly groups: readonly GroupState[];
  /** Bytes cut from a torn tail, 0 if none; for the log. */
  readonly tornBytes: number;
}

/** One group's part of a batch, carried out in this order: hard state, truncate, entries. */
export interface StorageWrite {
  readonly group: GroupId;
  readonly hardState: HardState | undefined;
  /** Drop this index and all above it. */
  readonly truncateFrom: LogIndex | undefined;
  /** Consecutive, the first follows what is left. */
  readonly entries: readonly LogEntry[];
}

/**
 * The write-ahead log of one node, for all its groups: one sync serves all. One batch is in flight at a time; a second `append`
 * before `done` is a defect of the caller. Completion means durable. After a failure every later call fails: a failed sync is never retried.
 */
export interface Storage {
  /**
   * Opens, locks and reads. Mints the incarnation (8 random bytes given by the caller) in a pristine directory.
   *
   * @throws DirectoryLockedError, DirectoryMismatchError, LogCorruptError, StorageFailedError
   */
  load(identity: {
    readonly nodeId: string;
    readonly cluster: string;
    readonly newIncarnation: Incarnation;
  }): Promise<LoadedStorage>;
  /** Entries from `from` on, at least one if there is one, about `bytesMax` bytes of data at most. Calls back once. */
  read(
    group: GroupId,
    from: LogIndex,
    bytesMax: number,
    done: (error: Error | undefined, entries: readonly LogEntry[]) => void,
  ): void;
  /** Writes and syncs one batch, then calls back once: undefined, or StorageFailedError. */
  append(batch: readonly StorageWrite[], done: (error: Error | undefined) => void): void;
  /** Waits for the batch in flight, releases the lock. Twice is harmless. */
  close(): Promise<void>;
}
