import type { ClientId, SessionId } from '../base/ids.ts';
import { applyClaim } from './claims.ts';
import { queueLimits } from './limits.ts';
import type { PartitionerOf } from './occupancy.ts';
import { keyOf, operate, want } from './operations.ts';
import { createParts, type Parts } from './parts.ts';
import { endSession, nextDueMs, passTime } from './passing-time.ts';
import { done, refuse } from './refusals.ts';
import { digestOf } from './state-digest.ts';
import { ahead, bandNames, expired, none, stateNames, urgent } from './task-table.ts';
import type {
  Operation,
  OwnershipView,
  QueueCommand,
  QueueEvents,
  QueueResult,
  QueueStats,
  Request,
  TaskView,
} from './types.ts';
import { invalidCommand, invalidOperation, isTaskId } from './validate.ts';

type Of<Type extends QueueCommand['type']> = Extract<QueueCommand, { readonly type: Type }>;

export interface QueueStateOptions {
  /** How keys find their buckets: the same on every node. */
  readonly partitioner: PartitionerOf;
}

/**
 * The refresh queue as a replicated state machine: the same commands with the same stamps give the same state and answers on
 * every node. Time is the stamp of the entry and nothing else. It never throws on what a command says.
 */
export class QueueState {
  readonly #parts: Parts = createParts();
  readonly #partitioner: PartitionerOf;
  #nowMs = 0;
  /** The entry being applied, and how many tasks passing time has moved in it. */
  #entryIndex = 0;
  #movedInEntry = 0;

  constructor(options: QueueStateOptions) {
    this.#partitioner = options.partitioner;
  }

  /**
   * Applies one command of the log.
   *
   * @param stampMs - log time of its entry; never below that of an earlier one.
   * @param entry - all commands of one entry share one slice of passing time.
   */
  apply(
    stampMs: number,
    command: QueueCommand,
    entry: { readonly index: number; readonly term: number },
  ): QueueResult {
    this.#enter(stampMs, entry.index);
    this.#passTime(command.type === 'tick' ? queueLimits.sliceMax : queueLimits.sliceBesideCommandsMax);
    const invalid = invalidCommand(command);
    if (invalid !== undefined) return invalid;
    switch (command.type) {
      case 'request':
        return this.#request(command.request, command.operation);
      case 'attach':
        return this.#attach(command);
      case 'detach':
        return this.#detach(command.session, command.attachment);
      case 'renew':
        return this.#renew(command);
      case 'want':
        return want(this.#parts, command.queue, command.id);
      case 'claim':
        return applyClaim(this.#parts, this.#partitioner, command.claim);
      case 'settle':
        return this.#settle(command);
      case 'tick':
        return { type: 'ticked', more: nextDueMs(this.#parts) <= this.#nowMs };
      default:
        return refuse('INVALID_ARGUMENT', 'no such command');
    }
  }

  /** A leader's first entry, its no-op: until `sessionTimeoutMs` after it nothing ends by time, for nobody could be heard. */
  opened(stampMs: number, index: number, _term: number): void {
    this.#enter(stampMs, index);
    this.#parts.floorMs = Math.max(this.#parts.floorMs, this.#nowMs + this.#parts.timeouts.sessionTimeoutMs);
  }

  /** @returns what changed since the last call. Take it after every entry, on every node, or it grows. */
  takeEvents(): QueueEvents {
    return this.#parts.events.take();
  }

  /** @returns where a read of this task belongs, by a map of this version; undefined if it is served here. */
  judge(id: string, mapVersion: number): Extract<QueueResult, { readonly type: 'redirected' }> | undefined {
    return isTaskId(id) ? this.#parts.ownership.judge(id, mapVersion) : undefined;
  }

  /** @returns the bucket of a key; undefined while no claim has said how keys find theirs. */
  bucketOf(id: string): number | undefined {
    const { occupancy } = this.#parts;
    return occupancy.isCounting ? occupancy.bucketOf(id) : undefined;
  }

  /** What the group owns by its log. */
  ownership(): OwnershipView {
    return this.#parts.ownership.view();
  }

  get(queueName: string, id: string): TaskView | undefined {
    const { tasks, queues } = this.#parts;
    const queue = queues.find(queueName);
    const slot = queue === undefined ? none : tasks.find(queue.slot, id);
    if (queue === undefined || slot === none) return undefined;
    return {
      id,
      payload: tasks.payload(slot),
      expiresAtMs: tasks.expiresAtMs[slot]!,
      provider: queue.providers.name(tasks.provider[slot]!),
      version: tasks.version[slot]!,
      state: stateNames[tasks.state[slot]!]!,
      buriedReason: tasks.reason(slot),
    };
  }

  stats(queueName: string): QueueStats {
    const { queues, sessions, clients } = this.#parts;
    const queue = queues.find(queueName);
    const [ready = 0, delayed = 0, taken = 0, suspect = 0, buried = 0] = queue?.counts ?? [];
    return {
      states: { ready, delayed, taken, suspect, buried },
      bands: {
        urgent: queue?.bands.count(urgent) ?? 0,
        expired: queue?.bands.count(expired) ?? 0,
        ahead: queue?.bands.count(ahead) ?? 0,
      },
      oldestExpiredMs: this.#oldestExpiredMs(queueName),
      sessions: sessions.size,
      clients: clients.size,
    };
  }

  /** @returns the log time at which a tick has something to do; infinity if nothing waits for time. */
  nextDueMs(): number {
    return nextDueMs(this.#parts);
  }

  /** @returns a hash of the whole replicated state; it visits every task. */
  digest(): string {
    return digestOf(this.#parts, this.#nowMs);
  }

  #enter(stampMs: number, index: number): void {
    this.#nowMs = Math.max(this.#nowMs, stampMs);
    if (index === this.#entryIndex) return;
    this.#entryIndex = index;
    this.#movedInEntry = 0;
  }

  #passTime(budget: number): void {
    this.#movedInEntry += passTime(this.#parts, this.#nowMs, budget - this.#movedInEntry);
  }

  #request(request: Request, operation: Operation): QueueResult {
    const { clients } = this.#parts;
    clients.heard(request.client, this.#nowMs);
    const admission = clients.admit(request, operation);
    if ('answer' in admission) return answeredAt(admission.answer, this.#nowMs);
    const invalid = invalidOperation(operation);
    const key = invalid === undefined ? keyOf(operation) : undefined;
    const elsewhere = key === undefined ? undefined : this.#parts.ownership.judge(key, request.mapVersion);
    if (elsewhere !== undefined) return elsewhere;
    const result =
      invalid ??
      (admission.isOvertaken ? overtaken : operate(this.#parts, request.client, operation, this.#nowMs));
    admission.remember(result, key);
    return result;
  }

  #settle({ client, stream, settledUpTo }: Of<'settle'>): QueueResult {
    this.#parts.clients.heard(client, this.#nowMs);
    this.#parts.clients.settle(client, stream, settledUpTo);
    return done;
  }

  #attach({ client, session, gateway, workerId, registration: before }: Of<'attach'>): QueueResult {
    const parts = this.#parts;
    if (before > 0 && parts.clients.registration(client) !== before)
      return refuse('CLIENT_EXPIRED', 'the cluster has forgotten this client');
    const known = parts.sessions.find(session);
    if (known !== undefined && known.client !== client) {
      return refuse('INVALID_ARGUMENT', 'the session belongs to another client');
    }
    const isNew = !parts.clients.has(client);
    if (isNew && parts.clients.size >= queueLimits.clientsMax) return refuse('BUSY', 'too many clients');
    if (known === undefined && parts.sessions.size >= queueLimits.sessionsMax)
      return refuse('BUSY', 'too many sessions');
    parts.registrations += 1;
    if (isNew) parts.clients.add(client, parts.registrations, this.#nowMs);
    parts.clients.heard(client, this.#nowMs);
    parts.sessions.attach(session, client, gateway, workerId, parts.registrations, this.#nowMs);
    const registration = parts.clients.registration(client);
    return { type: 'attached', attachment: parts.registrations, registration };
  }

  #detach(session: SessionId, attachment: number): QueueResult {
    const known = this.#parts.sessions.find(session);
    if (known?.attachment !== attachment)
      return refuse('CONDITION_FAILED', 'the attachment is not the current one');
    endSession(this.#parts, known.slot, this.#nowMs);
    return done;
  }

  #renew({ gateway, sessions }: Of<'renew'>): QueueResult {
    const heard = new Set<ClientId>();
    for (const { session, attachment } of sessions) {
      const known = this.#parts.sessions.find(session);
      if (known === undefined || known.attachment !== attachment || known.gateway !== gateway) continue;
      this.#parts.sessions.renew(known, this.#nowMs);
      heard.add(known.client);
    }
    for (const client of heard) this.#parts.clients.heard(client, this.#nowMs);
    return done;
  }

  #oldestExpiredMs(queueName: string): number {
    const { tasks, queues } = this.#parts;
    const queue = queues.find(queueName);
    if (queue === undefined) return 0;
    const soonest = bandNames.map((_, band) => queue.bands.soonest(band)).filter((slot) => slot !== none);
    return Math.max(0, ...soonest.map((slot) => this.#nowMs - tasks.expiresAtMs[slot]!));
  }
}

const overtaken = refuse('OVERTAKEN', 'a later put of this client on the task was carried out before it');

/** A remembered answer is the same each time, but for the time at which it is given. */
function answeredAt(result: QueueResult, nowMs: number): QueueResult {
  return result.type === 'taken' ? { ...result, atMs: nowMs } : result;
}
