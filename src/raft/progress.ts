import { totalBytes } from './log.ts';
import type { LogEntry, LogIndex, Round } from './types.ts';

interface Inflight {
  readonly lastIndex: LogIndex;
  readonly bytes: number;
}

/** How far one follower is, as its leader sees it: probing for the place where the logs meet, or streaming from it. */
export class Progress {
  matchIndex: LogIndex = 0;
  nextIndex: LogIndex;
  /** One append at a time until the logs are known to meet. */
  probing = true;
  /** The probe is out: nothing more until it is answered or a round's answer says it was lost. */
  probeSent = false;
  readonly #termStart: LogIndex;
  #inflight: Inflight[] = [];
  #inflightBytes = 0;
  #mark: { readonly round: Round; readonly nextIndex: LogIndex } | undefined;

  /** @param nextIndex - the first index of the term: the logs most likely meet just before it. */
  constructor(nextIndex: LogIndex) {
    this.nextIndex = nextIndex;
    this.#termStart = nextIndex;
  }

  canSend(inflightBytesMax: number): boolean {
    return this.probing ? !this.probeSent : this.#inflightBytes < inflightBytesMax;
  }

  sent(entries: readonly LogEntry[]): void {
    if (this.probing) {
      this.probeSent = true;
      return;
    }
    const last = entries.at(-1);
    if (last === undefined) return;
    const bytes = totalBytes(entries);
    this.#inflight.push({ lastIndex: last.index, bytes });
    this.#inflightBytes += bytes;
    this.nextIndex = last.index + 1;
  }

  /** The follower holds all up to `index` durably. */
  acknowledged(index: LogIndex): void {
    this.matchIndex = Math.max(this.matchIndex, index);
    this.nextIndex = Math.max(this.nextIndex, this.matchIndex + 1);
    this.probing = false;
    this.probeSent = false;
    while (this.#inflight.length > 0 && this.#inflight[0]!.lastIndex <= this.matchIndex) {
      this.#inflightBytes -= this.#inflight.shift()!.bytes;
    }
  }

  /** @returns false for an answer that was overtaken (pitfall 21). */
  refused(prevLogIndex: LogIndex, hint: LogIndex): boolean {
    if (prevLogIndex <= this.matchIndex) return false;
    if (this.probing && prevLogIndex !== this.nextIndex - 1) return false;
    this.reset();
    this.nextIndex = Math.max(this.matchIndex + 1, Math.min(hint, prevLogIndex));
    return true;
  }

  /** Back to the last place that is certain, or to the first guess while none is, forgetting what is in flight. */
  reset(): void {
    this.probing = true;
    this.probeSent = false;
    this.nextIndex = this.matchIndex > 0 ? this.matchIndex + 1 : this.#termStart;
    this.#inflight = [];
    this.#inflightBytes = 0;
    this.#mark = undefined;
  }

  roundSent(round: Round): void {
    this.#mark ??= { round, nextIndex: this.nextIndex };
  }

  /** @returns true if entries that left before the answered round had not arrived by then: they were lost (pitfalls 23, 27). */
  roundAnswered(round: Round, lastLogIndex: LogIndex): boolean {
    const mark = this.#mark;
    if (mark === undefined || round < mark.round) return false;
    this.#mark = undefined;
    return !this.probing && this.matchIndex < mark.nextIndex - 1 && lastLogIndex < mark.nextIndex - 1;
  }
}
