import type { Band, TaskState } from './types.ts';

/** A column of numbers by slot. Typed arrays fit it as they are. */
export interface Column {
  [slot: number]: number;
}

/** No slot: the end of a list, or not found. */
export const none = -1;

/** States as the `state` column holds them; the position in `stateNames` is the code. */
export const stateNames: readonly TaskState[] = ['ready', 'delayed', 'taken', 'suspect', 'buried'];
export const ready = 0;
export const delayed = 1;
export const taken = 2;
export const suspect = 3;
export const buried = 4;

/** Bands as the `band` column holds them; the position in `bandNames` is the code. */
export const bandNames: readonly Band[] = ['urgent', 'expired', 'ahead'];
export const urgent = 0;
export const expired = 1;
export const ahead = 2;

/**
 * Every task of every queue: one array per field, integer slots with a free list, and the index by id. This file alone knows
 * how tasks are stored. It keeps values and no rules; who may write which column is said beside the column.
 */
export class TaskTable {
  // Written by operations.
  readonly expiresAtMs: Column = [];
  readonly weight: Column = [];
  readonly version: Column = [];
  /** The put's unique sequence, last in every order; it is the task's generation too, so a generation never comes back. */
  readonly sequence: Column = [];
  readonly provider: Column = [];
  readonly queue: Column = [];
  readonly wanted: Column = [];
  /** Takes since the last success. */
  readonly attempts: Column = [];
  /** Unknown outcomes since the last success: the second one buries. */
  readonly unknowns: Column = [];
  /** The fence that may still answer for this task; 0 if none may. */
  readonly fence: Column = [];
  readonly takenAtMs: Column = [];
  readonly callEndsAtMs: Column = [];
  /** Until when a spent refresh token may be used again; 0 if it was not spent as far as we know. */
  readonly graceEndsAtMs: Column = [];
  // Written by TaskStates alone.
  readonly state: Column = [];
  /** When a delay, a lease or a suspicion ends. */
  readonly dueMs: Column = [];
  // Written by Bands, Leases and the heaps.
  readonly band: Column = [];
  readonly orderPosition: Column = [];
  readonly timePosition: Column = [];
  readonly session: Column = [];
  readonly leaseBefore: Column = [];
  readonly leaseAfter: Column = [];

  readonly #ids: string[] = [];
  readonly #payloads: Uint8Array[] = [];
  readonly #reasons = new Map<number, string>();
  readonly #index: Map<string, number>[] = [];
  readonly #free: number[] = [];
  #size = 0;
  #slots = 0;

  get size(): number {
    return this.#size;
  }

  /** @returns the slot of the task, or `none`. */
  find(queue: number, id: string): number {
    return this.#index[queue]?.get(id) ?? none;
  }

  /** Makes room for a task; every column has its empty value and `state` is `none`. */
  add(queue: number, id: string): number {
    const slot = this.#free.pop() ?? this.#slots++;
    this.#ids[slot] = id;
    this.#payloads[slot] = empty;
    this.#clear(slot);
    this.queue[slot] = queue;
    this.#indexOf(queue).set(id, slot);
    this.#size += 1;
    return slot;
  }

  delete(slot: number): void {
    this.#indexOf(this.queue[slot]!).delete(this.id(slot));
    this.#reasons.delete(slot);
    this.#ids[slot] = '';
    this.#payloads[slot] = empty;
    this.#clear(slot);
    this.#free.push(slot);
    this.#size -= 1;
  }

  id(slot: number): string {
    return this.#ids[slot]!;
  }

  payload(slot: number): Uint8Array {
    return this.#payloads[slot]!;
  }

  /** Keeps the bytes themselves: the caller does not write to them again. */
  setPayload(slot: number, payload: Uint8Array): void {
    this.#payloads[slot] = payload;
  }

  reason(slot: number): string | undefined {
    return this.#reasons.get(slot);
  }

  setReason(slot: number, reason: string | undefined): void {
    if (reason === undefined) this.#reasons.delete(slot);
    else this.#reasons.set(slot, reason);
  }

  /** Every slot in use, in no order that means anything: for the digest, never for a decision. */
  *slots(): IterableIterator<number> {
    for (const ids of this.#index) yield* ids?.values() ?? [];
  }

  /** The id of every task, in no order that means anything: for counting. */
  *ids(): IterableIterator<string> {
    for (const slot of this.slots()) yield this.id(slot);
  }

  #indexOf(queue: number): Map<string, number> {
    const known = this.#index[queue];
    if (known !== undefined) return known;
    const ids = new Map<string, number>();
    this.#index[queue] = ids;
    return ids;
  }

  #clear(slot: number): void {
    for (const column of [this.expiresAtMs, this.weight, this.version, this.sequence]) column[slot] = 0;
    for (const column of [this.provider, this.queue, this.wanted, this.attempts]) column[slot] = 0;
    for (const column of [this.unknowns, this.fence, this.takenAtMs, this.callEndsAtMs]) column[slot] = 0;
    for (const column of [this.graceEndsAtMs, this.dueMs]) column[slot] = 0;
    for (const column of [this.state, this.band, this.orderPosition, this.timePosition]) column[slot] = none;
    for (const column of [this.session, this.leaseBefore, this.leaseAfter]) column[slot] = none;
  }
}

const empty = new Uint8Array(0);
