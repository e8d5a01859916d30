import { assert } from '../../base/assert.ts';
import { ClosedError, DirectoryLockedError } from '../../base/errors.ts';
import type { Escrow, EscrowRecord } from '../../ports/escrow.ts';

/** What one worker's escrow holds durably: outlives the process. */
export class MemoryEscrowDisk {
  readonly records: Map<string, EscrowRecord> = new Map();
  owner: object | undefined;

  /** The worker's process is gone; what was not completed is lost. */
  crash(): void {
    this.owner = undefined;
  }
}

export interface MemoryEscrowOptions {
  readonly disk?: MemoryEscrowDisk | undefined;
  /** When an append is durable; by default at the end of the current turn. */
  readonly schedule?: ((run: () => void) => void) | undefined;
}

/** An escrow in memory, with the contract of the one on files. */
export class MemoryEscrow implements Escrow {
  readonly #disk: MemoryEscrowDisk;
  readonly #schedule: (run: () => void) => void;
  #state: 'new' | 'open' | 'closed' = 'new';
  #inFlight = 0;
  #onIdle: (() => void) | undefined;

  constructor(options: MemoryEscrowOptions = {}) {
    this.#disk = options.disk ?? new MemoryEscrowDisk();
    this.#schedule = options.schedule ?? queueMicrotask;
  }

  async load(): Promise<readonly EscrowRecord[]> {
    assert(this.#state === 'new', 'an escrow is loaded once');
    if (this.#disk.owner !== undefined)
      throw new DirectoryLockedError('the escrow is open in another worker');
    this.#disk.owner = this;
    this.#state = 'open';
    return [...this.#disk.records.values()];
  }

  append(record: EscrowRecord, done: (error: Error | undefined) => void): void {
    if (this.#state !== 'open') {
      this.#schedule(() => done(new ClosedError('the escrow is not open')));
      return;
    }
    this.#inFlight++;
    const kept = { ...record, payload: Uint8Array.from(record.payload) };
    this.#schedule(() => {
      // After a crash nobody is there to be called back.
      if (this.#disk.owner !== this) return;
      this.#disk.records.set(keyText(record), kept);
      this.#inFlight--;
      done(undefined);
      if (this.#inFlight === 0) this.#onIdle?.();
    });
  }

  settle(key: Pick<EscrowRecord, 'queue' | 'id' | 'fence'>): void {
    if (this.#state === 'open' && this.#disk.owner === this) this.#disk.records.delete(keyText(key));
  }

  async close(): Promise<void> {
    this.#state = 'closed';
    if (this.#inFlight > 0 && this.#disk.owner === this) {
      await new Promise<void>((resolve) => {
        this.#onIdle = resolve;
      });
    }
    if (this.#disk.owner === this) this.#disk.owner = undefined;
  }
}

function keyText({ queue, id, fence }: Pick<EscrowRecord, 'queue' | 'id' | 'fence'>): string {
  return JSON.stringify([queue, id, fence]);
}
