import { join } from 'node:path';
import { assert } from '../../base/assert.ts';
import { ClosedError, isRaftsmanError, StorageFailedError } from '../../base/errors.ts';
import type { Escrow, EscrowRecord } from '../../ports/escrow.ts';
import { type EscrowKey, encodeAppend, encodeSettle, keyText, readEscrow } from './escrow-record.ts';
import { type FileSystem, nodeFileSystem } from './file-system.ts';
import { Files } from './files.ts';
import { type Lock, takeLock } from './lock.ts';
import { nodeProcessTable, type ProcessTable } from './process-table.ts';

/** Below this size a file is not worth compacting. */
const compactBytesMin = 64 * 1024;
/** A file is rewritten when it is this many times as large as what is open in it. */
const compactFactor = 4;

export interface FileEscrowOptions {
  /** May hold the escrows of several workers. */
  readonly directory: string;
  /** Stable across restarts: the worker that comes back finds its own answers. */
  readonly workerId: string;
  readonly fileSystem?: FileSystem | undefined;
  readonly processes?: ProcessTable | undefined;
}

interface Pending {
  readonly bytes: Buffer;
  /** Without one nobody waits, and no sync is made for it alone. */
  readonly done: ((error: Error | undefined) => void) | undefined;
}

/** A worker's escrow in one file, `escrow-<workerId>.log` (docs/reference/disk.md). One write is in flight; what comes meanwhile shares the next sync. */
export class FileEscrow implements Escrow {
  readonly #directory: string;
  readonly #name: string;
  readonly #files: Files;
  readonly #processes: ProcessTable;
  readonly #open: Map<string, Buffer> = new Map();
  #state: 'new' | 'open' | 'closed' = 'new';
  #lock: Lock | undefined;
  #fd: number | undefined;
  #fileBytes = 0;
  #openBytes = 0;
  #pending: Pending[] = [];
  #isWriting = false;
  #writing: Promise<void> | undefined;
  #failure: StorageFailedError | undefined;

  constructor(options: FileEscrowOptions) {
    this.#directory = options.directory;
    this.#name = `escrow-${encodeURIComponent(options.workerId)}`;
    this.#files = new Files(options.fileSystem ?? nodeFileSystem);
    this.#processes = options.processes ?? nodeProcessTable();
  }

  /** @throws DirectoryLockedError when another live worker has this id here; StorageFailedError. */
  async load(): Promise<readonly EscrowRecord[]> {
    assert(this.#state === 'new', 'an escrow is loaded once');
    try {
      await this.#files.makeDirectory(this.#directory);
      this.#lock = await takeLock(this.#files, this.#directory, `${this.#name}.lock`, this.#processes);
      const records = readEscrow((await this.#files.content(this.#path)) ?? Buffer.alloc(0));
      for (const [key, record] of records) this.#remember(key, encodeAppend(record));
      await this.#rewrite();
      this.#state = 'open';
      return [...records.values()];
    } catch (error) {
      this.#state = 'closed';
      await this.#lock?.release().catch(() => undefined);
      throw isRaftsmanError(error) ? error : this.#failed(error);
    }
  }

  append(record: EscrowRecord, done: (error: Error | undefined) => void): void {
    const refusal = this.#refusal();
    if (refusal !== undefined) {
      queueMicrotask(() => done(refusal));
      return;
    }
    const bytes = encodeAppend(record);
    this.#remember(keyText(record), bytes);
    this.#push({ bytes, done });
  }

  settle(key: EscrowKey): void {
    if (this.#refusal() !== undefined) return;
    const text = keyText(key);
    this.#openBytes -= this.#open.get(text)?.length ?? 0;
    if (this.#open.delete(text)) this.#push({ bytes: encodeSettle(key), done: undefined });
  }

  async close(): Promise<void> {
    this.#state = 'closed';
    while (this.#isWriting) await this.#writing;
    const fd = this.#fd;
    this.#fd = undefined;
    if (fd !== undefined) await this.#files.close(fd).catch(() => undefined);
    await this.#lock?.release().catch(() => undefined);
  }

  get #path(): string {
    return join(this.#directory, `${this.#name}.log`);
  }

  #remember(key: string, bytes: Buffer): void {
    this.#openBytes += bytes.length - (this.#open.get(key)?.length ?? 0);
    this.#open.set(key, bytes);
  }

  #push(pending: Pending): void {
    this.#pending.push(pending);
    if (this.#isWriting) return;
    this.#isWriting = true;
    this.#writing = this.#drain();
  }

  async #drain(): Promise<void> {
    while (this.#pending.length > 0) {
      const batch = this.#pending;
      this.#pending = [];
      try {
        if (this.#failure === undefined) await this.#write(batch);
      } catch (error) {
        this.#failure = this.#failed(error);
      }
      const failure = this.#failure;
      for (const { done } of batch) if (done !== undefined) queueMicrotask(() => done(failure));
    }
    this.#isWriting = false;
  }

  async #write(batch: readonly Pending[]): Promise<void> {
    if (this.#fileBytes > Math.max(compactBytesMin, compactFactor * this.#openBytes)) {
      // What is open includes this batch, so the rewritten file holds it.
      await this.#rewrite();
      return;
    }
    const fd = this.#fd;
    assert(fd !== undefined, 'the file is open while there is something to write');
    const bytes = Buffer.concat(batch.map((pending) => pending.bytes));
    await this.#files.write(fd, bytes, this.#fileBytes);
    this.#fileBytes += bytes.length;
    if (batch.some(({ done }) => done !== undefined)) await this.#files.sync(fd);
  }

  /** Replaces the file by one that holds only what is open. */
  async #rewrite(): Promise<void> {
    const bytes = Buffer.concat([...this.#open.values()]);
    await this.#files.replace(this.#path, bytes);
    const old = this.#fd;
    this.#fd = await this.#files.open(this.#path, 'r+');
    this.#fileBytes = bytes.length;
    if (old !== undefined) await this.#files.close(old);
  }

  #refusal(): Error | undefined {
    if (this.#failure !== undefined) return this.#failure;
    return this.#state === 'open' ? undefined : new ClosedError('the escrow is not open');
  }

  #failed(error: unknown): StorageFailedError {
    return new StorageFailedError(`${this.#path} cannot be used: ${String(error)}`, { cause: error });
  }
}
