import { assert } from '../base/assert.ts';
import type { HardState, LogEntry, LogIndex, PersistRequest } from './types.ts';

interface LogWrite {
  readonly token: number;
  /** The last index that is durable once the token is reported; lowered by a truncation (pitfall 16). */
  lastIndex: LogIndex;
}

/** Gathers what a step wants durable, and knows which of it is. Nothing here waits: tokens say when. */
export class Disk {
  #issuedToken = 0;
  #durableToken = 0;
  #hardStateToken = 0;
  #logToken = 0;
  #truncateFrom: LogIndex | undefined;
  #entries: readonly LogEntry[] = [];
  readonly #writes: LogWrite[] = [];
  #durableIndex: LogIndex;
  #waitingSinceMs: number | undefined;

  constructor(durableIndex: LogIndex) {
    this.#durableIndex = durableIndex;
  }

  /** All up to here is durable and the same as in memory. */
  get durableIndex(): LogIndex {
    return this.#durableIndex;
  }

  /** The token that must be reported before a message may name the current term, vote or lease; 0 when nothing is open. */
  get hardStateToken(): number {
    return this.#hardStateToken > this.#durableToken ? this.#hardStateToken : 0;
  }

  /** The same for the whole of the log and the hard state. */
  get allToken(): number {
    const token = Math.max(this.#hardStateToken, this.#logToken);
    return token > this.#durableToken ? token : 0;
  }

  isDurable(token: number): boolean {
    return token <= this.#durableToken;
  }

  markHardState(): void {
    this.#hardStateToken = this.#issuedToken + 1;
  }

  append(entries: readonly LogEntry[]): void {
    this.#entries = this.#entries.length === 0 ? entries : [...this.#entries, ...entries];
    this.#logToken = this.#issuedToken + 1;
  }

  truncateFrom(index: LogIndex): void {
    this.#truncateFrom = Math.min(index, this.#truncateFrom ?? index);
    this.#entries = this.#entries.filter((entry) => entry.index < index);
    this.#durableIndex = Math.min(this.#durableIndex, index - 1);
    for (const write of this.#writes) write.lastIndex = Math.min(write.lastIndex, index - 1);
    this.#logToken = this.#issuedToken + 1;
  }

  /** The work gathered since the last call, under the next token. */
  take(hardState: () => HardState, nowMs: number): PersistRequest | undefined {
    const token = this.#issuedToken + 1;
    const withHardState = this.#hardStateToken === token;
    if (!withHardState && this.#logToken !== token) return undefined;
    this.#issuedToken = token;
    this.#waitingSinceMs ??= nowMs;
    const last = this.#entries.at(-1);
    if (last !== undefined) this.#writes.push({ token, lastIndex: last.index });
    const request = {
      token,
      hardState: withHardState ? hardState() : undefined,
      truncateFrom: this.#truncateFrom,
      entries: this.#entries,
    };
    this.#truncateFrom = undefined;
    this.#entries = [];
    return request;
  }

  /** The disk reports this token and all before it. */
  persisted(token: number, nowMs: number): void {
    assert(token <= this.#issuedToken, 'the disk reports only what it was given');
    if (token <= this.#durableToken) return;
    this.#durableToken = token;
    this.#waitingSinceMs = token < this.#issuedToken ? nowMs : undefined;
    while (this.#writes.length > 0 && this.#writes[0]!.token <= token) {
      this.#durableIndex = Math.max(this.#durableIndex, this.#writes.shift()!.lastIndex);
    }
  }

  /** When the disk will have made no progress for `timeoutMs`; Infinity when nothing is open. */
  stalledAtMs(timeoutMs: number): number {
    return this.#waitingSinceMs === undefined ? Number.POSITIVE_INFINITY : this.#waitingSinceMs + timeoutMs;
  }

  /** A stall of the whole process is no stall of the disk. */
  restartWatch(nowMs: number): void {
    if (this.#waitingSinceMs !== undefined) this.#waitingSinceMs = nowMs;
  }
}
