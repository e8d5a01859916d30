import { assert } from '../base/assert.ts';
import { type Column, none } from './task-table.ts';

const arity = 4;

/**
 * A 4-ary heap of slots that knows where each slot stands, so that any of them is removed or moved in O(log n).
 *
 * `before` must be a total order (it ends in something unique): then the contents alone decide what comes first, never the
 * way the heap was filled. Heaps may share one column of positions as long as a slot is in at most one of them.
 */
export class IndexedHeap {
  readonly #slots: number[] = [];
  readonly #positions: Column;
  readonly #before: (left: number, right: number) => boolean;

  constructor(positions: Column, before: (left: number, right: number) => boolean) {
    this.#positions = positions;
    this.#before = before;
  }

  get size(): number {
    return this.#slots.length;
  }

  /** @returns the first slot in the order, or `none`. */
  top(): number {
    return this.#slots.length === 0 ? none : this.#slots[0]!;
  }

  add(slot: number): void {
    this.#slots.push(slot);
    this.#positions[slot] = this.#slots.length - 1;
    this.#rise(slot);
  }

  remove(slot: number): void {
    const position = this.#positions[slot]!;
    assert(this.#slots[position] === slot, 'a heap removes only what it holds');
    const last = this.#slots.pop()!;
    this.#positions[slot] = none;
    if (last === slot) return;
    this.#place(last, position);
    this.update(last);
  }

  /** Finds the place of a slot whose key changed. */
  update(slot: number): void {
    if (!this.#rise(slot)) this.#sink(slot);
  }

  #rise(slot: number): boolean {
    const start = this.#positions[slot]!;
    let position = start;
    while (position > 0) {
      const parentPosition = (position - 1) >> 2;
      const parent = this.#slots[parentPosition]!;
      if (!this.#before(slot, parent)) break;
      this.#place(parent, position);
      position = parentPosition;
    }
    if (position === start) return false;
    this.#place(slot, position);
    return true;
  }

  #sink(slot: number): void {
    const start = this.#positions[slot]!;
    let position = start;
    for (;;) {
      const childPosition = this.#firstChild(position);
      if (childPosition === none) break;
      const child = this.#slots[childPosition]!;
      if (!this.#before(child, slot)) break;
      this.#place(child, position);
      position = childPosition;
    }
    if (position !== start) this.#place(slot, position);
  }

  #firstChild(position: number): number {
    const from = position * arity + 1;
    const to = Math.min(from + arity, this.#slots.length);
    if (from >= to) return none;
    let best = from;
    for (let child = from + 1; child < to; child += 1) {
      if (this.#before(this.#slots[child]!, this.#slots[best]!)) best = child;
    }
    return best;
  }

  #place(slot: number, position: number): void {
    this.#slots[position] = slot;
    this.#positions[slot] = position;
  }
}
