import {
  close,
  fdatasync,
  fstat,
  fsync,
  ftruncate,
  mkdir,
  open,
  read,
  readdir,
  rename,
  unlink,
  write,
} from 'node:fs';

export type Done = (error: Error | null) => void;

/** How a file is opened: for reading, for reading and writing, or created new (fails if it is there). */
export type OpenMode = 'r' | 'r+' | 'wx+';

/** The part of `node:fs` that the storage needs, with callbacks. A test puts a disk here that lies, fills up and breaks. */
export interface FileSystem {
  open(path: string, mode: OpenMode, done: (error: Error | null, fd: number) => void): void;
  /** May read less than asked for. */
  read(
    fd: number,
    into: Buffer,
    offset: number,
    length: number,
    position: number,
    done: (error: Error | null, count: number) => void,
  ): void;
  /** May write less than asked for (pitfall 89). */
  write(
    fd: number,
    from: Buffer,
    offset: number,
    length: number,
    position: number,
    done: (error: Error | null, count: number) => void,
  ): void;
  truncate(fd: number, length: number, done: Done): void;
  size(fd: number, done: (error: Error | null, bytes: number) => void): void;
  fdatasync(fd: number, done: Done): void;
  /** Also for a directory that was opened with `r`: makes its names durable. */
  fsync(fd: number, done: Done): void;
  close(fd: number, done: Done): void;
  rename(from: string, to: string, done: Done): void;
  unlink(path: string, done: Done): void;
  /** Creates what is missing of the path. */
  mkdir(path: string, done: Done): void;
  readdir(path: string, done: (error: Error | null, names: readonly string[]) => void): void;
}

/** Payloads are secrets: nobody but the owner reads them. */
const fileMode = 0o600;
const directoryMode = 0o700;

export const nodeFileSystem: FileSystem = {
  open: (path, mode, done) => open(path, mode, fileMode, done),
  read: (fd, into, offset, length, position, done) => read(fd, into, offset, length, position, done),
  write: (fd, from, offset, length, position, done) => write(fd, from, offset, length, position, done),
  truncate: ftruncate,
  size: (fd, done) => fstat(fd, (error, stats) => done(error, error === null ? stats.size : 0)),
  fdatasync,
  fsync,
  close,
  rename,
  unlink,
  mkdir: (path, done) => mkdir(path, { recursive: true, mode: directoryMode }, (error) => done(error)),
  readdir: (path, done) => readdir(path, (error, names) => done(error, names)),
};

/** @returns the code of a system error (`ENOENT`), '' for any other. */
export function errorCode(error: unknown): string {
  return error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : '';
}
