import { dirname } from 'node:path';
import { type Done, errorCode, type FileSystem, type OpenMode } from './file-system.ts';

/** Writes all of it, however often the platform writes less than asked for (pitfall 89). */
export function writeFully(
  fs: FileSystem,
  fd: number,
  bytes: Buffer,
  length: number,
  position: number,
  done: Done,
): void {
  const step = (offset: number): void => {
    fs.write(fd, bytes, offset, length - offset, position + offset, (error, count) => {
      if (error !== null) {
        done(error);
        return;
      }
      if (offset + count === length) {
        done(null);
        return;
      }
      if (count === 0) {
        done(new Error('a write took nothing'));
        return;
      }
      step(offset + count);
    });
  };
  step(0);
}

/** Reads `length` bytes; fails if the file ends before. */
export function readFully(
  fs: FileSystem,
  fd: number,
  length: number,
  position: number,
  done: (error: Error | null, bytes: Buffer) => void,
): void {
  const bytes = Buffer.allocUnsafeSlow(length);
  const step = (offset: number): void => {
    if (offset === length) {
      done(null, bytes);
      return;
    }
    fs.read(fd, bytes, offset, length - offset, position + offset, (error, count) => {
      if (error !== null) {
        done(error, bytes);
        return;
      }
      if (count === 0) {
        done(new Error(`the file ends ${length - offset} bytes early`), bytes);
        return;
      }
      step(offset + count);
    });
  };
  step(0);
}

/** The file system with promises, for what is not on the path of a write: opening, loading, closing. */
export class Files {
  readonly fs: FileSystem;

  constructor(fs: FileSystem) {
    this.fs = fs;
  }

  open(path: string, mode: OpenMode): Promise<number> {
    return promised((done) => this.fs.open(path, mode, done));
  }

  close(fd: number): Promise<void> {
    return settled((done) => this.fs.close(fd, done));
  }

  sync(fd: number): Promise<void> {
    return settled((done) => this.fs.fdatasync(fd, done));
  }

  truncate(fd: number, length: number): Promise<void> {
    return settled((done) => this.fs.truncate(fd, length, done));
  }

  write(fd: number, bytes: Buffer, position: number): Promise<void> {
    return settled((done) => writeFully(this.fs, fd, bytes, bytes.length, position, done));
  }

  async readAll(fd: number): Promise<Buffer> {
    const bytes = await promised<number>((done) => this.fs.size(fd, done));
    return promised((done) => readFully(this.fs, fd, bytes, 0, done));
  }

  rename(from: string, to: string): Promise<void> {
    return settled((done) => this.fs.rename(from, to, done));
  }

  names(directory: string): Promise<readonly string[]> {
    return promised((done) => this.fs.readdir(directory, done));
  }

  makeDirectory(path: string): Promise<void> {
    return settled((done) => this.fs.mkdir(path, done));
  }

  /** Missing is fine. */
  async remove(path: string): Promise<void> {
    await settled((done) => this.fs.unlink(path, done)).catch(unlessMissing);
  }

  /** @returns undefined if the file is missing. */
  async content(path: string): Promise<Buffer | undefined> {
    const fd = await this.open(path, 'r').catch(unlessMissing);
    if (fd === undefined) return undefined;
    return this.readAll(fd).finally(() => this.close(fd));
  }

  /** Makes creations, renames and removals in the directory durable. */
  async syncDirectory(directory: string): Promise<void> {
    const fd = await this.open(directory, 'r');
    await settled((done) => this.fs.fsync(fd, done)).finally(() => this.close(fd));
  }

  /** Creates the file anew with this content, synced; the name is durable after `syncDirectory`. */
  async create(path: string, bytes: Buffer): Promise<void> {
    await this.remove(path);
    const fd = await this.open(path, 'wx+');
    await this.write(fd, bytes, 0)
      .then(() => this.sync(fd))
      .finally(() => this.close(fd));
  }

  /** Replaces the file as a whole: after a crash it is the old one or the new one. */
  async replace(path: string, bytes: Buffer): Promise<void> {
    await this.create(`${path}.tmp`, bytes);
    await this.rename(`${path}.tmp`, path);
    await this.syncDirectory(dirname(path));
  }
}

function unlessMissing(error: unknown): undefined {
  if (errorCode(error) !== 'ENOENT') throw error;
  return undefined;
}

function promised<T>(start: (done: (error: Error | null, value: T) => void) => void): Promise<T> {
  return new Promise((resolve, reject) => {
    start((error, value) => (error === null ? resolve(value) : reject(error)));
  });
}

function settled(start: (done: Done) => void): Promise<void> {
  return new Promise((resolve, reject) => {
    start((error) => (error === null ? resolve() : reject(error)));
  });
}
