import type { GroupHandle } from '../node/types.ts';
import type { Clock } from '../ports/clock.ts';
import type { GetBody } from '../wire/client-frame.ts';
import { encodeRecord } from '../wire/queue-result.ts';
import { type Answer, redirectAnswer } from './answers.ts';
import type { QueueMachine } from './queue-machine.ts';

/** Reads from this node's own replica, which says how old it may be. */
export class LocalReads {
  readonly #group: GroupHandle;
  readonly #machine: QueueMachine;
  readonly #clock: Clock;
  #appliedAtMs = Number.NEGATIVE_INFINITY;

  constructor(group: GroupHandle, machine: QueueMachine, clock: Clock) {
    this.#group = group;
    this.#machine = machine;
    this.#clock = clock;
  }

  onApplied(): void {
    this.#appliedAtMs = this.#clock.monotonicMs();
  }

  /**
   * @param mapVersion - of the map that the reader routed by: a key that belongs elsewhere is answered with a redirect.
   * @returns undefined when the replica may be older than was asked for.
   */
  get(get: GetBody, mapVersion: number): Answer | undefined {
    const ageMs = this.#ageMs();
    if (ageMs > (get.maxAgeMs ?? Number.MAX_SAFE_INTEGER)) return undefined;
    const { index } = this.#group.applied();
    const redirect = this.#machine.state.judge(get.id, mapVersion);
    if (redirect !== undefined) return redirectAnswer(redirect, index);
    const task = this.#machine.state.get(get.queue, get.id);
    return { kind: 'record', index, body: encodeRecord({ task, ageMs }) };
  }

  /**
   * Everything stamped before the last applied entry is here. The age counts from its stamp by this node's wall clock and from
   * its arrival by the monotonic clock, whichever says older: a wall clock that is behind cannot make a cut-off replica young.
   */
  #ageMs(): number {
    const { stampMs } = this.#group.applied();
    const sinceApplied = this.#clock.monotonicMs() - this.#appliedAtMs;
    const sinceStamp = this.#clock.wallMs() - stampMs;
    return Math.min(Number.MAX_SAFE_INTEGER, Math.ceil(Math.max(0, sinceApplied, sinceStamp)));
  }
}
