import { IndexedHeap } from './indexed-heap.ts';
import { ahead, type Column, expired, none, type TaskTable, urgent } from './task-table.ts';

type Before = (left: number, right: number) => boolean;

/**
 * The ready tasks of one queue in the order they are given out. Each band has one heap per provider and a heap of providers
 * ordered by their first task, so a provider that backs off costs the others nothing. A second heap per band, by expiry alone,
 * says which task changes band next.
 */
export class Bands {
  readonly #tasks: TaskTable;
  readonly #orders: readonly Before[];
  /** By band, then by provider slot. */
  readonly #lanes: readonly IndexedHeap[][] = [[], [], []];
  readonly #providerPositions: readonly Column[] = [[], [], []];
  readonly #eligible: readonly IndexedHeap[];
  readonly #byExpiry: readonly IndexedHeap[];
  readonly #blocked = new Set<number>();
  /** Tasks given from the urgent band while an expired one was eligible, since the last expired one given for that. */
  #share = 0;

  constructor(tasks: TaskTable) {
    this.#tasks = tasks;
    const soonest: Before = (left, right) => soonestFirst(tasks, left, right);
    const neediest: Before = (left, right) => neediestFirst(tasks, left, right);
    this.#orders = [soonest, neediest, soonest];
    this.#eligible = [urgent, expired, ahead].map(
      (band) =>
        new IndexedHeap(this.#providerPositions[band]!, (left, right) =>
          this.#orders[band]!(this.#first(band, left), this.#first(band, right)),
        ),
    );
    this.#byExpiry = [urgent, expired, ahead].map(() => new IndexedHeap(tasks.timePosition, soonest));
  }

  get share(): number {
    return this.#share;
  }

  count(band: number): number {
    return this.#byExpiry[band]!.size;
  }

  add(slot: number, band: number): void {
    const provider = this.#tasks.provider[slot]!;
    this.#tasks.band[slot] = band;
    this.#byExpiry[band]!.add(slot);
    this.#lane(band, provider).add(slot);
    this.#refresh(band, provider);
  }

  remove(slot: number): void {
    const band = this.#tasks.band[slot]!;
    const provider = this.#tasks.provider[slot]!;
    this.#tasks.band[slot] = none;
    this.#byExpiry[band]!.remove(slot);
    this.#lane(band, provider).remove(slot);
    this.#refresh(band, provider);
  }

  /** Finds the place of a ready task that a reader asked for. */
  reorder(slot: number): void {
    const band = this.#tasks.band[slot]!;
    const provider = this.#tasks.provider[slot]!;
    this.#lane(band, provider).update(slot);
    this.#refresh(band, provider);
  }

  /** A blocked provider's tasks keep their bands and are given to nobody. */
  setBlocked(provider: number, isBlocked: boolean): void {
    if (isBlocked) this.#blocked.add(provider);
    else this.#blocked.delete(provider);
    for (const band of [urgent, expired, ahead]) this.#refresh(band, provider);
  }

  hasReady(provider: number): boolean {
    return this.#lanes.some((lanes) => (lanes[provider]?.size ?? 0) > 0);
  }

  /** @returns the task to give next, or `none`. Urgent first, but after `urgentShare` of them one expired. */
  next(urgentShare: number): number {
    const expiredWaits = this.#eligible[expired]!.size > 0;
    if (expiredWaits && this.#share >= urgentShare) return this.#best(expired);
    if (this.#eligible[urgent]!.size > 0) return this.#best(urgent);
    return this.#best(expiredWaits ? expired : ahead);
  }

  /** Counts a task for the share, before it leaves its band. */
  given(slot: number, urgentShare: number): void {
    const band = this.#tasks.band[slot]!;
    if (band === urgent && this.#eligible[expired]!.size > 0) this.#share += 1;
    if (band === expired && this.#share >= urgentShare) this.#share = 0;
  }

  /** @returns the task of the band that expires first, backing off or not, or `none`. */
  soonest(band: number): number {
    return this.#byExpiry[band]!.top();
  }

  #best(band: number): number {
    const provider = this.#eligible[band]!.top();
    return provider === none ? none : this.#first(band, provider);
  }

  #first(band: number, provider: number): number {
    return this.#lane(band, provider).top();
  }

  #lane(band: number, provider: number): IndexedHeap {
    const known = this.#lanes[band]![provider];
    if (known !== undefined) return known;
    const lane = new IndexedHeap(this.#tasks.orderPosition, this.#orders[band]!);
    this.#lanes[band]![provider] = lane;
    return lane;
  }

  /** Puts the provider where its first task now belongs among the providers that may give. */
  #refresh(band: number, provider: number): void {
    const eligible = this.#eligible[band]!;
    const isIn = (this.#providerPositions[band]![provider] ?? none) !== none;
    const mayGive = !this.#blocked.has(provider) && this.#lane(band, provider).size > 0;
    if (mayGive && isIn) eligible.update(provider);
    else if (mayGive) eligible.add(provider);
    else if (isIn) eligible.remove(provider);
  }
}

/** @returns the band of a ready task at a time. */
export function bandAt(expiresAtMs: number, urgentMs: number, nowMs: number): number {
  if (expiresAtMs <= nowMs) return expired;
  return expiresAtMs - urgentMs <= nowMs ? urgent : ahead;
}

function soonestFirst(tasks: TaskTable, left: number, right: number): boolean {
  const leftMs = tasks.expiresAtMs[left]!;
  const rightMs = tasks.expiresAtMs[right]!;
  return leftMs !== rightMs ? leftMs < rightMs : tasks.sequence[left]! < tasks.sequence[right]!;
}

function neediestFirst(tasks: TaskTable, left: number, right: number): boolean {
  if (tasks.wanted[left] !== tasks.wanted[right]) return tasks.wanted[left]! > tasks.wanted[right]!;
  if (tasks.weight[left] !== tasks.weight[right]) return tasks.weight[left]! > tasks.weight[right]!;
  return soonestFirst(tasks, left, right);
}
