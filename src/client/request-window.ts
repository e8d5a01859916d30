import type { Call } from './call.ts';

/** Ids from the oldest unsettled request to the newest, at most: what the cluster remembers answers for. */
export const windowMax = 1_024;
/** Requests that wait for a place in the window, at most. */
export const backlogMax = 10_000;

/** The request ids of one client: which are unsettled, in the order of their ids, and which wait for one. */
export class RequestWindow {
  readonly #unsettled = new Map<number, Call>();
  #backlog: Call[] = [];
  #lastSeq = 0;

  /** Answers up to here are not needed any more. */
  get settledUpTo(): number {
    return (this.oldest()?.seq ?? this.#lastSeq + 1) - 1;
  }

  /** The unsettled requests in the order of their ids. */
  unsettled(): IterableIterator<Call> {
    return this.#unsettled.values();
  }

  backlog(): readonly Call[] {
    return this.#backlog;
  }

  oldest(): Call | undefined {
    for (const call of this.#unsettled.values()) return call;
    return undefined;
  }

  /** How many ids are open between the oldest unsettled one and the next. */
  get span(): number {
    return this.#lastSeq - this.settledUpTo;
  }

  /** @returns false if there is no place for it. */
  enqueue(call: Call): boolean {
    if (this.#backlog.length >= backlogMax) return false;
    this.#backlog.push(call);
    return true;
  }

  /** Goes before those that wait: it has waited longer. */
  enqueueFirst(calls: readonly Call[]): void {
    this.#backlog = [...calls, ...this.#backlog];
  }

  /** Gives ids to requests that wait, while there is room. @returns those that got one. */
  admit(): readonly Call[] {
    const admitted: Call[] = [];
    while (admitted.length < this.#backlog.length && this.span < windowMax) {
      const call = this.#backlog[admitted.length];
      if (call === undefined) break;
      this.#lastSeq++;
      call.seq = this.#lastSeq;
      this.#unsettled.set(call.seq, call);
      admitted.push(call);
    }
    if (admitted.length > 0) this.#backlog.splice(0, admitted.length);
    return admitted;
  }

  /** The request needs no answer any more, or will never be sent. */
  remove(call: Call): void {
    if (call.seq !== 0) {
      this.#unsettled.delete(call.seq);
      return;
    }
    const place = this.#backlog.indexOf(call);
    if (place >= 0) this.#backlog.splice(place, 1);
  }
}
