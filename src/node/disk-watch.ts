/** A sync that takes longer is worth a warning: heartbeats do not wait for it, but every write does. */
export const slowSyncMs = 100;
/** A slow sync is remembered for so long. */
export const slowSyncMemoryMs = 60_000;

/** Remembers the slowest sync of the last minute (pitfall 88). */
export class DiskWatch {
  #slowestMs = 0;
  #untilMs = Number.NEGATIVE_INFINITY;

  /** @returns true when this is the first slow sync for a while, so that it is said once. */
  synced(tookMs: number, nowMs: number): boolean {
    if (tookMs <= slowSyncMs) return false;
    const first = nowMs >= this.#untilMs;
    this.#slowestMs = first ? tookMs : Math.max(this.#slowestMs, tookMs);
    this.#untilMs = nowMs + slowSyncMemoryMs;
    return first;
  }

  /** The slowest sync of the last minute in ms, undefined when none was slow. */
  slow(nowMs: number): number | undefined {
    return nowMs < this.#untilMs ? this.#slowestMs : undefined;
  }
}
