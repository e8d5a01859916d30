import type {
  Claim,
  LeasedTask,
  Operation,
  Policy,
  Provider,
  QueueCommand,
  QueueResult,
  TaskState,
} from '../../src/queue/types.ts';

import type { MapName } from '../../src/sharding/types.ts';

/**
 * The queue told once more, slowly: arrays, linear scans, sorting at each take. It shares no code with `src/queue`, only the
 * types of commands and results. It does everything due at once, so runs must stay below one slice an entry.
 */
export interface OracleTask {
  queue: string;
  id: string;
  payload: Uint8Array;
  expiresAtMs: number;
  provider: string;
  weight: number;
  version: number;
  putNumber: number;
  state: TaskState;
  band: 'urgent' | 'expired' | 'ahead' | '-';
  wanted: boolean;
  attempts: number;
  unknowns: number;
  fence: number;
  holder: string | undefined;
  takenAtMs: number;
  callEndsAtMs: number;
  graceEndsAtMs: number | undefined;
  untilMs: number;
  reason: string | undefined;
}

interface OracleQueue {
  name: string;
  policy: Policy;
  providers: Map<string, { settings: Provider; backOffUntilMs: number }>;
  share: number;
}

interface OracleSession {
  id: string;
  client: string;
  gateway: string;
  attachment: number;
  heardAtMs: number;
}

interface OracleClient {
  id: string;
  registration: number;
  heardAtMs: number;
  settled: Map<number, number>;
  answers: {
    stream: number;
    seq: number;
    body: string;
    queue: string;
    key: string | undefined;
    result: QueueResult;
    isFinal: boolean;
  }[];
}

interface OracleBucket {
  /** The owner's name, this group's own included. */
  owner: string | undefined;
  isOurs: boolean;
  epoch: number;
  /** Requests of maps older than this may have run elsewhere. */
  servedFrom: number;
}

/** The partition of the oracle's world: as many buckets as one likes, by the number in the key. */
export function oracleBucket(key: string, bucketCount: number): number {
  return Number(key.slice(1)) % bucketCount;
}

export class QueueOracle {
  tasks: OracleTask[] = [];
  queues: OracleQueue[] = [];
  sessions: OracleSession[] = [];
  clients: OracleClient[] = [];
  lost: string[] = [];
  nowMs = 0;
  floorMs = 0;
  sessionTimeoutMs = 3_000;
  clientTimeoutMs = 3_600_000;
  puts = 0;
  fences = 0;
  attaches = 0;
  map: MapName | undefined;
  shard: string | undefined;
  buckets: OracleBucket[] = [];

  opened(stampMs: number): void {
    this.nowMs = stampMs;
    this.floorMs = stampMs + this.sessionTimeoutMs;
  }

  apply(stampMs: number, command: QueueCommand): QueueResult {
    this.nowMs = stampMs;
    this.everythingDue();
    switch (command.type) {
      case 'tick':
        return { type: 'ticked', more: false };
      case 'attach':
        return this.attach(command);
      case 'detach': {
        const session = this.sessions.find(
          (one) => one.id === command.session && one.attachment === command.attachment,
        );
        if (session === undefined) return no('CONDITION_FAILED');
        this.endSession(session);
        return { type: 'done' };
      }
      case 'renew':
        for (const { session, attachment } of command.sessions) {
          for (const one of this.sessions) {
            if (one.id !== session || one.attachment !== attachment || one.gateway !== command.gateway)
              continue;
            one.heardAtMs = this.nowMs;
            this.client(one.client)!.heardAtMs = this.nowMs;
          }
        }
        return { type: 'done' };
      case 'want': {
        const task = this.task(command.queue, command.id);
        if (task === undefined) return no('TASK_NOT_FOUND');
        task.wanted = true;
        return { type: 'done' };
      }
      case 'request':
        return this.request(command);
      case 'settle': {
        const client = this.client(command.client);
        if (client === undefined) return { type: 'done' };
        client.heardAtMs = this.nowMs;
        this.settle(client, command.stream, command.settledUpTo);
        return { type: 'done' };
      }
      case 'claim':
        return this.claim(command.claim);
      default:
        throw new Error('no such command');
    }
  }

  request({ request, operation }: Extract<QueueCommand, { type: 'request' }>): QueueResult {
    const client = this.client(request.client);
    if (client === undefined) return no('CLIENT_EXPIRED');
    client.heardAtMs = this.nowMs;
    const settled = this.settle(client, request.stream, request.settledUpTo);
    if (request.seq <= settled) return no('REQUEST_SETTLED');
    const body = operation.type === 'resolve' ? 'any' : bodyOf(operation);
    const known = client.answers.find((one) => one.stream === request.stream && one.seq === request.seq);
    if (known !== undefined && operation.type === 'resolve') known.isFinal = true;
    else if (known !== undefined && known.body !== 'any' && known.body !== body)
      return no('REQUEST_ID_REUSED');
    if (known?.isFinal === true)
      return known.result.type === 'taken' ? { ...known.result, atMs: this.nowMs } : known.result;
    client.answers = client.answers.filter((one) => one !== known);
    const key = 'id' in operation && operation.id !== '' ? operation.id : undefined;
    const elsewhere = key === undefined ? undefined : this.elsewhere(key, request.mapVersion);
    if (elsewhere !== undefined) return elsewhere;
    const overtakers = client.answers.filter(
      (one) =>
        one.stream === request.stream &&
        one.seq > request.seq &&
        one.queue === operation.queue &&
        one.key === key &&
        one.result.type === 'put',
    );
    const isLate = request.inOrder && operation.type === 'put' && overtakers.length > 0;
    const result = isLate ? no('OVERTAKEN') : this.operate(request.client, operation);
    const isFinal = !request.mayWait || !(result.type === 'taken' && result.tasks.length === 0);
    const { stream, seq } = request;
    client.answers.push({ stream, seq, body, queue: operation.queue, key, result, isFinal });
    return result;
  }

  settle(client: OracleClient, stream: number, upTo: number): number {
    const settled = Math.max(client.settled.get(stream) ?? 0, upTo);
    client.settled.set(stream, settled);
    client.answers = client.answers.filter((one) => one.stream !== stream || one.seq > settled);
    return settled;
  }

  elsewhere(key: string, mapVersion: number): QueueResult | undefined {
    const to = (
      why: 'wrongShard' | 'frozen',
      owner: string | undefined,
      version: number = this.map?.version ?? 0,
    ): QueueResult => ({ type: 'redirected', why, owner, version });
    if (this.map === undefined) return mapVersion > 0 ? to('frozen', undefined) : undefined;
    const bucket = this.buckets[oracleBucket(key, this.map.bucketCount)]!;
    if (bucket.isOurs && mapVersion >= bucket.servedFrom) return undefined;
    if (bucket.owner === undefined && mapVersion > this.map.version) return to('frozen', undefined);
    return to('wrongShard', bucket.owner, bucket.isOurs ? bucket.servedFrom : this.map.version);
  }

  claim(claim: Claim): QueueResult {
    const { map, ranges } = claim;
    const old = this.map;
    const named = Array.from({ length: map.bucketCount }, (_, bucket) =>
      ranges.find((range) => range.from <= bucket && bucket <= range.to),
    );
    const tasksIn = (bucket: number): number =>
      this.tasks.filter((task) => oracleBucket(task.id, map.bucketCount) === bucket).length;
    const isEmpty = this.tasks.length === 0 && this.keysRemembered().length === 0;
    if (old !== undefined) {
      if (map.version < old.version) return no('LOWER_VERSION');
      if (map.version === old.version && map.digest !== old.digest) return no('CONFLICTING_MAP');
      const isOther = map.bucketCount !== old.bucketCount || map.namespace !== old.namespace;
      if (isOther && (this.shard !== undefined || !isEmpty)) return no('CONFLICTING_MAP');
      if (isOther) this.buckets = [];
    }
    const buckets = named.map(
      (_, at) => this.buckets[at] ?? { owner: undefined, isOurs: false, epoch: 0, servedFrom: 0 },
    );
    if (claim.type === 'own') {
      if (this.shard !== undefined && this.shard !== claim.shard) return no('CONFLICTING_MAP');
      for (const { from, to, epoch } of claim.ranges)
        for (const bucket of buckets.slice(from, to + 1)) {
          if (bucket.epoch > epoch || (bucket.epoch === epoch && !bucket.isOurs))
            return no('CONDITION_FAILED');
        }
      if (buckets.some((bucket, at) => !bucket.isOurs && named[at] === undefined && tasksIn(at) > 0))
        return no('BUCKET_IN_USE');
      for (const { from, to, epoch } of claim.ranges)
        for (let at = from; at <= to; at += 1) {
          if (buckets[at]!.isOurs && buckets[at]!.epoch === epoch) continue;
          const servedFrom = epoch === 1 ? 0 : map.version;
          buckets[at] = { owner: claim.shard, isOurs: true, epoch, servedFrom };
        }
      this.shard = claim.shard;
    } else {
      if (claim.to === this.shard) return no('INVALID_ARGUMENT');
      const remembered = this.keysRemembered().map((key) => oracleBucket(key, map.bucketCount));
      if (named.some((range, at) => range !== undefined && (tasksIn(at) > 0 || remembered.includes(at))))
        return no('BUCKET_IN_USE');
      for (const [at, range] of named.entries())
        if (range !== undefined)
          buckets[at] = { ...buckets[at]!, owner: claim.to, isOurs: false, servedFrom: 0 };
    }
    this.buckets = buckets;
    this.map = map;
    if (claim.type === 'own') return { type: 'owned', version: map.version };
    const epochs = ranges.flatMap(({ from, to }) => runsOf(buckets, from, to, (bucket) => bucket.epoch));
    return {
      type: 'disowned',
      version: map.version,
      epochs: epochs.map(([range, epoch]) => ({ ...range, epoch })),
    };
  }

  earlierOwners(id: string): number {
    if (this.map === undefined) return 0;
    return Math.max(0, this.buckets[oracleBucket(id, this.map.bucketCount)]!.epoch - 1);
  }

  keysRemembered(): readonly string[] {
    return this.clients.flatMap((client) => client.answers.flatMap(({ key }) => key ?? []));
  }

  /** What the state machine's own view should say of each bucket. */
  ownership(): readonly unknown[] {
    return this.buckets.map(({ owner, isOurs, epoch }, at) => {
      const keys = [...this.tasks.map((task) => task.id), ...this.keysRemembered()];
      const isOccupied = keys.some((key) => oracleBucket(key, this.buckets.length) === at);
      return [owner, isOurs, owner === undefined ? 0 : epoch, isOccupied];
    });
  }

  operate(client: string, operation: Operation): QueueResult {
    if (operation.type === 'put') return this.put(operation);
    if (operation.type === 'take') return this.take(client, operation);
    if (operation.type === 'setProvider') {
      this.provider(this.queue(operation.queue), operation.provider).settings = operation.settings;
      return { type: 'done' };
    }
    if (operation.type === 'setPolicy') {
      const queue = this.queue(operation.queue);
      queue.policy = { ...operation.policy, version: queue.policy.version + 1 };
      this.sessionTimeoutMs = operation.policy.sessionTimeoutMs;
      this.clientTimeoutMs = operation.policy.clientTimeoutMs;
      return { type: 'done' };
    }
    if (operation.type === 'resolve') return no('NEVER_APPLIED');
    const task = this.task(operation.queue, operation.id);
    if (task === undefined) return no('TASK_NOT_FOUND');
    if (task.fence !== operation.fence) return no('STALE_LEASE');
    switch (operation.type) {
      case 'ack': {
        if (operation.expiresAtMs <= this.nowMs) return no('INVALID_ARGUMENT');
        this.newPayload(task, operation.payload, operation.expiresAtMs);
        const halfLife = this.nowMs + Math.floor((operation.expiresAtMs - this.nowMs) / 2);
        const lead = operation.expiresAtMs - this.queue(task.queue).policy.leadMs;
        this.rest(task, Math.max(halfLife, lead));
        return { type: 'done' };
      }
      case 'ackDone':
        this.tasks = this.tasks.filter((one) => one !== task);
        return { type: 'done' };
      case 'bury':
        task.fence = 0;
        this.moveTo(task, 'buried');
        task.reason = operation.reason;
        return { type: 'done' };
      case 'release':
        this.release(task, operation);
        return { type: 'done' };
      default:
        throw new Error('no such operation');
    }
  }

  put(put: Extract<Operation, { type: 'put' }>): QueueResult {
    const queue = this.queue(put.queue);
    const known = this.task(put.queue, put.id);
    if (put.ifAbsent && known !== undefined) return no('CONDITION_FAILED');
    if (put.ifVersion !== undefined && put.ifVersion !== (known?.version ?? 0)) return no('CONDITION_FAILED');
    this.provider(queue, put.provider);
    const task = known ?? this.blank(put.queue, put.id);
    if (task.state === 'taken') this.lost.push(`put ${task.holder} ${task.id} ${task.fence}`);
    this.puts += 1;
    task.putNumber = this.puts;
    task.provider = put.provider;
    task.weight = put.weight;
    this.newPayload(task, put.payload, put.expiresAtMs);
    this.rest(task, put.refreshAtMs ?? put.expiresAtMs - queue.policy.leadMs);
    return { type: 'put', version: task.version, created: known === undefined };
  }

  take(client: string, take: Extract<Operation, { type: 'take' }>): QueueResult {
    const session = this.sessions.find((one) => one.id === take.session);
    if (session === undefined) return no('STALE_LEASE');
    if (session.client !== client) return no('INVALID_ARGUMENT');
    const tasks: LeasedTask[] = [];
    if (!this.queues.some((one) => one.name === take.queue))
      return { type: 'taken', tasks, atMs: this.nowMs };
    const queue = this.queue(take.queue);
    while (tasks.length < take.limit) {
      const choice = this.choose(queue);
      if (choice === undefined) break;
      const { task } = choice;
      if (task.graceEndsAtMs !== undefined && this.nowMs + take.callMs > task.graceEndsAtMs) {
        this.becomeSuspect(task, this.nowMs);
        continue;
      }
      queue.share = choice.shareAfter;
      this.fences += 1;
      task.fence = this.fences + this.earlierOwners(task.id) * 2 ** 40;
      task.attempts += 1;
      task.takenAtMs = this.nowMs;
      task.callEndsAtMs = this.nowMs + take.callMs;
      this.moveTo(task, 'taken', this.nowMs + take.ttrMs);
      task.holder = session.id;
      tasks.push({
        id: task.id,
        payload: task.payload,
        expiresAtMs: task.expiresAtMs,
        provider: task.provider,
        weight: task.weight,
        version: task.version,
        generation: task.putNumber,
        attempt: task.attempts,
        fence: task.fence,
        leaseEndsAtMs: task.untilMs,
      });
    }
    return { type: 'taken', tasks, atMs: this.nowMs };
  }

  /** Design section 6, read aloud. */
  choose(queue: OracleQueue): { task: OracleTask; shareAfter: number } | undefined {
    const eligible = this.tasks.filter(
      (task) =>
        task.queue === queue.name &&
        task.state === 'ready' &&
        this.provider(queue, task.provider).backOffUntilMs <= this.nowMs,
    );
    const age = (one: OracleTask, other: OracleTask): number =>
      one.expiresAtMs - other.expiresAtMs || one.putNumber - other.putNumber;
    const need = (one: OracleTask, other: OracleTask): number =>
      Number(other.wanted) - Number(one.wanted) || other.weight - one.weight || age(one, other);
    const [urgent] = eligible.filter((task) => task.band === 'urgent').sort(age);
    const [expired] = eligible.filter((task) => task.band === 'expired').sort(need);
    const [ahead] = eligible.filter((task) => task.band === 'ahead').sort(age);
    const isExpiredsTurn = queue.share >= queue.policy.urgentShare;
    if (expired !== undefined && isExpiredsTurn) return { task: expired, shareAfter: 0 };
    if (urgent !== undefined)
      return { task: urgent, shareAfter: queue.share + (expired === undefined ? 0 : 1) };
    const task = expired ?? ahead;
    return task === undefined ? undefined : { task, shareAfter: queue.share };
  }

  release(task: OracleTask, release: Extract<Operation, { type: 'release' }>): void {
    const untilMs = this.nowMs + release.delayMs;
    const provider = this.provider(this.queue(task.queue), task.provider);
    if (release.scope === 'provider') provider.backOffUntilMs = Math.max(provider.backOffUntilMs, untilMs);
    const isDoubted = task.state === 'suspect' || task.state === 'buried';
    if (!release.callMade) {
      if (isDoubted) task.unknowns -= 1;
      task.fence = 0;
      this.rest(task, untilMs);
    } else if (!isDoubted) {
      if (provider.settings.kind === 'static') task.fence = 0;
      this.lostTrack(task, untilMs);
    }
  }

  attach(attach: Extract<QueueCommand, { type: 'attach' }>): QueueResult {
    if (attach.registration > 0 && this.client(attach.client)?.registration !== attach.registration)
      return no('CLIENT_EXPIRED');
    const session = this.sessions.find((one) => one.id === attach.session);
    if (session !== undefined && session.client !== attach.client) return no('INVALID_ARGUMENT');
    this.attaches += 1;
    if (this.client(attach.client) === undefined) {
      const nothing = { heardAtMs: 0, settled: new Map(), answers: [] };
      this.clients.push({ id: attach.client, registration: this.attaches, ...nothing });
    }
    const registeredAs = this.client(attach.client)!;
    registeredAs.heardAtMs = this.nowMs;
    this.sessions = this.sessions.filter((one) => one !== session);
    const { session: id, client, gateway } = attach;
    this.sessions.push({ id, client, gateway, attachment: this.attaches, heardAtMs: this.nowMs });
    return { type: 'attached', attachment: this.attaches, registration: registeredAs.registration };
  }

  /** Everything that log time alone brings about, until nothing more is due. */
  everythingDue(): void {
    const mayEnd = this.nowMs >= this.floorMs;
    if (mayEnd) {
      for (const session of this.sessions)
        if (this.nowMs >= session.heardAtMs + this.sessionTimeoutMs) this.endSession(session);
      for (const task of this.tasks) {
        if (task.state !== 'taken' || this.nowMs < task.untilMs) continue;
        this.lost.push(`ttr ${task.holder} ${task.id} ${task.fence}`);
        this.lostTrack(task, this.nowMs);
      }
      for (const task of this.tasks)
        if (task.state === 'suspect' && this.nowMs >= task.untilMs) this.endSuspicion(task);
      this.clients = this.clients.filter((one) => this.nowMs < one.heardAtMs + this.clientTimeoutMs);
    }
    for (const task of this.tasks) {
      if (task.state === 'delayed' && this.nowMs >= task.untilMs) this.rest(task, this.nowMs);
      if (task.state === 'ready' && order.indexOf(this.bandNow(task)) > order.indexOf(task.band))
        task.band = this.bandNow(task);
    }
  }

  endSession(session: OracleSession): void {
    for (const task of this.tasks) {
      if (task.state !== 'taken' || task.holder !== session.id) continue;
      this.lost.push(`session ${task.holder} ${task.id} ${task.fence}`);
      this.lostTrack(task, this.nowMs);
    }
    this.sessions = this.sessions.filter((one) => one !== session);
  }

  lostTrack(task: OracleTask, notBeforeMs: number): void {
    const { kind, graceMs } = this.settings(task);
    const graceEndsAtMs = task.graceEndsAtMs ?? task.takenAtMs + graceMs;
    if (kind === 'static') this.rest(task, notBeforeMs);
    else if (this.nowMs < graceEndsAtMs) {
      task.graceEndsAtMs = graceEndsAtMs;
      this.rest(task, notBeforeMs);
    } else this.becomeSuspect(task, notBeforeMs);
  }

  becomeSuspect(task: OracleTask, notBeforeMs: number): void {
    task.unknowns += 1;
    task.graceEndsAtMs = undefined;
    const { suspectMs } = this.settings(task);
    this.moveTo(task, 'suspect', Math.max(this.nowMs + suspectMs, task.callEndsAtMs, notBeforeMs));
  }

  endSuspicion(task: OracleTask): void {
    const { kind, onUnknown } = this.settings(task);
    if (kind === 'static' || (onUnknown === 'retry' && task.unknowns <= 1)) {
      this.rest(task, this.nowMs);
      return;
    }
    this.moveTo(task, 'buried');
    task.reason = onUnknown === 'bury' ? 'unknown' : 'unknown twice';
  }

  rest(task: OracleTask, untilMs: number): void {
    if (untilMs > this.nowMs) this.moveTo(task, 'delayed', untilMs);
    else {
      this.moveTo(task, 'ready');
      task.band = this.bandNow(task);
    }
  }

  moveTo(task: OracleTask, state: TaskState, untilMs = 0): void {
    task.state = state;
    task.untilMs = untilMs;
    task.band = '-';
    task.holder = undefined;
    task.reason = undefined;
  }

  newPayload(task: OracleTask, payload: Uint8Array, expiresAtMs: number): void {
    task.payload = payload;
    task.expiresAtMs = expiresAtMs;
    task.version += 1;
    task.wanted = false;
    task.attempts = 0;
    task.unknowns = 0;
    task.fence = 0;
    task.graceEndsAtMs = undefined;
  }

  bandNow(task: OracleTask): OracleTask['band'] {
    if (this.nowMs >= task.expiresAtMs) return 'expired';
    return this.nowMs >= task.expiresAtMs - this.queue(task.queue).policy.urgentMs ? 'urgent' : 'ahead';
  }

  blank(queue: string, id: string): OracleTask {
    const none = {
      payload: new Uint8Array(0),
      expiresAtMs: 0,
      provider: '',
      weight: 0,
      version: 0,
      putNumber: 0,
    };
    const counts = {
      attempts: 0,
      unknowns: 0,
      fence: 0,
      takenAtMs: 0,
      callEndsAtMs: 0,
      untilMs: 0,
      wanted: false,
    };
    const unset = { holder: undefined, graceEndsAtMs: undefined, reason: undefined };
    const task: OracleTask = { queue, id, ...none, ...counts, ...unset, state: 'delayed', band: '-' };
    this.tasks.push(task);
    return task;
  }

  task(queue: string, id: string): OracleTask | undefined {
    return this.tasks.find((one) => one.queue === queue && one.id === id);
  }

  client(id: string): OracleClient | undefined {
    return this.clients.find((one) => one.id === id);
  }

  settings(task: OracleTask): Provider {
    return this.provider(this.queue(task.queue), task.provider).settings;
  }

  queue(name: string): OracleQueue {
    const known = this.queues.find((one) => one.name === name);
    if (known !== undefined) return known;
    const numbers = {
      leadMs: 300_000,
      urgentMs: 60_000,
      urgentShare: 9,
      sessionTimeoutMs: 3_000,
      clientTimeoutMs: 3_600_000,
    };
    const queue: OracleQueue = {
      name,
      policy: { name: 'bands', version: 1, ...numbers },
      providers: new Map(),
      share: 0,
    };
    this.queues.push(queue);
    return queue;
  }

  provider(queue: OracleQueue, name: string): { settings: Provider; backOffUntilMs: number } {
    const known = queue.providers.get(name);
    if (known !== undefined) return known;
    const settings: Provider = { kind: 'rotating', graceMs: 0, suspectMs: 60_000, onUnknown: 'retry' };
    const provider = { settings, backOffUntilMs: 0 };
    queue.providers.set(name, provider);
    return provider;
  }
}

/** A band is left for a later one only, also when a policy moves its border. */
const order: readonly OracleTask['band'][] = ['-', 'ahead', 'urgent', 'expired'];

function no(code: Extract<QueueResult, { type: 'refused' }>['code']): QueueResult {
  return { type: 'refused', code, message: '' };
}

function bodyOf(operation: Operation): string {
  return JSON.stringify(operation, (_, value: unknown) => (value instanceof Uint8Array ? [...value] : value));
}

function runsOf<T, V>(
  items: readonly T[],
  from: number,
  to: number,
  factOf: (item: T) => V,
): readonly (readonly [{ readonly from: number; readonly to: number }, V])[] {
  const found: [{ from: number; to: number }, V][] = [];
  for (let at = from; at <= to; at += 1) {
    const value = factOf(items[at]!);
    const last = found.at(-1);
    if (last !== undefined && last[1] === value) last[0].to = at;
    else found.push([{ from: at, to: at }, value]);
  }
  return found;
}
