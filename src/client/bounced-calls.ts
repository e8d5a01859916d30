import type { Call } from './call.ts';

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

  /** False while a later request on the same key is under way: together they go again in their order, or the later one has won. */
  isNext(call: Call, unsettled: Iterable<Call>): boolean {
    if (!this.#calls.has(call)) return true;
    for (const other of unsettled)
      if (other.seq > call.seq && other.isSent && isOnSameKey(call, other)) return false;
    return true;
  }

  /** What was applied later must not be undone by what was asked for earlier. @returns calls that must not be sent any more. */
  overtakenBy(later: Call): readonly Call[] {
    if (this.#calls.size === 0) return none;
    return [...this.#calls].filter(
      (call) => call.isUnknown && call.seq < later.seq && isOnSameKey(call, later),
    );
  }
}

const none: readonly Call[] = [];

function isOnSameKey({ spec: one }: Call, { spec: other }: Call): boolean {
  if (!('key' in one.target) || !('key' in other.target)) return false;
  return one.target.key === other.target.key && one.queue === other.queue;
}
