import { DirectoryMismatchError, StorageFailedError } from '../base/errors.ts';
import type { GroupId, Incarnation } from '../base/ids.ts';
import type { GroupState, LoadedStorage, Storage, StorageIdentity, StorageWrite } from '../ports/storage.ts';
import type { HardState, LogEntry, LogIndex } from '../raft/types.ts';
import type { Prng } from './prng.ts';
import type { SimulatedProcess } from './simulated-process.ts';

/** How fast and how faithful a disk is; drawn per seed and changed by faults. */
export interface DiskProfile {
  readonly syncMinMs: number;
  readonly syncMaxMs: number;
  readonly stallChance: number;
  readonly stallMs: number;
}

export const quickDisk: DiskProfile = { syncMinMs: 0.05, syncMaxMs: 0.4, stallChance: 0, stallMs: 0 };

/** What the platters hold of one group. */
export interface DurableGroup {
  hardState: HardState | undefined;
  /** entries[i] has index i + 1. */
  readonly entries: LogEntry[];
}

/** What a disk tells its watchers, from outside the process. */
export interface DiskObserver {
  /** These writes are on the platters now: all of a batch, or what a crash left of it. */
  onDurable(disk: SimulatedDisk, writes: readonly StorageWrite[]): void;
}

/** The disk of one machine: survives its processes. What was not synced when one dies is lost, all of it or a tail. */
export class SimulatedDisk {
  readonly hostName: string;
  readonly #random: Prng;
  readonly #observers: DiskObserver[] = [];
  readonly groups: Map<GroupId, DurableGroup> = new Map();
  profile: DiskProfile = quickDisk;
  /** The next batch fails with this chance. */
  failChance = 0;
  identity: StorageIdentity | undefined;
  /** Raised each time the disk is replaced. */
  generation = 1;
  #inFlight: readonly StorageWrite[] | undefined;
  #tornWrites = 0;

  constructor(hostName: string, random: Prng) {
    this.hostName = hostName;
    this.#random = random;
  }

  observe(observer: DiskObserver): void {
    this.#observers.push(observer);
  }

  /** Batches of which a crash left a part. */
  get tornWrites(): number {
    return this.#tornWrites;
  }

  group(group: GroupId): DurableGroup {
    let state = this.groups.get(group);
    if (state === undefined) {
      state = { hardState: undefined, entries: [] };
      this.groups.set(group, state);
    }
    return state;
  }

  /** A new, empty disk in the same machine. */
  wipe(): void {
    this.groups.clear();
    this.identity = undefined;
    this.generation += 1;
    this.#inFlight = undefined;
  }

  begin(batch: readonly StorageWrite[]): void {
    this.#inFlight = batch;
  }

  /** The batch in flight reached the platters. */
  commit(): void {
    const batch = this.#inFlight ?? [];
    this.#inFlight = undefined;
    this.#keep(batch);
  }

  /** The process or its machine died, or the sync failed: a prefix of the batch in flight stays, often none of it, sometimes all. */
  crash(): void {
    const batch = this.#inFlight;
    this.#inFlight = undefined;
    if (batch === undefined || this.#random.chance(0.4)) return;
    const left = this.#random.chance(0.3) ? batch : this.#tear(batch);
    if (left !== batch) this.#tornWrites += 1;
    this.#keep(left);
  }

  drawSyncMs(): number {
    const { syncMinMs, syncMaxMs, stallChance, stallMs } = this.profile;
    const stall = this.#random.chance(stallChance) ? this.#random.between(0, stallMs) : 0;
    return this.#random.between(syncMinMs, syncMaxMs) + stall;
  }

  drawFailure(): boolean {
    return this.#random.chance(this.failChance);
  }

  #keep(writes: readonly StorageWrite[]): void {
    for (const write of writes) applyWrite(this.group(write.group), write);
    if (writes.length > 0) for (const observer of this.#observers) observer.onDurable(this, writes);
  }

  #tear(batch: readonly StorageWrite[]): readonly StorageWrite[] {
    const whole = this.#random.below(batch.length);
    const torn = batch[whole]!;
    const steps = this.#random.below(2 + torn.entries.length);
    const part: StorageWrite = {
      group: torn.group,
      hardState: torn.hardState,
      truncateFrom: steps > 0 ? torn.truncateFrom : undefined,
      entries: steps > 0 ? torn.entries.slice(0, steps - 1) : [],
    };
    return [...batch.slice(0, whole), part];
  }
}

function applyWrite(state: DurableGroup, write: StorageWrite): void {
  if (write.hardState !== undefined) state.hardState = write.hardState;
  if (write.truncateFrom !== undefined)
    state.entries.length = Math.min(state.entries.length, write.truncateFrom - 1);
  for (const entry of write.entries) {
    if (entry.index !== state.entries.length + 1) {
      throw new Error(`the log was given entry ${entry.index} after ${state.entries.length}`);
    }
    state.entries.push(entry);
  }
}

/** The `Storage` of one process on a simulated disk. */
export class SimulatedStorage implements Storage {
  readonly #disk: SimulatedDisk;
  readonly #process: SimulatedProcess;
  #isBusy = false;
  #failure: StorageFailedError | undefined;
  #isClosed = false;

  constructor(disk: SimulatedDisk, process: SimulatedProcess) {
    this.#disk = disk;
    this.#process = process;
    process.onDeath(() => {
      if (this.#isBusy) disk.crash();
    });
  }

  load(identity: {
    readonly nodeId: string;
    readonly cluster: string;
    readonly newIncarnation: Incarnation;
  }): Promise<LoadedStorage> {
    const disk = this.#disk;
    const pristine = [...disk.groups.values()].every(isEmpty);
    disk.identity ??= {
      nodeId: identity.nodeId,
      cluster: identity.cluster,
      incarnation: identity.newIncarnation,
    };
    if (disk.identity.nodeId !== identity.nodeId || disk.identity.cluster !== identity.cluster) {
      return Promise.reject(new DirectoryMismatchError(`this disk belongs to ${disk.identity.nodeId}`));
    }
    const written = [...disk.groups].filter(([, state]) => !isEmpty(state));
    const groups: GroupState[] = written.map(([group, state]) => ({
      group,
      hardState: state.hardState,
      firstIndex: 1,
      lastIndex: state.entries.length,
    }));
    const loaded: LoadedStorage = { identity: disk.identity, pristine, groups, tornBytes: 0 };
    return new Promise((resolve) => this.#later(() => resolve(loaded)));
  }

  read(
    group: GroupId,
    from: LogIndex,
    bytesMax: number,
    done: (error: Error | undefined, entries: readonly LogEntry[]) => void,
  ): void {
    const found: LogEntry[] = [];
    let bytes = 0;
    for (const entry of this.#disk.group(group).entries.slice(from - 1)) {
      if (found.length > 0 && bytes + entry.data.length > bytesMax) break;
      found.push(copyOf(entry));
      bytes += entry.data.length;
    }
    this.#later(() => done(this.#failure, found));
  }

  append(batch: readonly StorageWrite[], done: (error: Error | undefined) => void): void {
    if (this.#isBusy) throw new Error('a second batch before the first was done');
    if (this.#failure !== undefined || this.#isClosed) {
      this.#later(() => done(this.#failure ?? new StorageFailedError('the storage is closed')));
      return;
    }
    this.#isBusy = true;
    this.#disk.begin(batch.map(copyOfWrite));
    const fails = this.#disk.drawFailure();
    const world = this.#process.host.world;
    world.after(this.#disk.drawSyncMs(), () => {
      if (!this.#process.isAlive) return;
      this.#isBusy = false;
      if (fails && this.#disk.failChance > 0) this.#fail();
      else this.#disk.commit();
      // The kernel's part is done; the process hears of it when it runs.
      this.#process.deliver(() => done(this.#failure));
    });
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    while (this.#isBusy) await new Promise<void>((resolve) => this.#process.after(1, resolve));
  }

  #fail(): void {
    this.#failure = new StorageFailedError('the disk refused a sync');
    this.#disk.crash();
  }

  #later(run: () => void): void {
    this.#process.host.world.after(0.05, () => this.#process.deliver(run));
  }
}

function isEmpty(state: DurableGroup): boolean {
  return state.hardState === undefined && state.entries.length === 0;
}

/** The disk keeps bytes of its own: nobody can change what was written. */
function copyOf(entry: LogEntry): LogEntry {
  return { ...entry, data: entry.data.slice() };
}

function copyOfWrite(write: StorageWrite): StorageWrite {
  return { ...write, entries: write.entries.map(copyOf) };
}
