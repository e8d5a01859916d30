import type { ClientId } from '../base/ids.ts';
import { queueLimits } from './limits.ts';
import type { Parts } from './parts.ts';
import type { Queue } from './queues.ts';
import { refuse } from './refusals.ts';
import type { Session } from './sessions.ts';
import { none } from './task-table.ts';
import type { LeasedTask, Operation, QueueResult } from './types.ts';

type Take = Extract<Operation, { readonly type: 'take' }>;

/** Gives the best tasks to the session. This entry alone decides who holds what; it is the intent to call the provider, too. */
export function take(parts: Parts, client: ClientId, operation: Take, nowMs: number): QueueResult {
  const session = parts.sessions.find(operation.session);
  if (session === undefined) return refuse('STALE_LEASE', 'the session is over; nothing was taken');
  if (session.client !== client) return refuse('INVALID_ARGUMENT', 'the session belongs to another client');
  if (session.leaseCount >= queueLimits.leasesPerSessionMax) {
    return refuse('BUSY', `at most ${queueLimits.leasesPerSessionMax} leases in a session`);
  }
  const queue = parts.queues.find(operation.queue);
  return {
    type: 'taken',
    tasks: queue === undefined ? [] : takeFrom(parts, queue, session, operation, nowMs),
    atMs: nowMs,
  };
}

function takeFrom(
  parts: Parts,
  queue: Queue,
  session: Session,
  operation: Take,
  nowMs: number,
): readonly LeasedTask[] {
  const limit = Math.min(operation.limit, queueLimits.leasesPerSessionMax - session.leaseCount);
  const { urgentShare } = queue.policy;
  const given: LeasedTask[] = [];
  let bytes = 0;
  let lapsed = 0;
  while (given.length < limit) {
    const slot = queue.bands.next(urgentShare);
    if (slot === none) break;
    if (parts.outcomes.outlivesGrace(slot, nowMs + operation.callMs)) {
      if (lapsed >= queueLimits.sliceMax) break;
      lapsed += 1;
      parts.outcomes.suspect(slot, nowMs, nowMs);
      continue;
    }
    bytes += parts.tasks.payload(slot).length;
    if (given.length > 0 && bytes > queueLimits.takeBytesMax) break;
    queue.bands.given(slot, urgentShare);
    given.push(give(parts, queue, slot, session, operation, nowMs));
  }
  return given;
}

function give(
  parts: Parts,
  queue: Queue,
  slot: number,
  session: Session,
  operation: Take,
  nowMs: number,
): LeasedTask {
  const { tasks, states } = parts;
  const leaseEndsAtMs = nowMs + operation.ttrMs;
  parts.fence += 1;
  const fence = parts.ownership.fence(tasks.id(slot), parts.fence);
  tasks.fence[slot] = fence;
  tasks.attempts[slot]! += 1;
  tasks.takenAtMs[slot] = nowMs;
  tasks.callEndsAtMs[slot] = nowMs + operation.callMs;
  states.toTaken(slot, session, leaseEndsAtMs);
  return {
    id: tasks.id(slot),
    payload: tasks.payload(slot),
    expiresAtMs: tasks.expiresAtMs[slot]!,
    provider: queue.providers.name(tasks.provider[slot]!),
    weight: tasks.weight[slot]!,
    version: tasks.version[slot]!,
    generation: tasks.sequence[slot]!,
    attempt: tasks.attempts[slot]!,
    fence,
    leaseEndsAtMs,
  };
}
