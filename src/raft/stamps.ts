import type { NodeId } from '../base/ids.ts';
import type { Now } from './types.ts';

/**
 * Log time: the lower median of the wall clocks of those voters that were heard in this term, own included, carried on by the
 * monotonic clock. One wrong clock of three moves nothing.
 */
export class Stamps {
  readonly #offsets = new Map<NodeId, number>();
  #offsetMs = 0;

  /** What the member's wall clock said at about this time. */
  sample(id: NodeId, wallMs: number, now: Now): void {
    this.#offsets.set(id, wallMs - now.monotonicMs);
  }

  /** Takes the samples of these voters into force. */
  settle(voters: readonly NodeId[]): void {
    const offsets: number[] = [];
    for (const id of voters) {
      const offset = this.#offsets.get(id);
      if (offset !== undefined) offsets.push(offset);
    }
    if (offsets.length === 0) return;
    offsets.sort((a, b) => a - b);
    this.#offsetMs = offsets[(offsets.length - 1) >> 1]!;
  }

  /** The stamp of an entry appended now; never below the last one. */
  next(lastStampMs: number, now: Now): number {
    return Math.max(lastStampMs, Math.floor(this.#offsetMs + now.monotonicMs));
  }
}
