import type { Call } from './call.ts';

/** Ids from the oldest unsettled request to the newest, at most: what the cluster remembers answers for. */
export const windowMax = 1_024;
/** Requests that wait for a place in the window, at most. */
export const backlogMax = 10_000;
/** Requests of unknown outcome that can still be asked about, at most. */
export const keptMax = 256;

/** The request ids of one stream: which are unsettled, in the order of their ids, and which wait for one. */
export class RequestWindow {
  readonly #unsettled = new Map<number, Call>();
  /** Given up by their callers with an unknown outcome: unsettled, so that the cluster remembers what became of them. */
  readonly #kept = new Map<number, Call>();
  #oldestKept = Number.POSITIVE_INFINITY;
  #backlog: Call[] = [];
  #lastSeq = 0;

  /** Answers up to here are not needed any more. */
  get settledUpTo(): number {
    return Math.min(this.oldest()?.seq ?? this.#lastSeq + 1, this.#oldestKept) - 1;
  }

  get lastSeq(): number {
    return this.#lastSeq;
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

  /** True if answers are remembered only because an older request is unsettled. */
  get hasGaps(): boolean {
    return this.#unsettled.size + this.#kept.size < this.span;
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

  /** The calls that have no id yet leave: they may belong elsewhere now. */
  takeBacklog(): readonly Call[] {
    const backlog = this.#backlog;
    this.#backlog = [];
    return backlog;
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

  /** Nobody waits for the request any more, but somebody may ask what became of it. Beyond the bound the oldest is settled. */
  keep(call: Call): void {
    this.#unsettled.delete(call.seq);
    this.#kept.set(call.seq, call);
    this.#oldestKept = Math.min(this.#oldestKept, call.seq);
    if (this.#kept.size > keptMax) this.settleKept(this.#oldestKept);
  }

  /** @returns the request of this id if its caller has given it up and it is not settled. */
  givenUp(seq: number): Call | undefined {
    const call = this.#kept.get(seq) ?? this.#unsettled.get(seq);
    return call?.isDone === true ? call : undefined;
  }

  settleKept(seq: number): void {
    if (!this.#kept.delete(seq) || seq !== this.#oldestKept) return;
    this.#oldestKept = Math.min(...this.#kept.keys(), Number.POSITIVE_INFINITY);
  }

  /** A request that is kept must not hold up the window. */
  makeRoom(): void {
    while (this.span >= windowMax / 2 && this.settledUpTo + 1 === this.#oldestKept)
      this.settleKept(this.#oldestKept);
  }

  /** Kept for long enough: settled. @returns when the next one is due. */
  settleKeptBefore(sinceMs: number, keptForMs: number): number {
    let nextMs = Number.POSITIVE_INFINITY;
    for (const [seq, { deadlineMs }] of [...this.#kept]) {
      if (deadlineMs <= sinceMs) this.settleKept(seq);
      else nextMs = Math.min(nextMs, deadlineMs + keptForMs);
    }
    return nextMs;
  }
}
