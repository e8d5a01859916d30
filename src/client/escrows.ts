import type { Escrow, EscrowRecord } from '../ports/escrow.ts';

/** Opens the escrow of a worker. */
export type OpenEscrow = (workerId: string) => Promise<Escrow>;

/** A worker's escrow and what an earlier life left in it. */
export interface OpenedEscrow {
  readonly escrow: Escrow;
  readonly left: readonly EscrowRecord[];
}

/** The escrows of one client, each opened once however many loops its worker runs. */
export class Escrows {
  readonly #open: OpenEscrow | undefined;
  readonly #opened = new Map<string, Promise<OpenedEscrow>>();

  constructor(open: OpenEscrow | undefined) {
    this.#open = open;
  }

  /** @returns undefined if this client keeps none: then an answer dies with the process. */
  async open(workerId: string): Promise<OpenedEscrow | undefined> {
    if (this.#open === undefined) return undefined;
    const known = this.#opened.get(workerId) ?? openOne(this.#open, workerId);
    this.#opened.set(workerId, known);
    try {
      return await known;
    } catch (error) {
      this.#opened.delete(workerId);
      throw error;
    }
  }

  async close(): Promise<void> {
    const opened = await Promise.allSettled(this.#opened.values());
    this.#opened.clear();
    for (const result of opened) if (result.status === 'fulfilled') await result.value.escrow.close();
  }
}

async function openOne(open: OpenEscrow, workerId: string): Promise<OpenedEscrow> {
  const escrow = await open(workerId);
  return { escrow, left: await escrow.load() };
}
