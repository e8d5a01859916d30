import type { RaftView } from '../raft/types.ts';

/** Warnings come and go with time alone: health is judged anew so often. */
const lookAgainAfterMs = 1_000;

/** Says when a look at the whole node is worth its time: most steps commit an entry and change nothing that anybody watches. */
export class Attention {
  #isDue = true;
  #seen: RaftView | undefined;
  #againAtMs = Number.NEGATIVE_INFINITY;

  /** Something outside the core changed. */
  wake(): void {
    this.#isDue = true;
  }

  stepped(view: RaftView): void {
    const seen = this.#seen;
    this.#seen = view;
    if (
      seen?.role !== view.role ||
      seen.term !== view.term ||
      seen.leaderId !== view.leaderId ||
      seen.membership !== view.membership ||
      seen.clusterId !== view.clusterId ||
      seen.awaitingAdmission !== view.awaitingAdmission
    ) {
      this.#isDue = true;
    }
  }

  /** True once for each reason. */
  isDue(nowMs: number): boolean {
    if (!this.#isDue && nowMs < this.#againAtMs) return false;
    this.#isDue = false;
    this.#againAtMs = nowMs + lookAgainAfterMs;
    return true;
  }
}
