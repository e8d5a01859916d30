/** A stream is idle when nothing of it was sent or answered for so long. */
const idleMs = 1_000;
/** Nobody answers a `settle`, and one may be lost: it is said again, after twice the time. */
const tellsMax = 5;

/** What the shards that remember answers of one stream were told of its settled requests: an idle client leaves nothing behind. */
export class SettleNotes {
  /** Every shard that answered a request of the stream: a redirected one is remembered elsewhere. */
  readonly #shards = new Set<number>();
  #toldUpTo = 0;
  #tellCount = 0;
  #activeAtMs = 0;

  /** The shard remembers an answer until it is told otherwise. */
  answeredBy(shard: number, nowMs: number): void {
    this.#shards.add(shard);
    this.active(nowMs);
  }

  active(nowMs: number): void {
    this.#activeAtMs = nowMs;
    this.#tellCount = 0;
  }

  /** When to look again; Infinity while there is nothing to tell. */
  dueMs(settledUpTo: number): number {
    const isTold = this.#toldUpTo === settledUpTo && this.#tellCount >= tellsMax;
    if (isTold || this.#shards.size === 0) return Number.POSITIVE_INFINITY;
    return this.#activeAtMs + idleMs * 2 ** this.#tellCount;
  }

  /** Who must be told now that requests up to `settledUpTo` are settled. */
  tell(settledUpTo: number): readonly number[] {
    if (settledUpTo !== this.#toldUpTo) this.#tellCount = 0;
    this.#toldUpTo = settledUpTo;
    this.#tellCount++;
    return [...this.#shards];
  }
}
