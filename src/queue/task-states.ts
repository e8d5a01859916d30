import { assert } from '../base/assert.ts';
import { bandAt } from './bands.ts';
import { dueHeap } from './due-heap.ts';
import type { EventLog } from './events.ts';
import type { IndexedHeap } from './indexed-heap.ts';
import type { Leases } from './leases.ts';
import type { Queues } from './queues.ts';
import type { Session } from './sessions.ts';
import { buried, delayed, none, ready, suspect, type TaskTable, taken } from './task-table.ts';

/**
 * The only writer of a task's state. A task is in one state and in the one structure that belongs to it: bands (ready), the
 * delays, the leases (taken), the suspects, or none (buried).
 */
export class TaskStates {
  readonly delays: IndexedHeap;
  readonly suspects: IndexedHeap;
  readonly #tasks: TaskTable;
  readonly #queues: Queues;
  readonly #leases: Leases;
  readonly #events: EventLog;

  constructor(tasks: TaskTable, queues: Queues, leases: Leases, events: EventLog) {
    this.#tasks = tasks;
    this.#queues = queues;
    this.#leases = leases;
    this.#events = events;
    this.delays = dueHeap(tasks);
    this.suspects = dueHeap(tasks);
  }

  /** Ready now, in the band its expiry has at this time. The sequence stays: a task that comes back keeps its place. */
  toReady(slot: number, nowMs: number): void {
    const queue = this.#queues.of(slot);
    this.toBand(slot, bandAt(this.#tasks.expiresAtMs[slot]!, queue.policy.urgentMs, nowMs));
    if (!queue.providers.isBackingOff(this.#tasks.provider[slot]!)) this.#events.ready(queue.name);
  }

  toBand(slot: number, band: number): void {
    this.leave(slot);
    this.#enter(slot, ready);
    this.#queues.of(slot).bands.add(slot, band);
  }

  /** Delayed until then, or ready at once if that is not later than now. */
  toDelayed(slot: number, untilMs: number, nowMs: number): void {
    if (untilMs <= nowMs) {
      this.toReady(slot, nowMs);
      return;
    }
    this.leave(slot);
    this.#tasks.dueMs[slot] = untilMs;
    this.#enter(slot, delayed);
    this.delays.add(slot);
  }

  toTaken(slot: number, session: Session, endsAtMs: number): void {
    this.leave(slot);
    this.#tasks.dueMs[slot] = endsAtMs;
    this.#enter(slot, taken);
    this.#leases.add(slot, session);
  }

  toSuspect(slot: number, untilMs: number): void {
    this.leave(slot);
    this.#tasks.dueMs[slot] = untilMs;
    this.#enter(slot, suspect);
    this.suspects.add(slot);
  }

  toBuried(slot: number, reason: string): void {
    this.leave(slot);
    this.#tasks.setReason(slot, reason);
    this.#enter(slot, buried);
  }

  remove(slot: number): void {
    this.leave(slot);
    this.#tasks.delete(slot);
  }

  /** Takes the task out of the structure of its state, before what orders it there may change. Another state must follow. */
  leave(slot: number): void {
    const state = this.#tasks.state[slot]!;
    if (state === none) return;
    const queue = this.#queues.of(slot);
    if (state === ready) queue.bands.remove(slot);
    else if (state === delayed) this.delays.remove(slot);
    else if (state === taken) this.#leases.remove(slot);
    else if (state === suspect) this.suspects.remove(slot);
    else this.#tasks.setReason(slot, undefined);
    this.#tasks.state[slot] = none;
    this.#tasks.dueMs[slot] = 0;
    queue.counts[state]! -= 1;
  }

  #enter(slot: number, state: number): void {
    assert(this.#tasks.state[slot] === none, 'Q1: a task is in one state at a time');
    this.#tasks.state[slot] = state;
    this.#queues.of(slot).counts[state]! += 1;
  }
}
