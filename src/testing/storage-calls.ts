import { type GroupId, type Incarnation, incarnation, mainGroup, nodeId } from '../base/ids.ts';
import type { LoadedStorage, Storage, StorageWrite } from '../ports/storage.ts';
import type { HardState, LogEntry, LogIndex } from '../raft/types.ts';

export const firstLife: Incarnation = incarnation('00112233aabbccdd');
export const secondLife: Incarnation = incarnation('ffffffffffffffff');

export function load(storage: Storage, life: Incarnation = firstLife): Promise<LoadedStorage> {
  return storage.load({ nodeId: 'a', cluster: 'test', newIncarnation: life });
}

export function write(parts: Partial<StorageWrite>): StorageWrite {
  return { group: mainGroup, hardState: undefined, truncateFrom: undefined, entries: [], ...parts };
}

export function vote(currentTerm: number, votedFor: string | undefined): HardState {
  const candidate = votedFor === undefined ? undefined : nodeId(votedFor);
  return { currentTerm, votedFor: candidate, longestLeaseMs: 0, bootstrapSet: undefined };
}

/** Entries `from` to `to` of one term, each with its own data. */
export function log(from: LogIndex, to: LogIndex, term: number): LogEntry[] {
  const entries: LogEntry[] = [];
  for (let index = from; index <= to; index++) {
    const data = new Uint8Array(20 + index).fill(index + term);
    entries.push({ index, term, kind: 'commands', stampMs: 1_000 * term + index, data });
  }
  return entries;
}

export function append(storage: Storage, batch: readonly StorageWrite[]): Promise<void> {
  return new Promise((resolve, reject) => {
    storage.append(batch, (error) => (error === undefined ? resolve() : reject(error)));
  });
}

export function read(
  storage: Storage,
  from: LogIndex,
  bytesMax: number,
  group: GroupId = mainGroup,
): Promise<readonly LogEntry[]> {
  return new Promise((resolve, reject) => {
    storage.read(group, from, bytesMax, (error, entries) =>
      error === undefined ? resolve(entries) : reject(error),
    );
  });
}

export async function readAll(storage: Storage, group: GroupId = mainGroup): Promise<readonly LogEntry[]> {
  const all: LogEntry[] = [];
  for (;;) {
    const entries = await read(storage, all.length + 1, 60, group);
    if (entries.length === 0) return all;
    all.push(...entries);
  }
}
