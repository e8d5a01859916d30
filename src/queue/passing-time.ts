import type { Parts } from './parts.ts';
import type { Queue } from './queues.ts';
import { ahead, expired, none, urgent } from './task-table.ts';

const never = Number.POSITIVE_INFINITY;

/**
 * Lets log time pass: does what is due at `nowMs`, at most `budget` tasks of it, the most pressing kind first. Endings (sessions,
 * leases, suspicions, clients) wait for the floor; delays and bands do not, for nobody is harmed by those.
 *
 * @returns the tasks moved; the last step may exceed the budget by one session's leases, which end together.
 */
export function passTime(parts: Parts, nowMs: number, budget: number): number {
  for (const queue of parts.queues.list) endBackOffs(parts, queue, nowMs);
  let moved = 0;
  while (moved < budget) {
    const step = endNext(parts, nowMs) || wakeNext(parts, nowMs) || advanceNext(parts, nowMs);
    if (step === 0) break;
    moved += step;
  }
  return moved;
}

/** @returns the log time at which the next thing is due; infinity if nothing is. */
export function nextDueMs(parts: Parts): number {
  const ending = Math.min(
    sessionEndMs(parts),
    clientEndMs(parts),
    dueMs(parts, parts.leases.soonest()),
    suspicionEndMs(parts),
  );
  let due = ending === never ? never : Math.max(ending, parts.floorMs);
  due = Math.min(due, dueMs(parts, parts.states.delays.top()));
  for (const queue of parts.queues.list) {
    due = Math.min(
      due,
      queue.providers.nextDueMs(),
      advanceMs(parts, queue, urgent),
      advanceMs(parts, queue, ahead),
    );
  }
  return due;
}

/** Ends the session for whatever reason: all its leases end in this entry. */
export function endSession(parts: Parts, sessionSlot: number, nowMs: number): number {
  const session = parts.sessions.at(sessionSlot);
  const count = parts.outcomes.endLeasesOf(session, nowMs);
  parts.sessions.delete(session);
  parts.events.sessionEnded(session);
  return count;
}

function endBackOffs(parts: Parts, queue: Queue, nowMs: number): void {
  for (;;) {
    const provider = queue.providers.endBackOff(nowMs);
    if (provider === none) return;
    queue.bands.setBlocked(provider, false);
    if (queue.bands.hasReady(provider)) parts.events.ready(queue.name);
  }
}

function endNext(parts: Parts, nowMs: number): number {
  if (nowMs < parts.floorMs) return 0;
  if (sessionEndMs(parts) <= nowMs) return 1 + endSession(parts, parts.sessions.mostSilent()!.slot, nowMs);
  const leased = parts.leases.soonest();
  if (dueMs(parts, leased) <= nowMs) {
    parts.outcomes.tellHolder(leased, 'ttr');
    parts.outcomes.unknown(leased, nowMs, nowMs);
    return 1;
  }
  if (suspicionEndMs(parts) <= nowMs) {
    parts.outcomes.endSuspicion(parts.states.suspects.top(), nowMs);
    return 1;
  }
  if (clientEndMs(parts) > nowMs) return 0;
  parts.clients.delete(parts.clients.mostSilent()!.id);
  return 1;
}

function wakeNext(parts: Parts, nowMs: number): number {
  const slot = parts.states.delays.top();
  if (dueMs(parts, slot) > nowMs) return 0;
  parts.states.toReady(slot, nowMs);
  return 1;
}

function advanceNext(parts: Parts, nowMs: number): number {
  for (const queue of parts.queues.list) {
    if (advanceMs(parts, queue, urgent) <= nowMs) return advance(parts, queue.bands.soonest(urgent), nowMs);
    if (advanceMs(parts, queue, ahead) <= nowMs) return advance(parts, queue.bands.soonest(ahead), nowMs);
  }
  return 0;
}

function advance(parts: Parts, slot: number, nowMs: number): number {
  parts.states.toBand(slot, parts.tasks.expiresAtMs[slot]! <= nowMs ? expired : urgent);
  return 1;
}

/** When the first task of a band leaves it for the next. */
function advanceMs(parts: Parts, queue: Queue, band: number): number {
  const slot = queue.bands.soonest(band);
  if (slot === none) return never;
  const expiresAtMs = parts.tasks.expiresAtMs[slot]!;
  return band === urgent ? expiresAtMs : expiresAtMs - queue.policy.urgentMs;
}

function sessionEndMs(parts: Parts): number {
  const session = parts.sessions.mostSilent();
  return session === undefined ? never : session.renewedAtMs + parts.timeouts.sessionTimeoutMs;
}

function clientEndMs(parts: Parts): number {
  const client = parts.clients.mostSilent();
  return client === undefined ? never : client.heardAtMs + parts.timeouts.clientTimeoutMs;
}

function suspicionEndMs(parts: Parts): number {
  return dueMs(parts, parts.states.suspects.top());
}

function dueMs(parts: Parts, slot: number): number {
  return slot === none ? never : parts.tasks.dueMs[slot]!;
}
