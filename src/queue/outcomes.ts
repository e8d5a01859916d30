import type { EventLog } from './events.ts';
import type { Leases } from './leases.ts';
import type { Queues } from './queues.ts';
import type { Session } from './sessions.ts';
import type { TaskStates } from './task-states.ts';
import { none, type TaskTable } from './task-table.ts';
import type { Provider } from './types.ts';

/** Reasons that the state machine itself gives a buried task. */
export const buriedUnknown = 'the outcome of the provider call is unknown';
export const buriedUnknownTwice = 'the outcome of the provider call is unknown for the second time';

/**
 * What becomes of a task whose lease ended without an answer. The refresh token of a static provider is as good as before. That
 * of a rotating one may be spent, so the task is suspect: nobody presents the token again before its escrow had a chance and the
 * call's own deadline has passed, then it is tried once more or buried. Its fence stays current all along, so that a late answer
 * lands.
 */
export class Outcomes {
  readonly #tasks: TaskTable;
  readonly #queues: Queues;
  readonly #states: TaskStates;
  readonly #leases: Leases;
  readonly #events: EventLog;

  constructor(tasks: TaskTable, queues: Queues, states: TaskStates, leases: Leases, events: EventLog) {
    this.#tasks = tasks;
    this.#queues = queues;
    this.#states = states;
    this.#leases = leases;
    this.#events = events;
  }

  /** Tells the holder that its lease ended; the caller decides what follows. */
  tellHolder(slot: number, why: 'put' | 'ttr' | 'session'): void {
    this.#events.leaseLost(this.#leases.holder(slot), {
      queue: this.#queues.of(slot).name,
      id: this.#tasks.id(slot),
      fence: this.#tasks.fence[slot]!,
      why,
    });
  }

  /** Ends all leases of a session at once; bounded by `leasesPerSessionMax`. */
  endLeasesOf(session: Session, nowMs: number): number {
    const count = session.leaseCount;
    while (session.firstLease !== none) {
      const slot = session.firstLease;
      this.tellHolder(slot, 'session');
      this.unknown(slot, nowMs, nowMs);
    }
    return count;
  }

  /** The lease is over and nobody says how the call ended. The task is not given again before `notBeforeMs`. */
  unknown(slot: number, nowMs: number, notBeforeMs: number): void {
    const provider = this.#providerOf(slot);
    if (provider.kind === 'static') {
      this.#states.toDelayed(slot, notBeforeMs, nowMs);
      return;
    }
    const graceEndsAtMs = this.#graceEnd(slot, provider);
    if (nowMs < graceEndsAtMs) {
      this.#tasks.graceEndsAtMs[slot] = graceEndsAtMs;
      this.#states.toDelayed(slot, notBeforeMs, nowMs);
      return;
    }
    this.suspect(slot, nowMs, notBeforeMs);
  }

  /** Given to nobody for `suspectMs`, and not before the call's own deadline. */
  suspect(slot: number, nowMs: number, notBeforeMs: number): void {
    const { suspectMs } = this.#providerOf(slot);
    this.#tasks.unknowns[slot]! += 1;
    this.#tasks.graceEndsAtMs[slot] = 0;
    this.#states.toSuspect(slot, Math.max(nowMs + suspectMs, this.#tasks.callEndsAtMs[slot]!, notBeforeMs));
  }

  /** The escrow had its chance: one more try, or none. */
  endSuspicion(slot: number, nowMs: number): void {
    const { kind, onUnknown } = this.#providerOf(slot);
    if (kind === 'static') this.#states.toReady(slot, nowMs);
    else if (onUnknown === 'bury') this.#states.toBuried(slot, buriedUnknown);
    else if (this.#tasks.unknowns[slot]! > 1) this.#states.toBuried(slot, buriedUnknownTwice);
    else this.#states.toReady(slot, nowMs);
  }

  /** @returns true if a call that ends at `callEndsAtMs` could present a spent token after its grace. */
  outlivesGrace(slot: number, callEndsAtMs: number): boolean {
    const graceEndsAtMs = this.#tasks.graceEndsAtMs[slot]!;
    return graceEndsAtMs !== 0 && callEndsAtMs > graceEndsAtMs;
  }

  /** Grace counts from the first call that may have spent the token, and that from its take: never too long. */
  #graceEnd(slot: number, provider: Provider): number {
    const running = this.#tasks.graceEndsAtMs[slot]!;
    return running !== 0 ? running : this.#tasks.takenAtMs[slot]! + provider.graceMs;
  }

  #providerOf(slot: number): Provider {
    return this.#queues.of(slot).providers.settings(this.#tasks.provider[slot]!);
  }
}
