import { type FSWatcher, readFile, stat, watch } from 'node:fs';
import { dirname } from 'node:path';
import type { Clock, Scheduled } from '../../ports/clock.ts';

/** Events come in bursts, and a file that is written in place is whole when it stays as it is for so long. */
const settleMs = 100;
/** File systems of other machines send no events, and a system can run out of watches. */
const pollMs = 2_000;
/** A larger text is no configuration. */
const textBytesMax: number = 4 * 1024 * 1024;

/**
 * Watches one small file that people change: in place, or by putting another in its place, also through links that move. What the
 * system tells of the directory is a hint to look; that the file is another one is seen from the file.
 */
export class WatchedFile {
  readonly #path: string;
  readonly #clock: Clock;
  readonly #onChange: () => void;
  #watcher: FSWatcher | undefined;
  #next: Scheduled | undefined;
  /** The next look is not one of those that come anyway. */
  #isDue = false;
  /** What was told of last; undefined before the first look, empty while there never was a file. */
  #known: string | undefined;
  #last: string | undefined;
  #isClosed = false;

  constructor(path: string, clock: Clock, onChange: () => void) {
    this.#path = path;
    this.#clock = clock;
    this.#onChange = onChange;
  }

  /** From now on; what the file is now counts as known. */
  start(): void {
    this.#watchDirectory();
    this.#look();
  }

  close(): void {
    this.#isClosed = true;
    this.#watcher?.close();
    this.#next?.cancel();
  }

  /** Without events the file is still looked at every now and then. */
  #watchDirectory(): void {
    try {
      this.#watcher = watch(dirname(this.#path), { persistent: false }, () => this.#lookSoon());
      this.#watcher.on('error', () => this.#watcher?.close());
    } catch {
      this.#watcher = undefined;
    }
  }

  /** Another event does not put it off: a file may lie beside others that change all the time. */
  #lookSoon(): void {
    if (this.#isDue) return;
    this.#isDue = true;
    this.#lookIn(settleMs);
  }

  #lookIn(delayMs: number): void {
    this.#next?.cancel();
    if (!this.#isClosed) this.#next = this.#clock.after(delayMs, () => this.#look());
  }

  #look(): void {
    this.#isDue = false;
    stat(this.#path, { bigint: true }, (error, found) => {
      if (this.#isClosed) return;
      const before = this.#last;
      if (error === null) this.#last = [found.ino, found.size, found.mtimeNs, found.ctimeNs].join(' ');
      this.#known ??= this.#last ?? '';
      // A file that is away for a moment is about to be replaced; one that was never there is news when it comes.
      if (error !== null || this.#last === this.#known) {
        if (!this.#isDue) this.#lookIn(pollMs);
      } else if (this.#last === before) {
        this.#known = this.#last;
        if (!this.#isDue) this.#lookIn(pollMs);
        this.#onChange();
      } else this.#lookSoon(); // It may be written still: the same twice is whole.
    });
  }
}

/** @throws what the system says, and an Error for a file that is larger than any configuration. */
export function readTextFile(path: string): Promise<string> {
  return new Promise((resolve, reject) => {
    stat(path, (error, found) => {
      if (error !== null) reject(error);
      else if (!found.isFile()) reject(new Error(`${path} is no file`));
      else if (found.size > textBytesMax) reject(new Error(`${path} is larger than ${textBytesMax} bytes`));
      else
        readFile(path, (failure, bytes) => {
          if (failure !== null) reject(failure);
          else resolveText(path, bytes, resolve, reject);
        });
    });
  });
}

/** What is no UTF-8 is refused, not replaced; a byte order mark stays, for whoever reads the text to judge. */
function resolveText(
  path: string,
  bytes: Uint8Array,
  resolve: (text: string) => void,
  reject: (error: Error) => void,
): void {
  try {
    resolve(new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes));
  } catch (cause) {
    reject(new Error(`${path} is not UTF-8`, { cause }));
  }
}
