import { join } from 'node:path';
import { crc32 } from 'node:zlib';
import { LogCorruptError } from '../../base/errors.ts';
import { type GroupId, groupId, isName } from '../../base/ids.ts';
import type { HardState } from '../../raft/types.ts';
import type { Done, FileSystem } from './file-system.ts';
import { type Files, writeFully } from './files.ts';
import { fieldsOf, hardStateFromJson, hardStateToJson, parseJson } from './hard-state-codec.ts';
import {
  diskFormat,
  keepAdvice,
  readUint64,
  slotLayout,
  slotMagic,
  slotNames,
  writeUint64,
} from './layout.ts';

/** The hard states of all groups, as one slot has them. */
export interface SlotTable {
  /** The last batch of the log whose hard states are in the table. */
  readonly logSequence: number;
  /** Batches up to this one were synced when the slot was written. */
  readonly syncedSequence: number;
  readonly hardStates: ReadonlyMap<GroupId, HardState>;
}

interface Slot extends SlotTable {
  readonly generation: number;
}

/** What was found, before anything is written. */
export interface FoundSlots {
  readonly table: SlotTable;
  readonly generation: number;
  /** The slot that is older or damaged: the next to be written. */
  readonly next: 0 | 1;
}

/**
 * The second copy of the hard states: two files, written in turn and each with its checksum, so that one of them is whole at any
 * moment. A vote that is lost with the end of the log is still here (I2).
 */
export class SlotFile {
  readonly #fs: FileSystem;
  readonly #fds: readonly number[];
  readonly #seed: number;
  #generation: number;
  #next: number;

  private constructor(fs: FileSystem, fds: readonly number[], seed: number, found: FoundSlots) {
    this.#fs = fs;
    this.#fds = fds;
    this.#seed = seed;
    this.#generation = found.generation + 1;
    this.#next = found.next;
  }

  /** Writes both files, empty, into a directory that is being created. */
  static async create(files: Files, directory: string, seed: number): Promise<void> {
    const table: SlotTable = { logSequence: 0, syncedSequence: 0, hardStates: new Map() };
    for (const [generation, name] of slotNames.entries()) {
      await files.create(join(directory, name), encodeSlot(table, generation, seed));
    }
  }

  /** @throws LogCorruptError when both are damaged: what this node voted for is not known. */
  static async find(files: Files, directory: string, seed: number): Promise<FoundSlots> {
    const paths = slotNames.map((name) => join(directory, name));
    const [a, b] = await Promise.all(
      paths.map(async (path) => decodeSlot(await files.content(path), seed, path)),
    );
    if (a !== undefined && a.generation > (b?.generation ?? -1))
      return { table: a, generation: a.generation, next: 1 };
    if (b !== undefined) return { table: b, generation: b.generation, next: 0 };
    throw new LogCorruptError(
      `${paths.join(' and ')} are both damaged at offset 0: what this node voted for is not known. ${keepAdvice}`,
    );
  }

  /** Opens both for writing; one that is missing is created. */
  static async open(files: Files, directory: string, seed: number, found: FoundSlots): Promise<SlotFile> {
    const fds: number[] = [];
    for (const name of slotNames) {
      const path = join(directory, name);
      if ((await files.content(path)) === undefined) await files.replace(path, Buffer.alloc(0));
      fds.push(await files.open(path, 'r+'));
    }
    return new SlotFile(files.fs, fds, seed, found);
  }

  /** Writes and syncs the slot that is not the newest. */
  write(table: SlotTable, done: Done): void {
    const bytes = encodeSlot(table, this.#generation, this.#seed);
    const fd = this.#fds[this.#next]!;
    this.#generation++;
    this.#next = 1 - this.#next;
    writeFully(this.#fs, fd, bytes, bytes.length, 0, (error) => {
      if (error !== null) {
        done(error);
        return;
      }
      this.#fs.fdatasync(fd, done);
    });
  }

  save(table: SlotTable): Promise<void> {
    return new Promise((resolve, reject) => {
      this.write(table, (error) => (error === null ? resolve() : reject(error)));
    });
  }

  async close(files: Files): Promise<void> {
    for (const fd of this.#fds) await files.close(fd);
  }
}

function encodeSlot(table: SlotTable, generation: number, seed: number): Buffer {
  const groups = [...table.hardStates].map(([group, state]) => ({ group, ...hardStateToJson(state) }));
  const body = Buffer.from(JSON.stringify({ groups }));
  const header = Buffer.alloc(slotLayout.headerBytes);
  header.writeUInt32BE(slotMagic, slotLayout.magic);
  header.writeUInt32BE(diskFormat, slotLayout.format);
  writeUint64(header, generation, slotLayout.generation);
  writeUint64(header, table.logSequence, slotLayout.logSequence);
  writeUint64(header, table.syncedSequence, slotLayout.syncedSequence);
  header.writeUInt32BE(body.length, slotLayout.bodyBytes);
  const bytes = Buffer.concat([header, body]);
  bytes.writeUInt32BE(crc32(bytes.subarray(slotLayout.magic), seed), slotLayout.crc);
  return bytes;
}

/** @returns undefined if the slot is missing, torn or damaged; what an older, longer table left behind it is ignored. */
function decodeSlot(bytes: Buffer | undefined, seed: number, where: string): Slot | undefined {
  if (bytes === undefined || bytes.length < slotLayout.headerBytes) return undefined;
  const end = slotLayout.headerBytes + bytes.readUInt32BE(slotLayout.bodyBytes);
  if (end > bytes.length || bytes.readUInt32BE(slotLayout.magic) !== slotMagic) return undefined;
  if (bytes.readUInt32BE(slotLayout.crc) !== crc32(bytes.subarray(slotLayout.magic, end), seed))
    return undefined;
  const format = bytes.readUInt32BE(slotLayout.format);
  if (format !== diskFormat)
    throw new LogCorruptError(`${where}: format ${format} is not known: upgrade this node`);
  return {
    generation: readUint64(bytes, slotLayout.generation),
    logSequence: readUint64(bytes, slotLayout.logSequence),
    syncedSequence: readUint64(bytes, slotLayout.syncedSequence),
    hardStates: tableOf(parseJson(bytes.subarray(slotLayout.headerBytes, end), where), where),
  };
}

function tableOf(value: unknown, where: string): ReadonlyMap<GroupId, HardState> {
  const { groups } = fieldsOf(value, where);
  if (!Array.isArray(groups)) throw new LogCorruptError(`${where}: no list of groups`);
  return new Map(
    groups.map((item: unknown) => {
      const { group } = fieldsOf(item, where);
      if (typeof group !== 'string' || !isName(group))
        throw new LogCorruptError(`${where}: a group has no name`);
      return [groupId(group), hardStateFromJson(item, where)];
    }),
  );
}
