import { dirname, join } from 'node:path';
import { LogCorruptError } from '../../base/errors.ts';
import type { GroupId, Incarnation } from '../../base/ids.ts';
import type { StorageIdentity } from '../../ports/storage.ts';
import type { HardState } from '../../raft/types.ts';
import { errorCode } from './file-system.ts';
import type { Files } from './files.ts';
import { GroupIndex } from './group-index.ts';
import { readIdentity, writeIdentity } from './identity-file.ts';
import { keepAdvice, lockPrefix, segmentLayout, segmentName, segmentOfName } from './layout.ts';
import { type Lock, takeLock } from './lock.ts';
import type { LogEnd } from './log-writer.ts';
import type { ProcessTable } from './process-table.ts';
import { recoverLog, repairTail } from './recovery.ts';
import { encodeSegmentHeader, seedOf } from './segment.ts';
import { SlotFile } from './slot-file.ts';

/** Whose directory is wanted. */
export interface Wanted {
  readonly nodeId: string;
  readonly cluster: string;
  readonly newIncarnation: Incarnation;
}

/** A directory that is locked, read, judged and ready to be written to. */
export interface OpenDirectory {
  readonly identity: StorageIdentity;
  readonly groups: Map<GroupId, GroupIndex>;
  readonly slots: SlotFile;
  readonly end: LogEnd;
  readonly tornBytes: number;
  readonly hasUnvouched: boolean;
}

/** Creates the directory if it is missing, checks whose it is before anything is written into it, and locks it. */
export async function lockDirectory(
  files: Files,
  directory: string,
  wanted: Wanted,
  processes: ProcessTable,
): Promise<Lock> {
  await files.makeDirectory(directory);
  await readIdentity(files, directory, wanted);
  return takeLock(files, directory, lockPrefix, processes);
}

/** Reads a locked directory; writes nothing before all of it was judged. */
export async function openDirectory(files: Files, directory: string, wanted: Wanted): Promise<OpenDirectory> {
  const identity = (await readIdentity(files, directory, wanted)) ?? (await create(files, directory, wanted));
  const seed = seedOf(identity.incarnation);
  const found = await SlotFile.find(files, directory, seed);
  const recovered = await recoverLog(files, directory, identity.incarnation, found.table.syncedSequence);
  mergeHardStates(recovered.groups, found.table.hardStates, found.table.logSequence);
  const { groups, last, lastSequence: sequence, tornBytes, hasUnvouched } = recovered;
  const fd = await repairTail(files, directory, last);
  let slots: SlotFile | undefined;
  try {
    slots = await SlotFile.open(files, directory, seed, found);
    await slots.save({ logSequence: sequence, syncedSequence: sequence, hardStates: hardStatesOf(groups) });
    return {
      identity,
      groups,
      slots,
      end: { fd, segment: last.place.segment, offset: last.end, sequence },
      tornBytes,
      hasUnvouched,
    };
  } catch (error) {
    await slots?.close(files);
    await files.close(fd);
    throw error;
  }
}

/** The hard states of all groups, as the slot file takes them. */
export function hardStatesOf(groups: ReadonlyMap<GroupId, GroupIndex>): Map<GroupId, HardState> {
  const table = new Map<GroupId, HardState>();
  for (const [group, { hardState }] of groups) {
    if (hardState !== undefined) table.set(group, hardState);
  }
  return table;
}

/**
 * Of the copy in the log and the one in the slots the later counts. A slot has all of the log up to its sequence, and after a recovery
 * also what the lost end of the log said.
 */
function mergeHardStates(
  groups: Map<GroupId, GroupIndex>,
  slots: ReadonlyMap<GroupId, HardState>,
  slotSequence: number,
): void {
  for (const [name, hardState] of slots) {
    const group = groups.get(name) ?? new GroupIndex();
    groups.set(name, group);
    if (slotSequence >= group.hardStateSequence) group.hardState = hardState;
  }
}

/** The identity comes last: a crash before it leaves a directory that is created again. */
async function create(files: Files, directory: string, wanted: Wanted): Promise<StorageIdentity> {
  await refuseLog(files, directory);
  const identity = { nodeId: wanted.nodeId, cluster: wanted.cluster, incarnation: wanted.newIncarnation };
  await SlotFile.create(files, directory, seedOf(identity.incarnation));
  const place = { segment: 1, firstSequence: 1, incarnation: identity.incarnation };
  await files.create(join(directory, segmentName(1)), encodeSegmentHeader(place));
  await files.syncDirectory(directory);
  await syncParent(files, directory);
  await writeIdentity(files, directory, identity);
  return identity;
}

/** A log without an identity is not overwritten: the identity file was lost. */
async function refuseLog(files: Files, directory: string): Promise<void> {
  for (const name of await files.names(directory)) {
    const segment = segmentOfName(name);
    if (segment === undefined) continue;
    const bytes = await files.content(join(directory, name));
    if (segment === 1 && (bytes?.length ?? 0) <= segmentLayout.headerBytes) continue;
    throw new LogCorruptError(
      `${join(directory, 'identity')} at offset 0: the file is missing beside ${name}. ${keepAdvice}`,
    );
  }
}

/** Makes the name of the directory durable; a parent that may not be read is its owner's affair. */
async function syncParent(files: Files, directory: string): Promise<void> {
  try {
    await files.syncDirectory(dirname(directory));
  } catch (error) {
    if (errorCode(error) !== 'EACCES') throw error;
  }
}
