import type { Judge } from './judge.ts';
import { observedBucket } from './observed-bucket.ts';
import {
  isLate,
  neverAppliedCode,
  type ObservedClaim,
  type ObservedRequest,
  type ObservedResult,
  type ObservedSettle,
} from './observed-command.ts';
import type { ObservedGroup } from './ownership-checker.ts';

interface Effect {
  readonly shard: string;
  readonly key: string;
  readonly text: string;
}

interface Row {
  readonly key: string;
  readonly seq: number;
}

/**
 * P1 from the logs of all groups together: a request id takes effect at most once anywhere, what one was told to have stored is stored
 * once under one id, an id that was resolved as never applied stays so, and a bucket is given up only when nothing of it is left.
 */
export class EffectChecker {
  readonly #judge: Judge;
  /** Request id -> where it took effect. */
  readonly #effects = new Map<string, Effect>();
  /** What an operation did, by the name that its caller knows it by -> request id. */
  readonly #deeds = new Map<string, string>();
  /** Request ids that a group has promised never to apply. */
  readonly #barred = new Map<string, string>();
  /** Shard -> stream -> remembered answers of requests with a key. */
  readonly #rows = new Map<string, Map<string, Row[]>>();
  /** Shard -> queue/key of the tasks it holds. */
  readonly #tasks = new Map<string, Set<string>>();
  readonly #onDeed: (deed: string, id: string) => void;

  /** @param onDeed - told of each effect as it happens, by the name that `deedOf` gives it. */
  constructor(judge: Judge, onDeed: (deed: string, id: string) => void) {
    this.#judge = judge;
    this.#onDeed = onDeed;
  }

  /** The request that did it; undefined while nobody has. */
  doneBy(deed: string): string | undefined {
    return this.#deeds.get(deed);
  }

  /** The request took effect before, or this group remembers that it refused it: what comes now is a copy, or a question about it. */
  isKnown({ shard }: ObservedGroup, { id, streamId, seq }: ObservedRequest): boolean {
    const rows = this.#rows.get(shard)?.get(streamId) ?? [];
    return this.#effects.has(id) || rows.some((row) => row.seq === seq);
  }

  requested(group: ObservedGroup, request: ObservedRequest, result: ObservedResult): void {
    this.#settle(group.shard, request.streamId, request.settledUpTo);
    if (result.kind === 'redirected' || isLate(result)) return;
    if (request.operation.kind === 'resolve') {
      this.#resolved(group, request, result);
      return;
    }
    const known = this.#effects.get(request.id);
    if (known !== undefined) this.#repeated(group, request, result, known);
    else if (result.kind !== 'refused') this.#happened(group, request, result);
    if (request.operation.key !== '') this.#remember(group.shard, request);
  }

  settled({ shard }: ObservedGroup, { streamId, settledUpTo }: ObservedSettle): void {
    this.#settle(shard, streamId, settledUpTo);
  }

  /** A group gave buckets up, or promised never to own them. */
  disowned({ shard }: ObservedGroup, claim: ObservedClaim): void {
    const gone = (key: string): boolean => {
      const bucket = observedBucket(key, claim.bucketCount);
      return claim.ranges.some(({ from, to }) => from <= bucket && bucket <= to);
    };
    for (const task of this.#tasksOf(shard)) {
      const key = task.slice(task.indexOf('/') + 1);
      if (gone(key)) this.#judge.violated('P3', `${shard} gave up the bucket of ${key}, a task it holds`);
    }
    for (const [stream, rows] of this.#rowsOf(shard)) {
      for (const { key, seq } of rows) {
        if (gone(key))
          this.#judge.violated(
            'P1',
            `${shard} gave up the bucket of ${key}, and with it the answer to ${stream}/${seq}`,
          );
      }
    }
  }

  /** Buckets that a group may not give up because of their tasks, as an outsider knows them. */
  bucketsOfTasks(shard: string, bucketCount: number): ReadonlySet<number> {
    const keys = [...this.#tasksOf(shard)].map((task) => task.slice(task.indexOf('/') + 1));
    return new Set(keys.map((key) => observedBucket(key, bucketCount)));
  }

  /** Buckets that a group may not give up because of answers that are not settled. */
  bucketsOfAnswers(shard: string, bucketCount: number): ReadonlySet<number> {
    const rows = [...this.#rowsOf(shard).values()].flat();
    return new Set(rows.map(({ key }) => observedBucket(key, bucketCount)));
  }

  #happened(group: ObservedGroup, request: ObservedRequest, result: ObservedResult): void {
    const { shard } = group;
    const { operation, id } = request;
    const barredBy = this.#barred.get(id);
    if (barredBy !== undefined)
      this.#judge.violated('P1', `${shard} applied ${id}, which ${barredBy} said was never applied`);
    // A take that found nothing may find something when it is asked again.
    if (result.kind === 'taken' && result.taken.length === 0) return;
    this.#effects.set(id, { shard, key: operation.key, text: result.text });
    const deed = deedOf(operation.kind, operation.key, operation.content, operation.fence);
    const task = `${operation.queue}/${operation.key}`;
    if (operation.kind === 'put') this.#tasksOf(shard).add(task);
    if (operation.kind === 'ackDone') this.#tasksOf(shard).delete(task);
    if (deed === undefined) return;
    this.#judge.reached('P1');
    const twin = this.#deeds.get(deed);
    if (twin !== undefined)
      this.#judge.violated('P1', `${deed} was applied as ${twin} and as ${id} by ${shard}`);
    this.#deeds.set(deed, id);
    this.#onDeed(deed, id);
  }

  #repeated(group: ObservedGroup, request: ObservedRequest, result: ObservedResult, known: Effect): void {
    const { id } = request;
    this.#judge.reached('P1 repeated');
    if (group.shard !== known.shard && result.kind !== 'refused') {
      this.#judge.violated('P1', `${id} was applied by ${known.shard} and by ${group.shard}`);
    } else if (result.text !== known.text) {
      this.#judge.violated(
        'Q6',
        `${id} was answered with ${known.text} by ${known.shard} and with ${result.text} by ${group.shard}`,
      );
    }
  }

  #resolved(group: ObservedGroup, request: ObservedRequest, result: ObservedResult): void {
    const { id } = request;
    const known = this.#effects.get(id);
    if (result.kind !== 'refused') {
      this.#judge.reached('P1 resolved as applied');
      if (result.text !== known?.text)
        this.#judge.violated(
          'P1',
          `${group.shard} says that ${id} was answered with ${result.text}, not ${known?.text}`,
        );
      return;
    }
    if (result.code !== neverAppliedCode) return;
    this.#remember(group.shard, request);
    this.#judge.reached('P1 resolved as never applied');
    this.#barred.set(id, group.shard);
    if (known !== undefined)
      this.#judge.violated(
        'P1',
        `${group.shard} says that ${id} was never applied, and ${known.shard} applied it`,
      );
  }

  #remember(shard: string, { streamId, seq, operation }: ObservedRequest): void {
    const streams = this.#rowsOf(shard);
    const rows = streams.get(streamId);
    const row = { key: operation.key, seq };
    if (rows === undefined) streams.set(streamId, [row]);
    else if (!rows.some((other) => other.seq === seq)) rows.push(row);
  }

  #settle(shard: string, streamId: string, settledUpTo: number): void {
    const streams = this.#rowsOf(shard);
    const rows = streams.get(streamId);
    if (rows === undefined || !rows.some(({ seq }) => seq <= settledUpTo)) return;
    const left = rows.filter(({ seq }) => seq > settledUpTo);
    if (left.length === 0) streams.delete(streamId);
    else streams.set(streamId, left);
  }

  #rowsOf(shard: string): Map<string, Row[]> {
    let rows = this.#rows.get(shard);
    if (rows === undefined) {
      rows = new Map();
      this.#rows.set(shard, rows);
    }
    return rows;
  }

  #tasksOf(shard: string): Set<string> {
    let tasks = this.#tasks.get(shard);
    if (tasks === undefined) {
      tasks = new Set();
      this.#tasks.set(shard, tasks);
    }
    return tasks;
  }
}

/** A name for what an operation does that its caller knows too: what it stores, or the lease that it ends. */
export function deedOf(kind: string, key: string, content: string, fence: number): string | undefined {
  if (kind === 'put' || kind === 'ack') return `${kind} ${content}`;
  return kind === 'ackDone' || kind === 'release' || kind === 'bury' ? `${kind} ${key}#${fence}` : undefined;
}
