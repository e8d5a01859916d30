import type { Call } from './call.ts';
import { firstVersion } from './routes.ts';

/** Calls that bounced and go out again on the same link: a later request on the same key may be ahead of them. */
export class BouncedCalls {
  readonly #calls = new Set<Call>();

  add(call: Call): void {
    this.#calls.add(call);
  }

  /** It went out again, or ended. */
  remove(call: Call): void {
    this.#calls.delete(call);
  }

  /** The link is gone: on the next one all go out in their order. */
  clear(): void {
    this.#calls.clear();
  }

  /**
   * False while it would change the order of requests on its key: one that bounced waits for a later one that is under way; and none
   * goes ahead of an earlier one that bounced, or that may yet because it went out by an older version of the map.
   */
  mayGo(call: Call, unsettled: Iterable<Call>): boolean {
    if (this.#calls.size === 0 && call.place.mapVersion <= firstVersion) return true;
    const hasBounced = this.#calls.has(call);
    for (const other of unsettled) {
      if (other === call || !isOnSameKey(call, other)) continue;
      const isLater = other.seq > call.seq;
      if (isLater && hasBounced && other.isSent) return false;
      if (isLater) continue;
      if (other.isSent ? other.place.mapVersion < call.place.mapVersion : this.#calls.has(other))
        return false;
    }
    return true;
  }
}

function isOnSameKey({ spec: one }: Call, { spec: other }: Call): boolean {
  if (!('key' in one.target) || !('key' in other.target)) return false;
  return one.target.key === other.target.key && one.queue === other.queue;
}
