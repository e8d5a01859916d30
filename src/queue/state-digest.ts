import type { Parts } from './parts.ts';
import { hashOf, SetHash, StateHash } from './state-hash.ts';
import { none } from './task-table.ts';

/**
 * Hashes everything that later commands can see. Tasks, sessions and answers are sets, so neither slots nor the order in which
 * they were filled count: two nodes that reached one state by different ways agree.
 */
export function digestOf(parts: Parts, nowMs: number): string {
  const members = new SetHash();
  for (const slot of parts.tasks.slots()) members.add(new StateHash().value(taskFacts(parts, slot)));
  for (const session of parts.sessions.all()) {
    const { id, client, gateway, workerId, attachment, renewedAtMs } = session;
    members.add(new StateHash().value(['session', id, client, gateway, workerId, attachment, renewedAtMs]));
  }
  for (const facts of parts.clients.facts()) members.add(new StateHash().value(facts));
  const queues = parts.queues.list.map(({ name, policy, bands, providers }) => [
    name,
    policy,
    bands.share,
    providers.facts(),
  ]);
  const { sequence, fence, registrations, timeouts, floorMs } = parts;
  const counters = [sequence, fence, registrations, timeouts, floorMs, nowMs];
  return hashOf([members.hex(), queues, parts.ownership.facts(), ...counters]);
}

function taskFacts({ tasks, sessions }: Parts, slot: number): readonly unknown[] {
  const session = tasks.session[slot]!;
  return [
    ['task', tasks.queue[slot], tasks.id(slot), tasks.payload(slot), tasks.reason(slot)],
    [tasks.expiresAtMs[slot], tasks.weight[slot], tasks.version[slot], tasks.sequence[slot]],
    [tasks.provider[slot], tasks.state[slot], tasks.band[slot], tasks.wanted[slot], tasks.dueMs[slot]],
    [tasks.attempts[slot], tasks.unknowns[slot], tasks.fence[slot], tasks.graceEndsAtMs[slot]],
    [tasks.takenAtMs[slot], tasks.callEndsAtMs[slot], session === none ? undefined : sessions.at(session).id],
  ];
}
