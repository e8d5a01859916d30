import { describe, expect, it } from 'vitest';
import { clientId, nodeId, sessionId } from '../../src/base/ids.ts';
import { IndexedHeap } from '../../src/queue/indexed-heap.ts';
import type { Bucketing } from '../../src/queue/occupancy.ts';
import { QueueState } from '../../src/queue/queue-state.ts';
import type {
  Claim,
  Operation,
  OwnershipView,
  QueueCommand,
  QueueResult,
  TaskView,
} from '../../src/queue/types.ts';
import type { MapName, Partition } from '../../src/sharding/types.ts';
import { type OracleTask, oracleBucket, QueueOracle } from './queue-oracle.ts';
import { Seeded } from './queue-seeded.ts';

const seeds = Number(process.env.QUEUE_SEEDS ?? 150);
const steps = 250;
const queues = ['tokens', 'books'];
const bandNames = ['urgent', 'expired', 'ahead'] as const;
const states = ['ready', 'delayed', 'taken', 'suspect', 'buried'] as const;

describe('the queue against a slow oracle', () => {
  it(`gives the same answers and states over ${seeds} random histories`, () => {
    const seen = new Map<string, number>();
    for (let seed = 1; seed <= seeds; seed += 1) run(seed, seen);
    // A history that never met these shows nothing.
    const met = [
      ...states.map((state) => `state ${state}`),
      'lost put',
      'lost ttr',
      'lost session',
      'repeat',
      'floor',
    ];
    const refusals = [
      'STALE_LEASE',
      'TASK_NOT_FOUND',
      'CONDITION_FAILED',
      'REQUEST_SETTLED',
      'REQUEST_ID_REUSED',
      'CLIENT_EXPIRED',
      'BUCKET_IN_USE',
      'CONFLICTING_MAP',
      'LOWER_VERSION',
      'NEVER_APPLIED',
      'OVERTAKEN',
    ];
    const moves = [
      'owned',
      'disowned',
      'frozen',
      'wrongShard us',
      'wrongShard b',
      'wrongShard undefined',
      'epoch',
    ];
    for (const what of moves) expect(seen.get(what) ?? 0, `never met: ${what}`).toBeGreaterThan(0);
    for (const what of [...met, ...refusals, 'band urgent', 'band expired', 'band ahead', 'several']) {
      expect(seen.get(what) ?? 0, `never met: ${what}`).toBeGreaterThan(0);
    }
  });

  it('the same commands twice give the same digest after every entry, and other commands another', () => {
    for (let seed = 1; seed <= 10; seed += 1) {
      const once = digests(seed);
      expect(digests(seed)).toEqual(once);
      expect(new Set(once).size).toBeGreaterThan(steps / 2);
      expect(digests(seed + 100).at(-1)).not.toBe(once.at(-1));
    }
  });
});

describe('the indexed heap', () => {
  it('always has the least slot on top, whatever is added, changed and removed', () => {
    for (let seed = 1; seed <= 60; seed += 1) {
      const random = new Seeded(seed);
      const keys: number[] = [];
      const positions: number[] = [];
      const heap = new IndexedHeap(positions, (left, right) =>
        keys[left] !== keys[right] ? keys[left]! < keys[right]! : left < right,
      );
      const inside = new Set<number>();
      for (let step = 0; step < 400; step += 1) {
        const slot = random.below(60);
        const isIn = inside.has(slot);
        if (isIn && random.chance(50)) {
          heap.remove(slot);
          inside.delete(slot);
        } else {
          keys[slot] = random.below(25);
          if (isIn) heap.update(slot);
          else heap.add(slot);
          inside.add(slot);
        }
        const [least = -1] = [...inside].sort((left, right) => keys[left]! - keys[right]! || left - right);
        expect(heap.top()).toBe(least);
        expect(heap.size).toBe(inside.size);
        expect(positions[slot] !== -1).toBe(inside.has(slot));
      }
    }
  });
});

/** Random commands; what they name often exists, since the generator remembers what was answered. */
class Generator {
  readonly random: Seeded;
  /** Half of the histories are those of a group that is told of shards. */
  readonly isSharded: boolean;
  version = 1;
  nowMs = 1_000_000_000;
  readonly leases: { queue: string; id: string; fence: number }[] = [];
  readonly attachments: { session: string; attachment: number }[] = [];
  readonly sent: Extract<QueueCommand, { type: 'request' }>[] = [];
  /** One that is on its way for long: those behind it settle up to it. */
  behind: Extract<QueueCommand, { type: 'request' }> | undefined;
  readonly seqs = new Map<string, number>();

  constructor(seed: number) {
    this.random = new Seeded(seed);
    this.isSharded = seed % 2 === 0;
  }

  next(): QueueCommand | 'opened' {
    const { random } = this;
    this.nowMs += random.chance(60)
      ? random.below(300)
      : random.chance(90)
        ? random.below(4_000)
        : random.below(200_000);
    const roll = random.below(100);
    if (roll < 2) return 'opened';
    if (roll < 5) return { type: 'tick' };
    if (roll < 13) return this.attach();
    if (roll < 16 && this.attachments.length > 0) return { type: 'detach', ...this.attachment() };
    if (roll < 28)
      return { type: 'renew', gateway: nodeId('a'), sessions: this.attachments.slice(-4).map(typed) };
    if (roll < 32) return { type: 'want', queue: random.pick(queues), id: this.id() };
    if (roll < 38 && this.sent.length > 0) return this.repeat();
    if (roll < 40) return this.settle();
    if (roll < 47 && this.isSharded) return { type: 'claim', claim: this.claim() };
    return this.request();
  }

  /** Learns names from an answer. */
  learn(command: QueueCommand, result: QueueResult): void {
    if (command.type === 'attach' && result.type === 'attached') {
      this.attachments.push({ session: command.session, attachment: result.attachment });
    }
    if (command.type !== 'request' || result.type !== 'taken') return;
    for (const { id, fence } of result.tasks) this.leases.push({ queue: command.operation.queue, id, fence });
  }

  attach(): QueueCommand {
    const number = this.random.below(4);
    const client = this.random.chance(95) ? number % 2 : (number + 1) % 2;
    const gateway = nodeId(this.random.chance(90) ? 'a' : 'b');
    return {
      type: 'attach',
      client: clientId(`c${client}`),
      session: sessionId(`s${number}`),
      gateway,
      workerId: 'w',
      registration: this.random.chance(80) ? 0 : this.random.below(40),
    };
  }

  attachment(): ReturnType<typeof typed> {
    return typed(this.random.chance(60) ? this.attachments.at(-1)! : this.random.pick(this.attachments));
  }

  /** An old request once more: as it was, with another body, or with another settled mark. */
  repeat(): QueueCommand {
    if (this.behind !== undefined && this.random.chance(50)) {
      const late = this.behind;
      this.behind = undefined;
      return late;
    }
    const old = this.random.chance(70)
      ? this.sent.at(-1 - this.random.below(Math.min(6, this.sent.length)))!
      : this.random.pick(this.sent);
    if (this.random.chance(80)) return old;
    if (this.random.chance(50)) return { ...old, operation: this.operation() };
    const { operation } = old;
    const id = 'id' in operation ? operation.id : '';
    return { ...old, operation: { type: 'resolve', queue: operation.queue, id } };
  }

  settle(): QueueCommand {
    const stream = this.random.below(2);
    const client = clientId(`c${this.random.below(2)}`);
    const settledUpTo = Math.max(0, (this.seqs.get(`${client} ${stream}`) ?? 0) - this.random.below(4));
    return { type: 'settle', client, stream, settledUpTo };
  }

  /** Mostly of the newest map; some ranges, each bucket under an epoch that may be too low. */
  claim(): Claim {
    const { random } = this;
    if (random.chance(30)) this.version += 1;
    const map: MapName = {
      namespace: random.chance(97) ? 'tokens' : 'other',
      version: random.chance(90) ? this.version : random.below(this.version) + 1,
      digest: random.chance(95) ? 7 : 8,
      partitioner: 'buckets',
      bucketCount: random.chance(97) ? buckets : buckets + 1,
    };
    const ranges: { from: number; to: number }[] = [];
    for (let from = random.below(3); from < buckets; from += 1 + random.below(4)) {
      const to = Math.min(buckets - 1, from + random.below(random.chance(30) ? buckets : 2));
      ranges.push({ from, to });
      from = to;
    }
    if (random.chance(45))
      return { type: 'disown', map, to: random.chance(95) ? random.pick(['b', 'c']) : 'us', ranges };
    const epoch = random.below(1 + Math.ceil(this.version / 3)) + 1;
    const shard = random.chance(95) ? 'us' : 'b';
    const all = random.chance(50) ? [{ from: 0, to: buckets - 1 }] : ranges;
    return { type: 'own', map, shard, ranges: all.map((range) => ({ ...range, epoch })) };
  }

  mapVersion(): number {
    if (!this.isSharded) return 0;
    return this.random.chance(80) ? this.version : this.random.below(this.version + 2);
  }

  request(): QueueCommand {
    const client = clientId(this.random.chance(97) ? `c${this.random.below(2)}` : 'stranger');
    const stream = this.random.below(2);
    const key = `${client} ${stream}`;
    const seq = (this.seqs.get(key) ?? 0) + 1 + (this.random.chance(5) ? 1 : 0);
    this.seqs.set(key, seq);
    const { behind } = this;
    const isSettled = behind?.request.client !== client || behind.request.stream !== stream;
    const most = isSettled ? seq - 1 : Math.min(seq - 1, behind.request.seq - 1);
    const settledUpTo = Math.max(0, most - this.random.below(6));
    const command = {
      type: 'request',
      request: {
        client,
        stream,
        seq,
        settledUpTo,
        mayWait: this.random.chance(50),
        mapVersion: this.mapVersion(),
        inOrder: this.random.chance(95),
      },
      operation: this.operation(),
    } as const;
    this.sent.push(command);
    if (!this.random.chance(10)) return command;
    this.behind = command;
    return this.request();
  }

  operation(): Operation {
    const { random } = this;
    const queue = random.chance(85) ? 'tokens' : 'books';
    const roll = random.below(100);
    if (roll < 35) return this.put(queue);
    if (roll < 60) {
      const session = sessionId(`s${random.below(4)}`);
      return {
        type: 'take',
        queue,
        limit: 1 + random.below(4),
        session,
        ttrMs: 1 + random.below(20_000),
        callMs: random.below(15_000),
      };
    }
    if (roll < 64) return this.setProvider(queue);
    if (roll < 66) return this.setPolicy(queue);
    return this.answer(roll);
  }

  put(queue: string): Operation {
    const { random } = this;
    const refreshAtMs = random.chance(30) ? this.nowMs + random.below(10_000) - 2_000 : undefined;
    return {
      type: 'put',
      queue,
      id: this.id(),
      payload: Uint8Array.of(random.below(256), random.below(256)),
      expiresAtMs: this.nowMs + random.below(400_000) - 40_000,
      provider: random.pick(['acme', 'beta', 'gamma']),
      weight: random.chance(30) ? random.below(3) : 0,
      refreshAtMs,
      ifAbsent: random.chance(10),
      ifVersion: random.chance(10) ? random.below(4) : undefined,
    };
  }

  answer(roll: number): Operation {
    const { random } = this;
    const old = random.chance(75) ? this.leases.at(-1 - random.below(5)) : undefined;
    const lease =
      old ??
      (this.leases.length > 0 ? random.pick(this.leases) : { queue: 'tokens', id: this.id(), fence: 1 });
    if (roll < 80) {
      const expiresAtMs = this.nowMs + random.below(500_000) - 20_000;
      return { type: 'ack', ...lease, payload: Uint8Array.of(random.below(256)), expiresAtMs };
    }
    if (roll < 83) return { type: 'ackDone', ...lease };
    if (roll < 86) return { type: 'bury', ...lease, reason: 'invalid_grant' };
    const delayMs = random.chance(50) ? 0 : random.below(5_000);
    const scope = random.chance(80) ? 'task' : 'provider';
    return { type: 'release', ...lease, delayMs, scope, callMade: random.chance(40) };
  }

  setProvider(queue: string): Operation {
    const { random } = this;
    const kind = random.pick(['static', 'rotating'] as const);
    const onUnknown = random.chance(75) ? 'retry' : 'bury';
    const graceMs = random.chance(60) ? 0 : random.below(20_000);
    const settings = { kind, onUnknown, graceMs, suspectMs: random.below(8_000) } as const;
    return { type: 'setProvider', queue, provider: random.pick(['acme', 'beta', 'gamma']), settings };
  }

  setPolicy(queue: string): Operation {
    const { random } = this;
    const times = {
      leadMs: random.below(300_000),
      urgentMs: random.below(90_000),
      urgentShare: 1 + random.below(9),
    };
    const timeouts = {
      sessionTimeoutMs: 2_000 + random.below(3_000),
      clientTimeoutMs: 5_000 + random.below(60_000),
    };
    return { type: 'setPolicy', queue, policy: { name: 'bands', ...times, ...timeouts } };
  }

  id(): string {
    return `t${this.random.below(14)}`;
  }
}

function run(seed: number, seen: Map<string, number>): void {
  const generator = new Generator(seed);
  const oracle = new QueueOracle();
  const state = new QueueState({ partitioner });
  const laws = new Laws();
  const count = (what: string): void => void seen.set(what, (seen.get(what) ?? 0) + 1);
  for (let index = 1; index <= steps; index += 1) {
    const command = generator.next();
    const where = (): string => `seed ${seed}, entry ${index}, ${JSON.stringify(command)}`;
    if (command === 'opened') {
      state.opened(generator.nowMs, index, index);
      oracle.opened(generator.nowMs);
      count('floor');
    } else {
      if (generator.sent.slice(0, -1).includes(command as never)) count('repeat');
      const result = state.apply(generator.nowMs, command, { index, term: 1 });
      same(comparable(result), comparable(oracle.apply(generator.nowMs, command)), where);
      generator.learn(command, result);
      laws.check(command, result, where);
      if (result.type === 'refused') count(result.code);
      if (result.type === 'owned' || result.type === 'disowned') count(result.type);
      if (command.type === 'claim' && result.type === 'refused' && result.code === 'CONDITION_FAILED')
        count('epoch');
      if (result.type === 'redirected')
        count(result.why === 'frozen' ? 'frozen' : `wrongShard ${result.owner}`);
      if (result.type === 'taken' && result.tasks.length > 1) count('several');
      compare(state, oracle, where);
    }
    for (const task of oracle.tasks)
      count(task.state === 'ready' ? `band ${task.band}` : `state ${task.state}`);
    count('state ready');
    const lost = state
      .takeEvents()
      .leasesLost.map(({ why, session, id, fence }) => `${why} ${session} ${id} ${fence}`);
    same(lost.sort(), oracle.lost.sort(), where);
    for (const one of lost) count(`lost ${one.split(' ')[0]}`);
    oracle.lost = [];
  }
}

const buckets = 8;
const partitioner = ({ bucketCount }: Partition): Bucketing => ({
  bucketOf: (key) => oracleBucket(key, bucketCount),
});

/** What the view says of each bucket, in the oracle's words. */
function bucketFacts(view: OwnershipView): readonly unknown[] {
  const among = <Range extends { from: number; to: number }>(ranges: readonly Range[], at: number) =>
    ranges.find(({ from, to }) => from <= at && at <= to);
  return Array.from({ length: view.map?.bucketCount ?? 0 }, (_, at) => {
    const owned = among(view.owned, at);
    const ceded = among(view.ceded, at);
    const owner = owned === undefined ? ceded?.owner : view.shard;
    const epoch = (owned ?? ceded)?.epoch ?? 0;
    return [owner, owned !== undefined, epoch, among(view.occupied, at) !== undefined];
  });
}

/** Every task is where the oracle has it, and in exactly one state (Q1). */
function compare(state: QueueState, oracle: QueueOracle, where: () => string): void {
  same(bucketFacts(state.ownership()), oracle.ownership(), where);
  for (const name of queues) {
    const tasks = oracle.tasks.filter((task) => task.queue === name);
    const { states: byState, bands, sessions, clients, oldestExpiredMs } = state.stats(name);
    const count = (field: 'state' | 'band', value: string): number =>
      tasks.filter((task) => task[field] === value).length;
    const waiting = tasks
      .filter((task) => task.state === 'ready')
      .map((task) => oracle.nowMs - task.expiresAtMs);
    same(
      [
        states.map((one) => byState[one]),
        bandNames.map((one) => bands[one]),
        sessions,
        clients,
        oldestExpiredMs,
      ],
      [
        states.map((one) => count('state', one)),
        bandNames.map((one) => count('band', one)),
        oracle.sessions.length,
        oracle.clients.length,
        Math.max(0, ...waiting),
      ],
      where,
    );
    for (let at = 0; at < 14; at += 1) {
      same(viewFacts(state.get(name, `t${at}`)), taskFacts(oracle.task(name, `t${at}`)), where);
    }
  }
}

function viewFacts(view: TaskView | undefined): unknown {
  if (view === undefined) return undefined;
  const { state, version, expiresAtMs, provider, payload, buriedReason } = view;
  return [state, version, expiresAtMs, provider, payload, buriedReason !== undefined];
}

function taskFacts(task: OracleTask | undefined): unknown {
  if (task === undefined) return undefined;
  const { state, version, expiresAtMs, provider, payload, reason } = task;
  return [state, version, expiresAtMs, provider, payload, reason !== undefined];
}

/** As `toEqual`, but cheap where the two are equal. */
function same(found: unknown, expected: unknown, where: () => string): void {
  if (JSON.stringify(found) !== JSON.stringify(expected)) expect(found, where()).toEqual(expected);
}

/** Invariants judged from the answers alone. */
class Laws {
  readonly #fences = new Set<number>();
  readonly #highest = new Map<string, number>();
  readonly #acked = new Set<number>();
  readonly #put = new Map<string, Set<string>>();
  readonly #answers = new Map<string, string>();
  readonly #lastPut = new Map<string, number>();

  check(command: QueueCommand, result: QueueResult, where: () => string): void {
    if (command.type === 'attach' && result.type === 'attached' && result.registration === result.attachment)
      this.#forget(command.client);
    if (command.type !== 'request') return;
    const { request, operation } = command;
    if (result.type === 'redirected' || operation.type === 'resolve') return;
    const isFirst = this.#sameAnswer(request, operation, result, where);
    if (
      (operation.type === 'put' && result.type === 'put') ||
      (operation.type === 'ack' && result.type === 'done')
    ) {
      const key = `${operation.queue} ${operation.id}`;
      this.#put.set(key, (this.#put.get(key) ?? new Set()).add(operation.payload.join()));
    }
    if (!isFirst) return;
    if (operation.type === 'put' && result.type === 'put' && request.inOrder) {
      const chain = `${request.client} ${request.stream} ${operation.queue} ${operation.id}`;
      law(request.seq > (this.#lastPut.get(chain) ?? 0), 'P1: puts of a stream on a task in order', where);
      this.#lastPut.set(chain, request.seq);
    }
    if (result.type === 'taken') {
      for (const task of result.tasks) {
        const name = `${operation.queue} ${task.id}`;
        law(task.fence > (this.#highest.get(name) ?? 0), 'I12: fences of a task only grow', where);
        this.#highest.set(name, task.fence);
        law(!this.#fences.has(task.fence), 'I16: one holder per fence', where);
        this.#fences.add(task.fence);
        const known = this.#put.get(`${operation.queue} ${task.id}`);
        law(known?.has(task.payload.join()) === true, 'Q2: what is given was put', where);
      }
    }
    if ((operation.type === 'ack' || operation.type === 'ackDone') && result.type === 'done') {
      law(!this.#acked.has(operation.fence), 'Q3: one ack per fence', where);
      this.#acked.add(operation.fence);
    }
  }

  /** A client that was forgotten and comes back under its old id executes anew. */
  #forget(client: string): void {
    for (const map of [this.#answers, this.#lastPut])
      for (const key of map.keys()) if (key.startsWith(`${client} `)) map.delete(key);
  }

  /** Q6: one id, one answer (but for a take that found nothing and may wait), until it is settled or its client forgotten. */
  #sameAnswer(
    request: { client: string; stream: number; seq: number; mayWait: boolean },
    operation: Operation,
    result: QueueResult,
    where: () => string,
  ): boolean {
    if (
      result.type === 'refused' &&
      ['REQUEST_SETTLED', 'CLIENT_EXPIRED', 'REQUEST_ID_REUSED'].includes(result.code)
    )
      return false;
    const key = `${request.client} ${request.stream} ${request.seq} ${JSON.stringify(operation)}`;
    const answer = JSON.stringify(result.type === 'taken' ? result.tasks : result);
    if (result.type === 'taken' && result.tasks.length === 0 && request.mayWait && !this.#answers.has(key))
      return true;
    const known = this.#answers.get(key);
    this.#answers.set(key, answer);
    law(known === undefined || known === answer, 'Q6: one id, one answer', where);
    return known === undefined;
  }
}

function law(holds: boolean, name: string, where: () => string): void {
  if (!holds) expect.fail(`${name}, ${where()}`);
}

function digests(seed: number): readonly string[] {
  const generator = new Generator(seed);
  const state = new QueueState({ partitioner });
  const found: string[] = [];
  for (let index = 1; index <= steps; index += 1) {
    const command = generator.next();
    if (command === 'opened') state.opened(generator.nowMs, index, 1);
    else generator.learn(command, state.apply(generator.nowMs, command, { index, term: 1 }));
    found.push(state.digest());
  }
  return found;
}

/** Wording is no part of an answer. */
function comparable(result: QueueResult): unknown {
  return result.type === 'refused' ? { type: 'refused', code: result.code } : result;
}

function typed(one: { session: string; attachment: number }): {
  session: ReturnType<typeof sessionId>;
  attachment: number;
} {
  return { session: sessionId(one.session), attachment: one.attachment };
}
