import { assert } from '../base/assert.ts';
import type { LogIndex, ReadAnswer } from '../raft/types.ts';

export type ReadDone = (result: 'ok' | 'notLeader' | 'busy' | 'closed') => void;

/** Reads that are not answered yet; more are refused as `busy`. */
export const readsWaitingMax = 65_536;

/** Linearizable reads: those of one turn share one confirmation, and wait until the confirmed index is applied here (pitfall 66). */
export class Reads {
  #gathered: ReadDone[] = [];
  readonly #asked = new Map<number, readonly ReadDone[]>();
  /** Ascending by index: the core confirms reads in order. */
  #confirmed: { readonly index: LogIndex; readonly dones: readonly ReadDone[] }[] = [];
  #nextToken = 1;
  #waiting = 0;

  /** @returns false at the bound. */
  add(done: ReadDone): boolean {
    if (this.#waiting >= readsWaitingMax) return false;
    this.#waiting++;
    this.#gathered.push(done);
    return true;
  }

  /** @returns the token to ask the core with, undefined when nobody asked since the last call. */
  take(): number | undefined {
    if (this.#gathered.length === 0) return undefined;
    const token = this.#nextToken++;
    this.#asked.set(token, this.#gathered);
    this.#gathered = [];
    return token;
  }

  confirmed(answers: readonly ReadAnswer[], appliedIndex: LogIndex): void {
    for (const answer of answers) {
      const dones = this.#asked.get(answer.token);
      assert(dones !== undefined, 'a read is answered once');
      this.#asked.delete(answer.token);
      if ('refused' in answer) this.#settle(dones, answer.refused);
      else if (answer.index <= appliedIndex) this.#settle(dones, 'ok');
      else this.#confirmed.push({ index: answer.index, dones });
    }
  }

  applied(index: LogIndex): void {
    if (this.#confirmed.length === 0) return;
    const ready = this.#confirmed.filter((read) => read.index <= index);
    if (ready.length === 0) return;
    this.#confirmed = this.#confirmed.filter((read) => read.index > index);
    for (const { dones } of ready) this.#settle(dones, 'ok');
  }

  close(): void {
    const all = [this.#gathered, ...this.#asked.values(), ...this.#confirmed.map(({ dones }) => dones)];
    this.#gathered = [];
    this.#asked.clear();
    this.#confirmed = [];
    for (const dones of all) this.#settle(dones, 'closed');
  }

  #settle(dones: readonly ReadDone[], result: Parameters<ReadDone>[0]): void {
    this.#waiting -= dones.length;
    for (const done of dones) done(result);
  }
}
