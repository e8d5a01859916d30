import { dueHeap } from './due-heap.ts';
import type { IndexedHeap } from './indexed-heap.ts';
import type { Session, Sessions } from './sessions.ts';
import { none, type TaskTable } from './task-table.ts';

/**
 * The leases in force: by the time they end, and by session as a doubly linked list through the task table, so that the end of
 * a session costs its own leases and nothing else. A list is in the order the leases were given.
 */
export class Leases {
  readonly #tasks: TaskTable;
  readonly #sessions: Sessions;
  readonly #byEnd: IndexedHeap;

  constructor(tasks: TaskTable, sessions: Sessions) {
    this.#tasks = tasks;
    this.#sessions = sessions;
    this.#byEnd = dueHeap(tasks);
  }

  /** `dueMs` of the task is when the lease ends. */
  add(slot: number, session: Session): void {
    const { leaseBefore, leaseAfter } = this.#tasks;
    this.#tasks.session[slot] = session.slot;
    leaseBefore[slot] = session.lastLease;
    leaseAfter[slot] = none;
    if (session.lastLease === none) session.firstLease = slot;
    else leaseAfter[session.lastLease] = slot;
    session.lastLease = slot;
    session.leaseCount += 1;
    this.#byEnd.add(slot);
  }

  remove(slot: number): void {
    const { leaseBefore, leaseAfter } = this.#tasks;
    const session = this.holder(slot);
    const before = leaseBefore[slot]!;
    const after = leaseAfter[slot]!;
    if (before === none) session.firstLease = after;
    else leaseAfter[before] = after;
    if (after === none) session.lastLease = before;
    else leaseBefore[after] = before;
    session.leaseCount -= 1;
    this.#tasks.session[slot] = none;
    leaseBefore[slot] = none;
    leaseAfter[slot] = none;
    this.#byEnd.remove(slot);
  }

  holder(slot: number): Session {
    return this.#sessions.at(this.#tasks.session[slot]!);
  }

  /** @returns the task whose lease ends first, or `none`. */
  soonest(): number {
    return this.#byEnd.top();
  }
}
