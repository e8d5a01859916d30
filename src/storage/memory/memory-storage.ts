import { assert } from '../../base/assert.ts';
import {
  ClosedError,
  DirectoryLockedError,
  DirectoryMismatchError,
  StorageFailedError,
} from '../../base/errors.ts';
import type { GroupId, Incarnation } from '../../base/ids.ts';
import type { GroupState, LoadedStorage, Storage, StorageWrite } from '../../ports/storage.ts';
import type { LogEntry, LogIndex } from '../../raft/types.ts';
import { countWithin } from '../group-log.ts';
import { MemoryDisk } from './memory-disk.ts';

export interface MemoryStorageOptions {
  /** Outlives the storage; a second one opened on it after a crash finds what was durable. */
  readonly disk?: MemoryDisk | undefined;
  /** When a write is durable and a read is there; by default at the end of the current turn. A simulator takes its time here. */
  readonly schedule?: ((run: () => void) => void) | undefined;
}

/** The log in memory, with the contract of the one on files. */
export class MemoryStorage implements Storage {
  readonly #disk: MemoryDisk;
  readonly #schedule: (run: () => void) => void;
  #state: 'new' | 'open' | 'closed' = 'new';
  #failure: StorageFailedError | undefined;
  #appending = false;
  #onIdle: (() => void) | undefined;

  constructor(options: MemoryStorageOptions = {}) {
    this.#disk = options.disk ?? new MemoryDisk();
    this.#schedule = options.schedule ?? queueMicrotask;
  }

  async load(identity: {
    readonly nodeId: string;
    readonly cluster: string;
    readonly newIncarnation: Incarnation;
  }): Promise<LoadedStorage> {
    assert(this.#state === 'new', 'a storage is loaded once');
    const disk = this.#disk;
    if (disk.owner !== undefined)
      throw new DirectoryLockedError('the memory disk is open in another storage');
    if (disk.brokenBy !== undefined)
      throw new StorageFailedError('the disk is broken', { cause: disk.brokenBy });
    const { nodeId, cluster } = identity;
    disk.identity ??= { nodeId, cluster, incarnation: identity.newIncarnation };
    if (disk.identity.nodeId !== nodeId || disk.identity.cluster !== cluster) {
      throw new DirectoryMismatchError(
        `the disk belongs to node ${disk.identity.nodeId} of cluster ${disk.identity.cluster}`,
      );
    }
    disk.owner = this;
    this.#state = 'open';
    return {
      identity: disk.identity,
      pristine: disk.groups.size === 0,
      groups: this.#groups(),
      tornBytes: 0,
    };
  }

  read(
    group: GroupId,
    from: LogIndex,
    bytesMax: number,
    done: (error: Error | undefined, entries: readonly LogEntry[]) => void,
  ): void {
    const refusal = this.#refusal();
    const entries = refusal === undefined ? this.#slice(group, from, bytesMax) : [];
    this.#schedule(() => {
      if (refusal !== undefined || this.#isOwner()) done(refusal, entries);
    });
  }

  append(batch: readonly StorageWrite[], done: (error: Error | undefined) => void): void {
    const refusal = this.#refusal();
    if (refusal !== undefined) {
      this.#schedule(() => done(refusal));
      return;
    }
    assert(!this.#appending, 'one batch is in flight at a time');
    this.#disk.begin(batch);
    this.#appending = true;
    this.#schedule(() => this.#complete(done));
  }

  async close(): Promise<void> {
    if (this.#appending && this.#isOwner()) {
      await new Promise<void>((resolve) => {
        this.#onIdle = resolve;
      });
    }
    if (this.#isOwner()) this.#disk.owner = undefined;
    this.#state = 'closed';
  }

  #complete(done: (error: Error | undefined) => void): void {
    // After a crash nobody is there to be called back.
    if (!this.#isOwner()) return;
    this.#appending = false;
    if (this.#disk.brokenBy !== undefined) {
      this.#failure = new StorageFailedError('the disk refused a write', { cause: this.#disk.brokenBy });
    } else {
      this.#disk.finish();
    }
    done(this.#failure);
    this.#onIdle?.();
  }

  #isOwner(): boolean {
    return this.#disk.owner === this;
  }

  #refusal(): Error | undefined {
    if (this.#failure !== undefined) return this.#failure;
    return this.#state === 'open' ? undefined : new ClosedError('the storage is not open');
  }

  #groups(): GroupState[] {
    return [...this.#disk.groups].map(([group, { hardState, entries }]) => ({
      group,
      hardState,
      firstIndex: 1,
      lastIndex: entries.length,
    }));
  }

  #slice(group: GroupId, from: LogIndex, bytesMax: number): readonly LogEntry[] {
    const entries = this.#disk.groups.get(group)?.entries ?? [];
    const start = from - 1;
    return entries.slice(start, start + countWithin(entries, start, bytesMax));
  }
}
