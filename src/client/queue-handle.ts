import { ProtocolError } from '../base/errors.ts';
import { queueLimits } from '../queue/limits.ts';
import type { QueueResult, QueueStats } from '../queue/types.ts';
import { encodeGet, encodeQueueName } from '../wire/client-frame.ts';
import { decodeRecord, decodeStats } from '../wire/queue-result.ts';
import {
  checkDuration,
  checkFlag,
  checkInt,
  checkName,
  checkObject,
  checkOneOf,
  checkTaskId,
  checkTime,
  completePolicy,
  completeProvider,
  encodePayload,
} from './arguments.ts';
import { type LeaseDeps, TakenLease } from './lease.ts';
import type {
  CallOptions,
  GetOptions,
  Lease,
  NewTask,
  PolicySettings,
  ProviderSettings,
  PutOptions,
  PutResult,
  Queue,
  TakeOptions,
  TaskRecord,
  WorkHandler,
  WorkOptions,
} from './types.ts';

type Taken = Extract<QueueResult, { readonly type: 'taken' }>;

/** Time to run of a lease that names none. */
const ttrDefaultMs = 60_000;

/** What a handle gets from its client beside what leases need. */
export interface HandleDeps<T> extends LeaseDeps<T> {
  readonly work: (handler: WorkHandler<T>, options: WorkOptions) => Promise<void>;
}

/** One queue in the hands of a caller. */
export class QueueHandle<T> implements Queue<T> {
  readonly name: string;
  readonly #deps: HandleDeps<T>;

  constructor(deps: HandleDeps<T>) {
    this.name = deps.queue;
    this.#deps = deps;
  }

  async put(task: NewTask<T>, options: PutOptions = {}): Promise<PutResult> {
    const { refreshAt, provider = 'default', weight = 0 } = checkObject(task, 'the task');
    const { ifAbsent = false, ifVersion } = options;
    const result = await this.#deps.calls.request(
      {
        type: 'put',
        queue: this.name,
        id: checkTaskId(task.id),
        payload: encodePayload(this.#deps.codec, task.payload),
        expiresAtMs: checkTime(task.expiresAt, 'expiresAt'),
        provider: checkName(provider, 'provider'),
        weight: checkInt(weight, 'weight', 0, queueLimits.weightMax),
        refreshAtMs: refreshAt === undefined ? undefined : checkTime(refreshAt, 'refreshAt'),
        ifAbsent: checkFlag(ifAbsent, 'ifAbsent'),
        ifVersion: ifVersion === undefined ? undefined : checkInt(ifVersion, 'ifVersion', 0),
      },
      options,
    );
    if (result.type !== 'put') throw unexpected('put', result);
    return { version: result.version, created: result.created };
  }

  async take(options: TakeOptions = {}): Promise<Lease<T>[]> {
    const { limit = 1, waitMs = 0, ttrMs = ttrDefaultMs } = options;
    const { callMs = ttrMs } = options;
    const terms = {
      limit: checkInt(limit, 'limit', 1, queueLimits.takeLimitMax),
      ttrMs: checkInt(ttrMs, 'ttrMs', 1, queueLimits.durationMsMax),
      callMs: checkDuration(callMs, 'callMs'),
    };
    const { clock } = this.#deps.calls;
    const waitUntilMs = clock.monotonicMs() + checkDuration(waitMs, 'waitMs');
    while (true) {
      const taken = await this.#takeOnce(terms, waitUntilMs, options);
      // A wait may end early, with its node or to make room: then it goes on under another id.
      if (taken.tasks.length > 0 || clock.monotonicMs() >= waitUntilMs || waitMs === 0)
        return this.#leases(taken);
    }
  }

  async get(id: string, options: GetOptions = {}): Promise<TaskRecord<T> | undefined> {
    const { read = 'leader', maxAgeMs } = options;
    checkOneOf(read, 'read', ['leader', 'any']);
    const age = maxAgeMs === undefined ? undefined : checkDuration(maxAgeMs, 'maxAgeMs');
    const body = encodeGet({ queue: this.name, id: checkTaskId(id), any: read === 'any', maxAgeMs: age });
    const { task, ageMs } = decodeRecord(await this.#deps.calls.read('get', body, options));
    if (task === undefined) return undefined;
    const { expiresAtMs, payload, ...rest } = task;
    return { ...rest, payload: this.#deps.codec.decode(payload), expiresAt: expiresAtMs, ageMs };
  }

  async work(handler: WorkHandler<T>, options: WorkOptions): Promise<void> {
    await this.#deps.work(handler, options);
  }

  async stats(options: CallOptions = {}): Promise<QueueStats> {
    return decodeStats(await this.#deps.calls.read('stats', encodeQueueName(this.name), options));
  }

  async setProvider(provider: string, settings: ProviderSettings, options: CallOptions = {}): Promise<void> {
    const operation = { provider: checkName(provider, 'provider'), settings: completeProvider(settings) };
    await this.#deps.calls.request({ type: 'setProvider', queue: this.name, ...operation }, options);
  }

  async setPolicy(settings: PolicySettings, options: CallOptions = {}): Promise<void> {
    const policy = completePolicy(settings);
    await this.#deps.calls.request({ type: 'setPolicy', queue: this.name, policy }, options);
  }

  async #takeOnce(
    terms: { readonly limit: number; readonly ttrMs: number; readonly callMs: number },
    waitUntilMs: number,
    options: CallOptions,
  ): Promise<Taken> {
    const queue = this.name;
    const result = await this.#deps.calls.take((session) => ({ type: 'take', queue, session, ...terms }), {
      ...options,
      queue,
      waitUntilMs,
    });
    if (result.type !== 'taken') throw unexpected('take', result);
    return result;
  }

  #leases({ tasks, atMs }: Taken): Lease<T>[] {
    const nowMs = this.#deps.calls.clock.monotonicMs();
    return tasks.map((task) => {
      const endsAtMs = nowMs + task.leaseEndsAtMs - atMs;
      const signal = this.#deps.leases.given(this.name, task.id, task.fence, endsAtMs);
      return new TakenLease(this.#deps, task, signal);
    });
  }
}

function unexpected(what: string, result: QueueResult): ProtocolError {
  return new ProtocolError(`a ${what} was answered with ${result.type}`);
}
