import { basename, dirname } from 'node:path';
import type { Done, FileSystem, OpenMode } from '../../src/storage/file/file-system.ts';

type Edit = { readonly at: number; readonly bytes: Buffer } | { readonly truncateTo: number };

interface File {
  /** What a process sees. */
  current: Buffer;
  /** What is on the platter. */
  durable: Buffer;
  /** Edits since the last sync, in order. */
  unsynced: Edit[];
}

type NameEdit =
  | { readonly type: 'link'; readonly name: string; readonly file: File }
  | { readonly type: 'unlink'; readonly name: string }
  | { readonly type: 'rename'; readonly from: string; readonly to: string };

interface Directory {
  readonly current: Map<string, File>;
  durable: Map<string, File>;
  unsynced: NameEdit[];
}

export type Operation =
  | 'open'
  | 'read'
  | 'write'
  | 'truncate'
  | 'fdatasync'
  | 'fsync'
  | 'rename'
  | 'unlink'
  | 'mkdir'
  | 'readdir';

/** A call that is about to happen; a returned error is what it gets instead. */
export type Fault = (operation: Operation, path: string) => Error | undefined;

export class SystemError extends Error {
  readonly code: string;

  constructor(code: string, what: string) {
    super(`${code}: ${what}`);
    this.code = code;
  }
}

const sectorBytes = 512;

/** A file system in memory that loses at a crash what was not synced, as a disk with a volatile cache may. */
export class SimulatedFileSystem implements FileSystem {
  fault: Fault = () => undefined;
  /** Calls that match wait in `held` until the test lets them go on. */
  holds: (operation: Operation, path: string) => boolean = () => false;
  readonly held: (() => void)[] = [];
  /** At most so many bytes are written or read by one call. */
  transferBytesMax: number = Number.POSITIVE_INFINITY;
  /** Syncs say done and do nothing: for showing that a test would notice. */
  lies = false;
  readonly calls: string[] = [];
  readonly #directories: Map<string, Directory> = new Map();
  readonly #open: Map<number, { readonly path: string; readonly file: File | undefined }> = new Map();
  #nextFd = 3;
  #life = 0;

  /** All processes end; each unsynced change survives or not, as `random` (in [0, 1)) says. Handles and callbacks of before are dead. */
  crash(random: () => number): void {
    this.#life++;
    this.#open.clear();
    for (const directory of this.#directories.values()) {
      for (const file of new Set([...directory.durable.values(), ...directory.current.values()]))
        settle(file, random);
      const kept = Math.floor(random() * (directory.unsynced.length + 1));
      for (const edit of directory.unsynced.slice(0, kept)) applyName(directory.durable, edit);
      directory.unsynced = [];
      directory.current.clear();
      for (const [name, file] of directory.durable) directory.current.set(name, file);
    }
  }

  /** The processes end and the machine goes on: the page cache survives. */
  kill(): void {
    this.#life++;
    this.#open.clear();
  }

  files(directory: string): ReadonlyMap<string, Buffer> {
    return new Map([...this.#directory(directory).current].map(([name, file]) => [name, file.current]));
  }

  /** Puts a file there, durable. */
  put(path: string, bytes: Uint8Array): void {
    const directory = this.#directory(dirname(path));
    const file: File = { current: Buffer.from(bytes), durable: Buffer.from(bytes), unsynced: [] };
    directory.current.set(basename(path), file);
    directory.durable.set(basename(path), file);
  }

  delete(path: string): void {
    const directory = this.#directory(dirname(path));
    directory.current.delete(basename(path));
    directory.durable.delete(basename(path));
  }

  open(path: string, mode: OpenMode, done: (error: Error | null, fd: number) => void): void {
    this.#answer('open', path, done, -1, () => {
      if (this.#directories.has(path)) return this.#handle(path, undefined);
      const directory = this.#directory(dirname(path));
      const file = directory.current.get(basename(path));
      if (mode !== 'wx+') {
        if (file === undefined) throw new SystemError('ENOENT', path);
        return this.#handle(path, file);
      }
      if (file !== undefined) throw new SystemError('EEXIST', path);
      const created: File = { current: Buffer.alloc(0), durable: Buffer.alloc(0), unsynced: [] };
      this.#name(directory, { type: 'link', name: basename(path), file: created });
      return this.#handle(path, created);
    });
  }

  read(
    fd: number,
    into: Buffer,
    offset: number,
    length: number,
    position: number,
    done: (error: Error | null, count: number) => void,
  ): void {
    this.#answer('read', this.#pathOf(fd), done, 0, () => {
      const end = position + Math.min(length, this.transferBytesMax);
      return this.#fileOf(fd).current.copy(into, offset, position, end);
    });
  }

  write(
    fd: number,
    from: Buffer,
    offset: number,
    length: number,
    position: number,
    done: (error: Error | null, count: number) => void,
  ): void {
    this.#answer('write', this.#pathOf(fd), done, 0, () => {
      const count = Math.min(length, this.transferBytesMax);
      this.#edit(fd, { at: position, bytes: Buffer.from(from.subarray(offset, offset + count)) });
      return count;
    });
  }

  truncate(fd: number, length: number, done: Done): void {
    this.#answer('truncate', this.#pathOf(fd), done, undefined, () => this.#edit(fd, { truncateTo: length }));
  }

  size(fd: number, done: (error: Error | null, bytes: number) => void): void {
    this.#answer('read', this.#pathOf(fd), done, 0, () => this.#fileOf(fd).current.length);
  }

  fdatasync(fd: number, done: Done): void {
    this.#answer('fdatasync', this.#pathOf(fd), done, undefined, () => this.#sync(fd));
  }

  fsync(fd: number, done: Done): void {
    this.#answer('fsync', this.#pathOf(fd), done, undefined, () => this.#sync(fd));
  }

  close(fd: number, done: Done): void {
    this.#answer(undefined, this.#pathOf(fd), done, undefined, () => {
      this.#open.delete(fd);
    });
  }

  rename(from: string, to: string, done: Done): void {
    this.#answer('rename', from, done, undefined, () => {
      const directory = this.#directory(dirname(from));
      if (!directory.current.has(basename(from))) throw new SystemError('ENOENT', from);
      this.#name(directory, { type: 'rename', from: basename(from), to: basename(to) });
    });
  }

  unlink(path: string, done: Done): void {
    this.#answer('unlink', path, done, undefined, () => {
      const directory = this.#directory(dirname(path));
      if (!directory.current.has(basename(path))) throw new SystemError('ENOENT', path);
      this.#name(directory, { type: 'unlink', name: basename(path) });
    });
  }

  mkdir(path: string, done: Done): void {
    this.#answer('mkdir', path, done, undefined, () => {
      this.#directory(dirname(path));
      this.#directory(path);
    });
  }

  readdir(path: string, done: (error: Error | null, names: readonly string[]) => void): void {
    this.#answer('readdir', path, done, [], () => [...this.#directory(path).current.keys()]);
  }

  #answer<T>(
    operation: Operation | undefined,
    path: string,
    done: (error: Error | null, value: T) => void,
    nothing: T,
    work: () => T,
  ): void {
    const life = this.#life;
    const start = (run: () => void): void => {
      if (operation !== undefined && this.holds(operation, path)) this.held.push(run);
      else queueMicrotask(run);
    };
    start(() => {
      if (life !== this.#life) return;
      let value = nothing;
      let failure: Error | null = null;
      try {
        if (operation !== undefined) {
          this.calls.push(`${operation} ${basename(path)}`);
          failure = this.fault(operation, path) ?? null;
        }
        if (failure === null) value = work();
      } catch (error) {
        failure = error instanceof Error ? error : new Error(String(error));
      }
      // A fault may have ended the process.
      if (life === this.#life) done(failure, value);
    });
  }

  #handle(path: string, file: File | undefined): number {
    const fd = this.#nextFd++;
    this.#open.set(fd, { path, file });
    return fd;
  }

  #pathOf(fd: number): string {
    return this.#open.get(fd)?.path ?? '(closed)';
  }

  #fileOf(fd: number): File {
    const file = this.#open.get(fd)?.file;
    if (file === undefined) throw new SystemError('EBADF', `fd ${fd}`);
    return file;
  }

  #edit(fd: number, edit: Edit): void {
    const file = this.#fileOf(fd);
    file.current = applyEdit(file.current, edit);
    file.unsynced.push(edit);
  }

  #name(directory: Directory, edit: NameEdit): void {
    applyName(directory.current, edit);
    directory.unsynced.push(edit);
  }

  #sync(fd: number): void {
    const opened = this.#open.get(fd);
    if (opened === undefined) throw new SystemError('EBADF', `fd ${fd}`);
    if (this.lies) return;
    if (opened.file !== undefined) {
      opened.file.durable = Buffer.from(opened.file.current);
      opened.file.unsynced = [];
      return;
    }
    const directory = this.#directory(opened.path);
    directory.durable = new Map(directory.current);
    directory.unsynced = [];
  }

  #directory(path: string): Directory {
    const known = this.#directories.get(path);
    if (known !== undefined) return known;
    const created: Directory = { current: new Map(), durable: new Map(), unsynced: [] };
    this.#directories.set(path, created);
    return created;
  }
}

/** Sectors of unsynced writes reach the platter in any order or not at all. */
function settle(file: File, random: () => number): void {
  let bytes = file.durable;
  for (const edit of file.unsynced) {
    if ('truncateTo' in edit) {
      if (random() < 0.5) bytes = applyEdit(bytes, edit);
      continue;
    }
    const survives = random();
    for (let start = 0; start < edit.bytes.length; start += sectorBytes) {
      if (random() < survives) continue;
      bytes = applyEdit(bytes, {
        at: edit.at + start,
        bytes: edit.bytes.subarray(start, start + sectorBytes),
      });
    }
  }
  file.durable = bytes;
  file.current = Buffer.from(bytes);
  file.unsynced = [];
}

function applyEdit(bytes: Buffer, edit: Edit): Buffer {
  if ('truncateTo' in edit) {
    const cut = Buffer.alloc(edit.truncateTo);
    bytes.copy(cut);
    return cut;
  }
  const grown = Buffer.alloc(Math.max(bytes.length, edit.at + edit.bytes.length));
  bytes.copy(grown);
  edit.bytes.copy(grown, edit.at);
  return grown;
}

function applyName(names: Map<string, File>, edit: NameEdit): void {
  if (edit.type === 'link') names.set(edit.name, edit.file);
  if (edit.type === 'unlink') names.delete(edit.name);
  if (edit.type !== 'rename') return;
  const file = names.get(edit.from);
  if (file === undefined) return;
  names.delete(edit.from);
  names.set(edit.to, file);
}
