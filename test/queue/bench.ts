import { type ClientId, clientId, nodeId, type SessionId, sessionId } from '../../src/base/ids.ts';
import { defaultPolicy, defaultProvider } from '../../src/queue/limits.ts';
import { QueueState } from '../../src/queue/queue-state.ts';
import type {
  Claim,
  LeasedTask,
  Operation,
  Policy,
  Provider,
  QueueCommand,
  QueueResult,
  Request,
} from '../../src/queue/types.ts';
import { createPartitioner } from '../../src/sharding/partitioner.ts';
import type { BucketRange, MapName } from '../../src/sharding/types.ts';

type Of<Type extends Operation['type']> = Extract<Operation, { readonly type: Type }>;

export const minute = 60_000;
export const start = 1_000_000_000;
export const queue = 'tokens';

/** A queue alone on a bench: one client and one session attached, entries with rising indices, time as the test sets it. */
export class Bench {
  readonly state: QueueState = new QueueState({ partitioner: createPartitioner });
  readonly client: ClientId = clientId('c1');
  readonly session: SessionId = sessionId('s1');
  attachment: number;
  nowMs: number = start;
  #index = 1;
  #seq = 0;

  constructor() {
    this.attachment = this.attach().attachment;
  }

  command(command: QueueCommand): QueueResult {
    this.#index += 1;
    return this.state.apply(this.nowMs, command, { index: this.#index, term: 1 });
  }

  /** Several commands in one entry. */
  entry(commands: readonly QueueCommand[]): readonly QueueResult[] {
    this.#index += 1;
    return commands.map((command) => this.state.apply(this.nowMs, command, { index: this.#index, term: 1 }));
  }

  opened(): void {
    this.#index += 1;
    this.state.opened(this.nowMs, this.#index, 2);
  }

  /** The next request of the first client, which settles all before it. */
  request(operation: Operation): QueueResult {
    this.#seq += 1;
    return this.requestAs({ seq: this.#seq, settledUpTo: this.#seq - 1 }, operation);
  }

  requestAs(request: Partial<Request>, operation: Operation): QueueResult {
    const complete = {
      client: this.client,
      stream: 0,
      seq: 1,
      settledUpTo: 0,
      mayWait: false,
      inOrder: true,
      mapVersion: 0,
      ...request,
    };
    return this.command({ type: 'request', request: complete, operation });
  }

  claim(claim: Claim): QueueResult {
    return this.command({ type: 'claim', claim });
  }

  /** Everything that was asked in stream 0 is settled, and its answers forgotten. */
  settle(): QueueResult {
    return this.command({ type: 'settle', client: this.client, stream: 0, settledUpTo: this.#seq });
  }

  attach(session = 's1', client = 'c1', workerId = 'worker'): { attachment: number; registration: number } {
    const ids = { client: clientId(client), session: sessionId(session), gateway: nodeId('a') };
    const result = this.command({ type: 'attach', ...ids, workerId, registration: 0 });
    if (result.type !== 'attached') throw new Error(JSON.stringify(result));
    return result;
  }

  detach(session = 's1', attachment: number = this.attachment): QueueResult {
    return this.command({ type: 'detach', session: sessionId(session), attachment });
  }

  renew(session = 's1', attachment: number = this.attachment): QueueResult {
    return this.command({
      type: 'renew',
      gateway: nodeId('a'),
      sessions: [{ session: sessionId(session), attachment }],
    });
  }

  tick(): boolean {
    const result = this.command({ type: 'tick' });
    return result.type === 'ticked' && result.more;
  }

  /** Lets time pass and everything due happen. */
  pass(ms: number): void {
    this.nowMs += ms;
    while (this.tick());
  }

  /** Lets time pass with the session renewed, so that it lives. */
  passAlive(ms: number): void {
    const endMs = this.nowMs + ms;
    while (this.nowMs < endMs) {
      this.nowMs = Math.min(endMs, this.nowMs + 2_000);
      this.renew();
      while (this.tick());
    }
  }

  put(id: string, fields: Partial<Of<'put'>> = {}): QueueResult {
    return this.request({ ...putOf(id, this.nowMs), ...fields });
  }

  take(limit = 1, fields: Partial<Of<'take'>> = {}): readonly LeasedTask[] {
    const result = this.request({ ...takeOf(this.session, limit), ...fields });
    if (result.type !== 'taken') throw new Error(JSON.stringify(result));
    return result.tasks;
  }

  /** Takes one task that must be there. */
  takeOne(fields: Partial<Of<'take'>> = {}): LeasedTask {
    const [task] = this.take(1, fields);
    if (task === undefined) throw new Error('nothing was ready');
    return task;
  }

  ack(task: LeasedTask, expiresAtMs: number = this.nowMs + 60 * minute): QueueResult {
    return this.request({
      type: 'ack',
      queue,
      id: task.id,
      fence: task.fence,
      payload: bytes('fresh'),
      expiresAtMs,
    });
  }

  ackDone(task: LeasedTask): QueueResult {
    return this.request({ type: 'ackDone', queue, id: task.id, fence: task.fence });
  }

  release(task: LeasedTask, fields: Partial<Of<'release'>> = {}): QueueResult {
    const defaults = { delayMs: 0, scope: 'task', callMade: false } as const;
    return this.request({ type: 'release', queue, id: task.id, fence: task.fence, ...defaults, ...fields });
  }

  bury(task: LeasedTask, reason = 'invalid_grant'): QueueResult {
    return this.request({ type: 'bury', queue, id: task.id, fence: task.fence, reason });
  }

  setProvider(provider: string, settings: Partial<Provider>): QueueResult {
    return this.request({
      type: 'setProvider',
      queue,
      provider,
      settings: { ...defaultProvider, ...settings },
    });
  }

  setPolicy(policy: Partial<Omit<Policy, 'version'>>): QueueResult {
    const { version: _, ...defaults } = defaultPolicy;
    return this.request({ type: 'setPolicy', queue, policy: { ...defaults, ...policy } });
  }

  stateOf(id: string): string | undefined {
    return this.state.get(queue, id)?.state;
  }

  ids(tasks: readonly LeasedTask[]): readonly string[] {
    return tasks.map((task) => task.id);
  }
}

/** 16 buckets; versions and digests as told. */
export function mapOf(version: number, fields: Partial<MapName> = {}): MapName {
  const partition = { partitioner: 'buckets', bucketCount: 16 } as const;
  return { namespace: 'tokens', version, digest: 100 + version, ...partition, ...fields };
}

/** The bucket that `mapOf` gives an id. */
export function bucketOf(id: string): number {
  return createPartitioner(mapOf(1)).bucketOf(id);
}

/** The group's own claim as the shard `a`, every bucket under one epoch unless told otherwise. */
export function ownOf(
  version: number,
  ranges: readonly BucketRange[] = [{ from: 0, to: 15 }],
  epoch = 1,
): Extract<Claim, { type: 'own' }> {
  return {
    type: 'own',
    map: mapOf(version),
    shard: 'a',
    ranges: ranges.map((range) => ({ ...range, epoch })),
  };
}

export function disownOf(
  version: number,
  to: string,
  ...buckets: readonly number[]
): Extract<Claim, { type: 'disown' }> {
  const ranges = buckets.map((bucket) => ({ from: bucket, to: bucket }));
  return { type: 'disown', map: mapOf(version), to, ranges };
}

/** A task that is urgent at once. */
export function putOf(id: string, nowMs: number): Of<'put'> {
  const unconditional = { refreshAtMs: undefined, ifAbsent: false, ifVersion: undefined };
  const task = { payload: bytes(`token of ${id}`), expiresAtMs: nowMs + 30_000, provider: 'acme', weight: 0 };
  return { type: 'put', queue, id, ...task, ...unconditional };
}

export function takeOf(session: SessionId, limit: number): Of<'take'> {
  return { type: 'take', queue, limit, session, ttrMs: 15_000, callMs: 10_000 };
}

export function bytes(text: string): Uint8Array {
  return new TextEncoder().encode(text);
}
