import type { GroupId } from '../base/ids.ts';
import type { LoadedStorage, Storage } from '../ports/storage.ts';
import type { DurableState, LogEntry } from '../raft/types.ts';

/** Bytes asked of the disk at once while a log is read at the start. */
const readBytesMax = 4 * 1024 * 1024;

/** What the disk holds of one group: nothing at all when it is new. */
export async function readLog(
  storage: Storage,
  loaded: LoadedStorage,
  group: GroupId,
): Promise<DurableState> {
  const state = loaded.groups.find((candidate) => candidate.group === group);
  if (state === undefined) return { hardState: undefined, entries: [] };
  const entries: LogEntry[] = [];
  for (let from = state.firstIndex; from <= state.lastIndex; from = entries.length + state.firstIndex) {
    for (const entry of await readSome(storage, group, from)) entries.push(entry);
  }
  return { hardState: state.hardState, entries };
}

function readSome(storage: Storage, group: GroupId, from: number): Promise<readonly LogEntry[]> {
  return new Promise((resolve, reject) => {
    storage.read(group, from, readBytesMax, (error, entries) => {
      if (error !== undefined) reject(error);
      else if (entries.length === 0) reject(new Error(`the log of ${group} ends before index ${from}`));
      else resolve(entries);
    });
  });
}
