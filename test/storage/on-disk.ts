import { type GroupId, type Incarnation, incarnation, mainGroup, nodeId } from '../../src/base/ids.ts';
import type { LoadedStorage, Storage, StorageWrite } from '../../src/ports/storage.ts';
import type { HardState, LogEntry } from '../../src/raft/types.ts';
import { FileStorage } from '../../src/storage/file/file-storage.ts';
import type { ProcessTable } from '../../src/storage/file/process-table.ts';
import type { SimulatedFileSystem } from './simulated-file-system.ts';

export const directory = '/disk/a';
export const life: Incarnation = incarnation('0011223344556677');

let processCount = 0;

/** A new process that thinks all others are dead: a lock is not what these tests are about. */
export function newProcess(): ProcessTable {
  const self = { boot: 'b', namespace: '1', pid: String(++processCount), start: '1' };
  return { self, isAlive: () => false };
}

export function open(fileSystem: SimulatedFileSystem, segmentBytes: number = 1 << 20): FileStorage {
  return new FileStorage({ directory, segmentBytes, fileSystem, processes: newProcess() });
}

export function load(storage: Storage): Promise<LoadedStorage> {
  return storage.load({ nodeId: 'a', cluster: 'test', newIncarnation: life });
}

export function write(parts: Partial<StorageWrite>): StorageWrite {
  return { group: mainGroup, hardState: undefined, truncateFrom: undefined, entries: [], ...parts };
}

export function vote(currentTerm: number, votedFor: string | undefined): HardState {
  const candidate = votedFor === undefined ? undefined : nodeId(votedFor);
  return { currentTerm, votedFor: candidate, longestLeaseMs: 0, bootstrapSet: undefined };
}

export function log(from: number, to: number, term: number, bytes = 10): LogEntry[] {
  const entries: LogEntry[] = [];
  for (let index = from; index <= to; index++) {
    const data = Buffer.alloc(bytes, index * 7 + term);
    entries.push({ index, term, kind: 'commands', stampMs: term * 1_000 + index, data });
  }
  return entries;
}

export function append(storage: Storage, batch: readonly StorageWrite[]): Promise<void> {
  return new Promise((resolve, reject) => {
    storage.append(batch, (error) => (error === undefined ? resolve() : reject(error)));
  });
}

export async function readAll(storage: Storage, group: GroupId = mainGroup): Promise<readonly LogEntry[]> {
  const all: LogEntry[] = [];
  for (;;) {
    const entries = await new Promise<readonly LogEntry[]>((resolve, reject) => {
      storage.read(group, all.length + 1, 1 << 20, (error, got) =>
        error === undefined ? resolve(got) : reject(error),
      );
    });
    if (entries.length === 0) return all;
    all.push(...entries);
  }
}

/** What one group of a disk says, in a form that can be compared. */
export interface State {
  readonly hardState: HardState | undefined;
  readonly entries: readonly string[];
}

export const noState: State = { hardState: undefined, entries: [] };

export function entryText(entry: LogEntry): string {
  return `${entry.index} ${entry.term} ${entry.kind} ${entry.stampMs} ${Buffer.from(entry.data).toString('base64')}`;
}

/** The slow and obvious storage: what a write makes of a state. */
export function after(state: State, batch: readonly StorageWrite[]): State {
  let { hardState } = state;
  let entries = [...state.entries];
  for (const part of batch) {
    if (part.hardState !== undefined) hardState = part.hardState;
    if (part.truncateFrom !== undefined) entries = entries.slice(0, part.truncateFrom - 1);
    entries = [...entries, ...part.entries.map(entryText)];
  }
  return { hardState, entries };
}

/** Opens, loads, reads everything; closes nothing, as a process that is killed. */
export async function stateOf(
  fileSystem: SimulatedFileSystem,
): Promise<State & { readonly tornBytes: number }> {
  const storage = open(fileSystem);
  const loaded = await load(storage);
  const entries = (await readAll(storage)).map(entryText);
  const hardState = loaded.groups.find(({ group }) => group === mainGroup)?.hardState;
  return { hardState, entries, tornBytes: loaded.tornBytes };
}
