import { IndexedHeap } from './indexed-heap.ts';
import { defaultProvider, queueLimits } from './limits.ts';
import { type Column, none } from './task-table.ts';
import type { Provider } from './types.ts';

/** The providers of one queue by slot, and which of them back off for the whole cluster. A provider is never removed. */
export class Providers {
  readonly #names: string[] = [];
  readonly #slots = new Map<string, number>();
  readonly #settings: Provider[] = [];
  readonly #backsOffUntilMs: Column = [];
  readonly #positions: Column = [];
  readonly #backingOff: IndexedHeap = new IndexedHeap(this.#positions, (left, right) => {
    const leftMs = this.#backsOffUntilMs[left]!;
    const rightMs = this.#backsOffUntilMs[right]!;
    return leftMs !== rightMs ? leftMs < rightMs : left < right;
  });

  /** @returns the slot of a provider, made with default settings if new, or `none` at `providersPerQueueMax`. */
  slotOf(name: string): number {
    const known = this.#slots.get(name);
    if (known !== undefined) return known;
    const slot = this.#names.length;
    if (slot >= queueLimits.providersPerQueueMax) return none;
    this.#names.push(name);
    this.#settings.push(defaultProvider);
    this.#backsOffUntilMs[slot] = 0;
    this.#positions[slot] = none;
    this.#slots.set(name, slot);
    return slot;
  }

  name(slot: number): string {
    return this.#names[slot]!;
  }

  settings(slot: number): Provider {
    return this.#settings[slot]!;
  }

  configure(slot: number, settings: Provider): void {
    const { kind, graceMs, suspectMs, onUnknown } = settings;
    this.#settings[slot] = { kind, graceMs, suspectMs, onUnknown };
  }

  isBackingOff(slot: number): boolean {
    return this.#positions[slot] !== none;
  }

  /** Lengthens a back-off; never shortens one. */
  backOff(slot: number, untilMs: number): void {
    if (untilMs <= this.#backsOffUntilMs[slot]!) return;
    this.#backsOffUntilMs[slot] = untilMs;
    if (this.isBackingOff(slot)) this.#backingOff.update(slot);
    else this.#backingOff.add(slot);
  }

  /** @returns a provider whose back-off is over, taken off the list, or `none`. */
  endBackOff(nowMs: number): number {
    const slot = this.#backingOff.top();
    if (slot === none || this.#backsOffUntilMs[slot]! > nowMs) return none;
    this.#backingOff.remove(slot);
    return slot;
  }

  nextDueMs(): number {
    const slot = this.#backingOff.top();
    return slot === none ? Number.POSITIVE_INFINITY : this.#backsOffUntilMs[slot]!;
  }

  /** Everything replicated, as plain data in slot order. */
  facts(): readonly unknown[] {
    return this.#names.map((name, slot) => [
      name,
      this.#settings[slot],
      this.isBackingOff(slot) ? this.#backsOffUntilMs[slot] : 0,
    ]);
  }
}
