import { assertNever } from '../base/assert.ts';
import type { ClientId } from '../base/ids.ts';
import { queueLimits } from './limits.ts';
import type { Parts } from './parts.ts';
import type { Queue } from './queues.ts';
import { done, type Refusal, refuse } from './refusals.ts';
import { take } from './take.ts';
import { buried, none, ready, suspect, taken } from './task-table.ts';
import type { Operation, QueueResult } from './types.ts';

type Of<Type extends Operation['type']> = Extract<Operation, { readonly type: Type }>;

/** Carries out a valid operation at log time `nowMs`. What cannot be carried out is refused and changes nothing. */
export function operate(parts: Parts, client: ClientId, operation: Operation, nowMs: number): QueueResult {
  switch (operation.type) {
    case 'put':
      return put(parts, operation, nowMs);
    case 'take':
      return take(parts, client, operation, nowMs);
    case 'ack':
      return ack(parts, operation, nowMs);
    case 'ackDone':
      return onLease(parts, operation, (slot) => {
        parts.states.remove(slot);
        parts.occupancy.taskRemoved(operation.id);
      });
    case 'release':
      return onLease(parts, operation, (slot) => release(parts, slot, operation, nowMs));
    case 'bury':
      return onLease(parts, operation, (slot) => {
        parts.tasks.fence[slot] = 0;
        parts.states.toBuried(slot, operation.reason);
      });
    case 'setProvider':
      return setProvider(parts, operation);
    case 'setPolicy':
      return setPolicy(parts, operation);
    case 'resolve':
      return refuse('NEVER_APPLIED', 'the request was not applied and never will be');
    default:
      return assertNever(operation);
  }
}

/** The key whose bucket decides where the operation is carried out; undefined for one that asks a whole shard. */
export function keyOf(operation: Operation): string | undefined {
  return 'id' in operation && operation.id !== '' ? operation.id : undefined;
}

/** A reader found the task expired: among the expired ones it comes first now. */
export function want(parts: Parts, queueName: string, id: string): QueueResult {
  const queue = parts.queues.find(queueName);
  const slot = queue === undefined ? none : parts.tasks.find(queue.slot, id);
  if (queue === undefined || slot === none) return refuse('TASK_NOT_FOUND', 'no such task');
  parts.tasks.wanted[slot] = 1;
  if (parts.tasks.state[slot] === ready) queue.bands.reorder(slot);
  return done;
}

function put(parts: Parts, operation: Of<'put'>, nowMs: number): QueueResult {
  const { tasks, states } = parts;
  const queue = parts.queues.findOrAdd(operation.queue);
  if (queue === undefined) return refuse('BUSY', `at most ${queueLimits.queuesMax} queues`);
  const found = tasks.find(queue.slot, operation.id);
  const refused = unmetCondition(parts, found, operation);
  if (refused !== undefined) return refused;
  const provider = queue.providers.slotOf(operation.provider);
  if (provider === none) return refuse('BUSY', `at most ${queueLimits.providersPerQueueMax} providers`);
  if (found === none && tasks.size >= queueLimits.tasksMax)
    return refuse('BUSY', `at most ${queueLimits.tasksMax} tasks`);

  const slot = found === none ? tasks.add(queue.slot, operation.id) : found;
  if (found === none) parts.occupancy.taskAdded(operation.id);
  if (tasks.state[slot] === taken) parts.outcomes.tellHolder(slot, 'put');
  states.leave(slot);
  parts.sequence += 1;
  tasks.sequence[slot] = parts.sequence;
  tasks.provider[slot] = provider;
  tasks.weight[slot] = operation.weight;
  store(parts, slot, operation.payload, operation.expiresAtMs);
  states.toDelayed(slot, operation.refreshAtMs ?? operation.expiresAtMs - queue.policy.leadMs, nowMs);
  return { type: 'put', version: tasks.version[slot]!, created: found === none };
}

function unmetCondition(parts: Parts, slot: number, { ifAbsent, ifVersion }: Of<'put'>): Refusal | undefined {
  if (ifAbsent && slot !== none) return refuse('CONDITION_FAILED', 'the task exists');
  const version = slot === none ? 0 : parts.tasks.version[slot];
  if (ifVersion === undefined || ifVersion === version) return undefined;
  return refuse(
    'CONDITION_FAILED',
    slot === none ? 'the task does not exist' : `the task has version ${version}`,
  );
}

function ack(parts: Parts, operation: Of<'ack'>, nowMs: number): QueueResult {
  if (operation.expiresAtMs <= nowMs) {
    return (
      leaseRefusal(parts, operation) ??
      refuse('INVALID_ARGUMENT', 'expiresAtMs is not after the log time of the ack')
    );
  }
  return onLease(parts, operation, (slot, queue) => {
    parts.states.leave(slot);
    store(parts, slot, operation.payload, operation.expiresAtMs);
    parts.states.toDelayed(slot, nextRefreshMs(operation.expiresAtMs, queue.policy.leadMs, nowMs), nowMs);
  });
}

/** A life shorter than two leads is refreshed at its half: else a token that lives less than the lead would never rest. */
function nextRefreshMs(expiresAtMs: number, leadMs: number, nowMs: number): number {
  return Math.max(expiresAtMs - leadMs, nowMs + Math.floor((expiresAtMs - nowMs) / 2));
}

/** The payload is new: what was known of calls with the old one is over, its lease too. */
function store(parts: Parts, slot: number, payload: Uint8Array, expiresAtMs: number): void {
  const { tasks } = parts;
  tasks.setPayload(slot, payload);
  tasks.expiresAtMs[slot] = expiresAtMs;
  tasks.version[slot]! += 1;
  for (const column of [tasks.wanted, tasks.attempts, tasks.unknowns, tasks.fence, tasks.graceEndsAtMs])
    column[slot] = 0;
}

/** The call was not made, or its outcome is unknown to the holder too. */
function release(parts: Parts, slot: number, operation: Of<'release'>, nowMs: number): void {
  const { tasks, states, queues, outcomes } = parts;
  const queue = queues.of(slot);
  const provider = tasks.provider[slot]!;
  const untilMs = nowMs + operation.delayMs;
  if (operation.scope === 'provider' && operation.delayMs > 0) backOff(queue, provider, untilMs);
  const state = tasks.state[slot]!;
  const isUnknownAlready = state === suspect || state === buried;
  if (operation.callMade) {
    if (isUnknownAlready) return;
    if (queue.providers.settings(provider).kind === 'static') tasks.fence[slot] = 0;
    outcomes.unknown(slot, nowMs, untilMs);
    return;
  }
  if (isUnknownAlready) tasks.unknowns[slot]! -= 1;
  tasks.fence[slot] = 0;
  states.toDelayed(slot, untilMs, nowMs);
}

function backOff(queue: Queue, provider: number, untilMs: number): void {
  queue.providers.backOff(provider, untilMs);
  queue.bands.setBlocked(provider, queue.providers.isBackingOff(provider));
}

function setProvider(parts: Parts, operation: Of<'setProvider'>): QueueResult {
  const queue = parts.queues.findOrAdd(operation.queue);
  const provider = queue?.providers.slotOf(operation.provider) ?? none;
  if (queue === undefined || provider === none) return refuse('BUSY', 'too many queues or providers');
  queue.providers.configure(provider, operation.settings);
  return done;
}

function setPolicy(parts: Parts, operation: Of<'setPolicy'>): QueueResult {
  const queue = parts.queues.findOrAdd(operation.queue);
  if (queue === undefined) return refuse('BUSY', `at most ${queueLimits.queuesMax} queues`);
  const { name, leadMs, urgentMs, urgentShare, sessionTimeoutMs, clientTimeoutMs } = operation.policy;
  const version = queue.policy.version + 1;
  queue.policy = { name, version, leadMs, urgentMs, urgentShare, sessionTimeoutMs, clientTimeoutMs };
  parts.timeouts = { sessionTimeoutMs, clientTimeoutMs };
  return done;
}

type Lease = { readonly queue: string; readonly id: string; readonly fence: number };

/** Judged by (task, fence) alone: neither session nor client matter. */
function onLease(parts: Parts, lease: Lease, act: (slot: number, queue: Queue) => void): QueueResult {
  const refused = leaseRefusal(parts, lease);
  if (refused !== undefined) return refused;
  const queue = parts.queues.find(lease.queue)!;
  act(parts.tasks.find(queue.slot, lease.id), queue);
  return done;
}

function leaseRefusal(parts: Parts, { queue, id, fence }: Lease): Refusal | undefined {
  const slot = parts.tasks.find(parts.queues.find(queue)?.slot ?? none, id);
  if (slot === none) return refuse('TASK_NOT_FOUND', 'no such task');
  return parts.tasks.fence[slot] === fence
    ? undefined
    : refuse('STALE_LEASE', `fence ${fence} is not the current one`);
}
