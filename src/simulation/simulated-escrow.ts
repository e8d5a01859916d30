import type { Escrow, EscrowRecord } from '../ports/escrow.ts';
import type { SimulatedProcess } from './simulated-process.ts';

/** A worker's escrow file on a simulated disk: what was synced outlives the process, what was not is lost. */
export class SimulatedEscrow {
  readonly #records: EscrowRecord[] = [];

  get size(): number {
    return this.#records.length;
  }

  has(id: string, fence: number): boolean {
    return this.#records.some((record) => record.id === id && record.fence === fence);
  }

  /** The escrow as one process has it open. */
  open(process: SimulatedProcess): Escrow {
    return {
      load: () => Promise.resolve([...this.#records]),
      append: (record, done) => {
        const kept = { ...record, payload: record.payload.slice() };
        process.host.world.after(process.random.between(0.05, 0.5), () => {
          if (!process.isAlive) return;
          this.#records.push(kept);
          process.deliver(() => done(undefined));
        });
      },
      settle: (record) => {
        const place = this.#records.findIndex((kept) => isSame(kept, record));
        if (place >= 0) this.#records.splice(place, 1);
      },
      close: () => Promise.resolve(),
    };
  }
}

function isSame(a: EscrowRecord, b: Pick<EscrowRecord, 'queue' | 'id' | 'fence'>): boolean {
  return a.queue === b.queue && a.id === b.id && a.fence === b.fence;
}
