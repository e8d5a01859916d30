import { attachWithinMs } from './shard-session.ts';

/** How long a proxy may leave one shard of several unattached before another proxy is tried; twice as long each time. */
const partlyMs = { first: 5_000, longest: 60_000 } as const;

type Reach = 'whole' | 'part' | 'none';

/** When to leave a link for another because the shards cannot be reached through it: each proxy has its own way to them. */
export class LinkPatience {
  #reach: Reach = 'whole';
  #partlyMs: number = partlyMs.first;
  #leaveAtMs = Number.POSITIVE_INFINITY;

  get leaveAtMs(): number {
    return this.#leaveAtMs;
  }

  /** So many of the sessions are attached now. */
  attached(count: number, wanted: number, nowMs: number): void {
    const reach = count === wanted ? 'whole' : count > 0 ? 'part' : 'none';
    if (reach === this.#reach) return;
    this.#reach = reach;
    if (reach === 'whole') this.#partlyMs = partlyMs.first;
    this.#leaveAtMs =
      nowMs + { whole: Number.POSITIVE_INFINITY, part: this.#partlyMs, none: attachWithinMs }[reach];
  }

  /** The link is gone. */
  lost(): void {
    if (this.#reach === 'part') this.#partlyMs = Math.min(partlyMs.longest, 2 * this.#partlyMs);
    this.#reach = 'whole';
    this.#leaveAtMs = Number.POSITIVE_INFINITY;
  }
}
