import { assert } from '../../base/assert.ts';
import { ClosedError, InvalidOptionError, isRaftsmanError, StorageFailedError } from '../../base/errors.ts';
import type { GroupId } from '../../base/ids.ts';
import type { LoadedStorage, Storage, StorageWrite } from '../../ports/storage.ts';
import type { LogEntry, LogIndex } from '../../raft/types.ts';
import { checkBatch, isEmptyWrite } from '../group-log.ts';
import { type Done, errorCode, type FileSystem, nodeFileSystem } from './file-system.ts';
import { Files } from './files.ts';
import { GroupIndex } from './group-index.ts';
import type { Lock } from './lock.ts';
import { LogWriter, type Written } from './log-writer.ts';
import {
  hardStatesOf,
  lockDirectory,
  type OpenDirectory,
  openDirectory,
  type Wanted,
} from './open-directory.ts';
import { nodeProcessTable, type ProcessTable } from './process-table.ts';
import { readRange } from './range-reader.ts';
import type { SlotFile } from './slot-file.ts';

export const segmentBytesDefault: number = 64 * 1024 * 1024;
const segmentBytesMin = 4 * 1024;
const segmentBytesMax = 1024 * 1024 * 1024;

export interface FileStorageOptions {
  readonly directory: string;
  /** A segment that has reached this size is followed by a new one. */
  readonly segmentBytes?: number | undefined;
  readonly fileSystem?: FileSystem | undefined;
  readonly processes?: ProcessTable | undefined;
}

/**
 * The write-ahead log on files (docs/reference/disk.md). One batch is in flight; its completion means that the log and, where a hard
 * state changed, the slot file are synced. After the first failed write or sync every call fails: nothing is tried again (pitfall 3).
 */
export class FileStorage implements Storage {
  readonly #directory: string;
  readonly #segmentBytes: number;
  readonly #files: Files;
  readonly #processes: ProcessTable;
  #state: 'new' | 'loading' | 'open' | 'closed' = 'new';
  #groups: Map<GroupId, GroupIndex> = new Map();
  #lock: Lock | undefined;
  #writer: LogWriter | undefined;
  #slots: SlotFile | undefined;
  /** Records were written that no later batch calls synced. */
  #hasUnvouched = false;
  #failure: StorageFailedError | undefined;
  #isAppending = false;
  #inFlight = 0;
  #onIdle: (() => void) | undefined;
  #closing: Promise<void> | undefined;

  constructor(options: FileStorageOptions) {
    const { directory, segmentBytes = segmentBytesDefault } = options;
    if (
      !Number.isSafeInteger(segmentBytes) ||
      segmentBytes < segmentBytesMin ||
      segmentBytes > segmentBytesMax
    ) {
      throw new InvalidOptionError(
        `segmentBytes must be a whole number from ${segmentBytesMin} to ${segmentBytesMax}, got ${segmentBytes}`,
      );
    }
    this.#directory = directory;
    this.#segmentBytes = segmentBytes;
    this.#files = new Files(options.fileSystem ?? nodeFileSystem);
    this.#processes = options.processes ?? nodeProcessTable();
  }

  async load(wanted: Wanted): Promise<LoadedStorage> {
    assert(this.#state === 'new', 'a storage is loaded once');
    this.#state = 'loading';
    this.#inFlight++;
    try {
      this.#lock = await lockDirectory(this.#files, this.#directory, wanted, this.#processes);
      const opened = await openDirectory(this.#files, this.#directory, wanted);
      this.#take(opened);
      return this.#loaded(opened);
    } catch (error) {
      this.#state = 'closed';
      await this.#lock?.release().catch(() => undefined);
      throw this.#named(error);
    } finally {
      this.#leave();
    }
  }

  read(
    group: GroupId,
    from: LogIndex,
    bytesMax: number,
    done: (error: Error | undefined, entries: readonly LogEntry[]) => void,
  ): void {
    const refusal = this.#refusal();
    const index = this.#groups.get(group);
    if (refusal !== undefined || index === undefined || from > index.lastIndex) {
      queueMicrotask(() => done(refusal, []));
      return;
    }
    assert(from >= 1, 'an index starts at 1');
    this.#inFlight++;
    readRange(this.#files, this.#directory, index, from, bytesMax, (error, entries) => {
      this.#leave();
      done(error === undefined ? undefined : this.#named(error), entries);
    });
  }

  append(batch: readonly StorageWrite[], done: (error: Error | undefined) => void): void {
    const refusal = this.#refusal();
    const writer = this.#writer;
    const slots = this.#slots;
    if (refusal !== undefined || writer === undefined || slots === undefined) {
      queueMicrotask(() => done(refusal));
      return;
    }
    assert(!this.#isAppending, 'one batch is in flight at a time');
    checkBatch(batch, (group) => this.#groups.get(group));
    this.#isAppending = true;
    this.#inFlight++;
    this.#write(writer, slots, batch, (error) => {
      this.#isAppending = false;
      if (error !== null) this.#failure = this.#failed(error);
      this.#leave();
      done(this.#failure);
    });
  }

  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  /** The log and the slots are written side by side; a vote leaves when both are synced. */
  #write(writer: LogWriter, slots: SlotFile, batch: readonly StorageWrite[], done: Done): void {
    if (batch.every(isEmptyWrite)) {
      queueMicrotask(() => done(null));
      return;
    }
    let waitingFor = 1;
    let failure: Error | null = null;
    let written: Written | undefined;
    const finish = (error: Error | null): void => {
      failure ??= error;
      waitingFor--;
      if (waitingFor > 0) return;
      if (failure === null && written !== undefined) this.#apply(batch, written);
      done(failure);
    };
    const hardStates = batch.filter((write) => write.hardState !== undefined);
    if (hardStates.length > 0) {
      waitingFor++;
      const table = hardStatesOf(this.#groups);
      for (const { group, hardState } of hardStates) if (hardState !== undefined) table.set(group, hardState);
      slots.write(
        { logSequence: writer.sequence + 1, syncedSequence: writer.sequence, hardStates: table },
        finish,
      );
    }
    writer.write(batch, (error, place) => {
      written = place;
      finish(error);
    });
  }

  /** The batch is durable: from now on it can be read. */
  #apply(batch: readonly StorageWrite[], written: Written): void {
    this.#hasUnvouched = true;
    let nextPlace = 0;
    for (const write of batch) {
      if (isEmptyWrite(write)) continue;
      const group = this.#groups.get(write.group) ?? new GroupIndex();
      this.#groups.set(write.group, group);
      if (write.hardState !== undefined) group.hardState = write.hardState;
      if (write.truncateFrom !== undefined) group.truncate(write.truncateFrom);
      if (write.entries.length === 0) continue;
      const { at, bytes } = written.places[nextPlace++]!;
      group.add(write.entries, { segment: written.segment, offset: at, bytes });
    }
  }

  #take(opened: OpenDirectory): void {
    this.#groups = opened.groups;
    this.#slots = opened.slots;
    this.#hasUnvouched = opened.hasUnvouched;
    this.#writer = new LogWriter(
      this.#files,
      this.#directory,
      opened.identity.incarnation,
      this.#segmentBytes,
      opened.end,
    );
    this.#state = 'open';
  }

  #loaded(opened: OpenDirectory): LoadedStorage {
    const groups = [...opened.groups].map(([group, { hardState, lastIndex }]) => ({
      group,
      hardState,
      firstIndex: 1,
      lastIndex,
    }));
    return { identity: opened.identity, pristine: groups.length === 0, groups, tornBytes: opened.tornBytes };
  }

  async #close(): Promise<void> {
    if (this.#inFlight > 0) {
      await new Promise<void>((resolve) => {
        this.#onIdle = resolve;
      });
    }
    const writer = this.#writer;
    this.#state = 'closed';
    if (writer !== undefined && this.#hasUnvouched && this.#failure === undefined) {
      // One empty batch says that all before it was synced: damage of the end is then no longer taken for a torn tail.
      await new Promise<void>((resolve) => {
        writer.write([], () => resolve());
      });
    }
    await writer?.close().catch(() => undefined);
    await this.#slots?.close(this.#files).catch(() => undefined);
    await this.#lock?.release().catch(() => undefined);
  }

  #leave(): void {
    this.#inFlight--;
    if (this.#inFlight === 0) this.#onIdle?.();
  }

  #refusal(): Error | undefined {
    if (this.#failure !== undefined) return this.#failure;
    return this.#state === 'open' && this.#closing === undefined
      ? undefined
      : new ClosedError('the storage is not open');
  }

  #failed(error: Error): StorageFailedError {
    return new StorageFailedError(
      `${this.#directory}: the disk refused a write or a sync (${error.message}). Nothing is tried again; repair the disk and restart`,
      { cause: error },
    );
  }

  /** Errors of the platform get a name of ours; ours stay. */
  #named(error: unknown): Error {
    if (isRaftsmanError(error)) return error;
    const code = errorCode(error);
    const why = code === 'ENOTDIR' || code === 'EEXIST' ? 'it is not a directory' : String(error);
    return new StorageFailedError(`${this.#directory} cannot be used: ${why}`, { cause: error });
  }
}
