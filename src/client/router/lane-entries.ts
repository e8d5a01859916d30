import type { Buffer } from 'node:buffer';
import type { Entry } from './entry.ts';
import { requestKeyOf } from './frame-fields.ts';
import { shardBytesMax, shardRequestsMax, shardTakesMax } from './types.ts';

/** The frames that one shard has to answer, and the bounds of that. */
export class LaneEntries {
  readonly #byCorrelation = new Map<number, Entry>();
  /** Takes that may wait at a node, by request id: what a `cancel` can mean. */
  readonly #takes = new Map<string, Entry>();
  readonly #nextCorrelation: () => number;
  #takeCount = 0;
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

  /** Whoever waits for tasks must not keep others from putting them: takes that wait have a bound of their own. */
  hasRoomFor({ waits, frame }: Entry): boolean {
    const isRoom = waits ? this.#takeCount < shardTakesMax : this.size - this.#takeCount < shardRequestsMax;
    return isRoom && this.#bytes + frame.length <= shardBytesMax;
  }

  add(entry: Entry): void {
    do entry.correlation = this.#nextCorrelation();
    while (this.#byCorrelation.has(entry.correlation));
    this.#byCorrelation.set(entry.correlation, entry);
    this.#bytes += entry.frame.length;
    if (!entry.waits) return;
    this.#takeCount++;
    this.#takes.set(requestKeyOf(entry.frame), entry);
  }

  delete(entry: Entry): void {
    if (!this.#byCorrelation.delete(entry.correlation)) return;
    this.#bytes -= entry.frame.length;
    if (!entry.waits) return;
    this.#takeCount--;
    const key = requestKeyOf(entry.frame);
    if (this.#takes.get(key) === entry) this.#takes.delete(key);
  }

  /** The take that a `cancel` names by its request id: the newest, if a client that came again asked for it again. */
  takeOf(cancel: Buffer): Entry | undefined {
    return this.#takes.get(requestKeyOf(cancel));
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
