import { Clients } from './clients.ts';
import { EventLog } from './events.ts';
import { Leases } from './leases.ts';
import { defaultPolicy } from './limits.ts';
import { Occupancy } from './occupancy.ts';
import { Outcomes } from './outcomes.ts';
import { Ownership } from './ownership.ts';
import { Queues } from './queues.ts';
import { Sessions } from './sessions.ts';
import { TaskStates } from './task-states.ts';
import { TaskTable } from './task-table.ts';
import type { Policy } from './types.ts';

/** What the state machine is made of. */
export interface Parts {
  readonly tasks: TaskTable;
  readonly queues: Queues;
  readonly sessions: Sessions;
  readonly leases: Leases;
  readonly states: TaskStates;
  readonly outcomes: Outcomes;
  readonly clients: Clients;
  readonly occupancy: Occupancy;
  readonly ownership: Ownership;
  readonly events: EventLog;
  /** Counters that only grow: puts, fences, and attaches with registrations. */
  sequence: number;
  fence: number;
  registrations: number;
  /** Sessions and clients belong to no queue: the last policy set for any queue says how long they last. */
  timeouts: Pick<Policy, 'sessionTimeoutMs' | 'clientTimeoutMs'>;
  /** Nothing ends by time before this log time: a new leader has heard nobody yet. */
  floorMs: number;
}

export function createParts(): Parts {
  const tasks = new TaskTable();
  const queues = new Queues(tasks);
  const sessions = new Sessions();
  const leases = new Leases(tasks, sessions);
  const events = new EventLog();
  const occupancy = new Occupancy();
  const states = new TaskStates(tasks, queues, leases, events);
  const outcomes = new Outcomes(tasks, queues, states, leases, events);
  const { sessionTimeoutMs, clientTimeoutMs } = defaultPolicy;
  const counters = { sequence: 0, fence: 0, registrations: 0 };
  const timeouts = { sessionTimeoutMs, clientTimeoutMs };
  return {
    tasks,
    queues,
    sessions,
    leases,
    states,
    outcomes,
    clients: new Clients(occupancy),
    occupancy,
    ownership: new Ownership(occupancy),
    events,
    ...counters,
    timeouts,
    floorMs: 0,
  };
}
