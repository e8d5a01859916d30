import type { Buffer } from 'node:buffer';
import type { Entry } from './entry.ts';
import { isSameRequest } from './frame-fields.ts';
import { shardBytesMax, shardRequestsMax } from './types.ts';

/** The frames that one shard has to answer, and the bounds of that. */
export class LaneEntries {
  readonly #byCorrelation = new Map<number, Entry>();
  /** Takes that may wait at a node: the few that a `cancel` can mean. */
  readonly #takes = new Set<Entry>();
  readonly #nextCorrelation: () => number;
  #bytes = 0;

  constructor(nextCorrelation: () => number) {
    this.#nextCorrelation = nextCorrelation;
  }

  get size(): number {
    return this.#byCorrelation.size;
  }

  [Symbol.iterator](): IterableIterator<Entry> {
    return this.#byCorrelation.values();
  }

  get(correlation: number): Entry | undefined {
    return this.#byCorrelation.get(correlation);
  }

  hasRoomFor(bytes: number): boolean {
    return this.size < shardRequestsMax && this.#bytes + bytes <= shardBytesMax;
  }

  add(entry: Entry): void {
    do entry.correlation = this.#nextCorrelation();
    while (this.#byCorrelation.has(entry.correlation));
    this.#byCorrelation.set(entry.correlation, entry);
    this.#bytes += entry.frame.length;
    if (entry.waits) this.#takes.add(entry);
  }

  delete(entry: Entry): void {
    if (!this.#byCorrelation.delete(entry.correlation)) return;
    this.#bytes -= entry.frame.length;
    if (entry.waits) this.#takes.delete(entry);
  }

  /** The take that a `cancel` names by its request id. */
  takeOf(cancel: Buffer): Entry | undefined {
    for (const entry of this.#takes) if (isSameRequest(entry.frame, cancel)) return entry;
    return undefined;
  }

  /**
   * What is to be sent, in order of arrival: so what was under way before comes first, unless something came from another lane. Of two
   * requests that were under way one may be unknown and the other not, hence the order of arrival is all that keeps theirs.
   */
  waiting(): Entry[] {
    const waiting: Entry[] = [];
    for (const entry of this) if (entry.sentTo === undefined && !entry.isHeld) waiting.push(entry);
    return waiting.sort((a, b) => a.order - b.order);
  }

  counts(): { readonly inFlight: number; readonly held: number; readonly heldBytes: number } {
    let inFlight = 0;
    let heldBytes = 0;
    for (const entry of this) {
      if (entry.sentTo !== undefined) inFlight++;
      else heldBytes += entry.frame.length;
    }
    return { inFlight, held: this.size - inFlight, heldBytes };
  }
}
