import { ProtocolError } from '../base/errors.ts';
import { queueLimits } from '../queue/limits.ts';
import type { QueueResult, QueueStats } from '../queue/types.ts';
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
import { type ShardRef, wholeCluster } from './routes.ts';
import { type Given, ShardTake, takeFrom } from './shard-take.ts';
import { sumStats } from './sum-stats.ts';
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
  /** Each take begins at another shard. */
  #turn = 0;

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
    const shards = await this.#shards(options);
    if (shards.length !== 1) {
      this.#turn++;
      const inTurn = shards.map((_, place) => shards[(place + this.#turn) % shards.length]!);
      const take = new ShardTake(this.#deps.calls, this.name, terms, options);
      return this.#leases(await take.run(inTurn, waitUntilMs));
    }
    const shard = shards[0]?.number ?? wholeCluster;
    while (true) {
      const { tasks, atMs } = await takeFrom(this.#deps.calls, this.name, shard, terms, {
        ...options,
        waitUntilMs,
      });
      // A wait may end early, with its node or to make room: then it goes on under another id.
      if (tasks.length > 0 || clock.monotonicMs() >= waitUntilMs || waitMs === 0)
        return this.#leases(tasks.map((task) => ({ task, atMs })));
    }
  }

  async get(id: string, options: GetOptions = {}): Promise<TaskRecord<T> | undefined> {
    const { read = 'leader', maxAgeMs } = options;
    checkOneOf(read, 'read', ['leader', 'any']);
    const age = maxAgeMs === undefined ? undefined : checkDuration(maxAgeMs, 'maxAgeMs');
    const body = { queue: this.name, id: checkTaskId(id), any: read === 'any', maxAgeMs: age };
    const { task, ageMs } = decodeRecord(await this.#deps.calls.get(id, body, options));
    if (task === undefined) return undefined;
    const { expiresAtMs, payload, ...rest } = task;
    return { ...rest, payload: this.#deps.codec.decode(payload), expiresAt: expiresAtMs, ageMs };
  }

  async work(handler: WorkHandler<T>, options: WorkOptions): Promise<void> {
    await this.#deps.work(handler, options);
  }

  async stats(options: CallOptions = {}): Promise<QueueStats> {
    return sumStats(await this.#onAll(options, (shard) => this.#statsOf(shard, options)));
  }

  async setProvider(provider: string, settings: ProviderSettings, options: CallOptions = {}): Promise<void> {
    const { name: queue } = this;
    const change = { provider: checkName(provider, 'provider'), settings: completeProvider(settings) };
    const operation = { type: 'setProvider', queue, ...change } as const;
    await this.#onAll(options, (shard) => this.#deps.calls.requestAt(shard, operation, options));
  }

  async setPolicy(settings: PolicySettings, options: CallOptions = {}): Promise<void> {
    const operation = { type: 'setPolicy', queue: this.name, policy: completePolicy(settings) } as const;
    await this.#onAll(options, (shard) => this.#deps.calls.requestAt(shard, operation, options));
  }

  async #statsOf(shard: number, options: CallOptions): Promise<QueueStats> {
    return decodeStats(await this.#deps.calls.stats(shard, this.name, options));
  }

  async #shards(options: CallOptions): Promise<readonly ShardRef[]> {
    const { calls } = this.#deps;
    return (calls.routesNow(this.name) ?? (await calls.routes(this.name, options))).shards;
  }

  /** Carries a call out on every shard of the queue; all have ended when this rejects. */
  async #onAll<R>(options: CallOptions, call: (shard: number) => Promise<R>): Promise<readonly R[]> {
    const shards = await this.#shards(options);
    const ends = await Promise.allSettled(shards.map(({ number }) => call(number)));
    return ends.map((end) => {
      if (end.status === 'rejected') throw end.reason;
      return end.value;
    });
  }

  #leases(given: readonly Given[]): Lease<T>[] {
    const nowMs = this.#deps.calls.clock.monotonicMs();
    return given.map(({ task, atMs }) => {
      const endsAtMs = nowMs + task.leaseEndsAtMs - atMs;
      const signal = this.#deps.leases.given(this.name, task.id, task.fence, endsAtMs);
      return new TakenLease(this.#deps, task, signal);
    });
  }
}

function unexpected(what: string, result: QueueResult): ProtocolError {
  return new ProtocolError(`a ${what} was answered with ${result.type}`);
}
