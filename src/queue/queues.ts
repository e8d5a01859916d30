import { Bands } from './bands.ts';
import { defaultPolicy, queueLimits } from './limits.ts';
import { Providers } from './providers.ts';
import { stateNames, type TaskTable } from './task-table.ts';
import type { Policy } from './types.ts';

/** One named queue: what decides its order, and its counts. */
export interface Queue {
  readonly slot: number;
  readonly name: string;
  readonly bands: Bands;
  readonly providers: Providers;
  /** Tasks by state code. */
  readonly counts: number[];
  policy: Policy;
}

/** The queues of the group in the order they were first named; none is ever removed. */
export class Queues {
  readonly list: Queue[] = [];
  readonly #byName = new Map<string, Queue>();
  readonly #tasks: TaskTable;

  constructor(tasks: TaskTable) {
    this.#tasks = tasks;
  }

  find(name: string): Queue | undefined {
    return this.#byName.get(name);
  }

  /** The queue a task is in. */
  of(slot: number): Queue {
    return this.list[this.#tasks.queue[slot]!]!;
  }

  /** @returns undefined at `queuesMax`. */
  findOrAdd(name: string): Queue | undefined {
    const known = this.#byName.get(name);
    if (known !== undefined || this.list.length >= queueLimits.queuesMax) return known;
    const queue: Queue = {
      slot: this.list.length,
      name,
      bands: new Bands(this.#tasks),
      providers: new Providers(),
      counts: stateNames.map(() => 0),
      policy: defaultPolicy,
    };
    this.list.push(queue);
    this.#byName.set(name, queue);
    return queue;
  }
}
