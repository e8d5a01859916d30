import type { Entry } from './entry.ts';
import type { Lane } from './lane.ts';

/** How many of a backlog are in flight at first; each answer lets one more out. */
export const rampWindow = 64;
const compactAt = 1_024;

/** What a shard has still to be sent after it came back: in order, and not all at once. */
export class Backlog {
  #entries: Entry[] = [];
  #at = 0;
  #window: number = rampWindow;

  /** How many may be in flight. */
  get window(): number {
    return this.#window;
  }

  start(entries: Entry[], window: number = rampWindow): void {
    this.#entries = entries;
    this.#at = 0;
    this.#window = window;
  }

  add(entry: Entry): void {
    this.#entries.push(entry);
  }

  /** An answer came: the shard keeps up. */
  grow(): void {
    this.#window++;
  }

  /** The next that is still to be sent by this lane; undefined when all are out. */
  next(lane: Lane): Entry | undefined {
    while (this.#at < this.#entries.length) {
      const entry = this.#entries[this.#at++]!;
      if (this.#at === compactAt) this.#compact();
      const isOurs = entry.lane === lane && !entry.isDone && !entry.isHeld;
      if (isOurs && entry.sentTo === undefined) return entry;
    }
    this.#entries = [];
    this.#at = 0;
    return undefined;
  }

  #compact(): void {
    this.#entries.splice(0, this.#at);
    this.#at = 0;
  }
}
