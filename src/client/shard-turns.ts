import { Alarm } from '../base/alarm.ts';
import { isRaftsmanError } from '../base/errors.ts';
import type { Random } from '../ports/random.ts';
import type { LeasedTask } from '../queue/types.ts';
import type { Call } from './call.ts';
import type { Calls } from './calls.ts';
import { type Taken, type TakeTerms, takeFrom } from './shard-take.ts';

/** How long a take waits at a shard that has nothing, while every shard has a slot to wait with. */
const takeWaitMs = 30_000;
/** With fewer slots than shards they take turns this long, and a shard that does not answer for so long keeps no slot. */
const turnMs = 250;
const takeBackoffMs = { first: 100, longest: 2_000 } as const;
/** The loop cannot go on: another take would end the same way. */
const finalCodes: ReadonlySet<string> = new Set([
  'CLOSED',
  'FORBIDDEN',
  'INVALID_ARGUMENT',
  'TOO_LARGE',
  'PROTOCOL',
]);

export interface ShardTurnsDeps {
  readonly calls: Calls;
  readonly random: Random;
  readonly queue: string;
  readonly terms: Omit<TakeTerms, 'limit'>;
  /** How many tasks could be started now. */
  readonly free: () => number;
  readonly taken: (task: LeasedTask, atMs: number) => void;
  /** No take can succeed any more. */
  readonly failed: (error: unknown) => void;
}

/** One shard as the loop asks it. */
interface Turn {
  readonly shard: number;
  isUnderWay: boolean;
  call: Call | undefined;
  /** Which take of the loop was its last: who was asked longest ago comes first. */
  order: number;
  askedAtMs: number;
  /** Slots that its take under way holds until `heldUntilMs`. */
  slots: number;
  heldUntilMs: number;
  /** It gave all it was asked for: it may have more. */
  isHot: boolean;
  failureCount: number;
  /** Not asked before. */
  againMs: number;
}

/**
 * Asks the shards of a queue for tasks, each on its own: one that has none is asked with a take that waits and holds one slot,
 * one that gives is asked again at once for all that are free, and one that is down keeps nobody waiting.
 */
export class ShardTurns {
  readonly #deps: ShardTurnsDeps;
  readonly #alarm: Alarm;
  readonly #turns = new Map<number, Turn>();
  readonly #end = new AbortController();
  #order = 0;
  #ended: () => void = () => {};

  constructor(deps: ShardTurnsDeps) {
    this.#deps = deps;
    this.#alarm = new Alarm(deps.calls.clock, () => this.pump());
  }

  /** Resolves after `end`, when no take is under way. */
  async run(): Promise<void> {
    const { calls, queue, failed } = this.#deps;
    try {
      if (calls.routesNow(queue) === undefined)
        await calls.routes(queue, { timeoutMs: Number.POSITIVE_INFINITY, signal: this.#end.signal });
    } catch (error) {
      if (!this.#end.signal.aborted) failed(error);
    }
    const ended = new Promise<void>((resolve) => {
      this.#ended = resolve;
    });
    this.pump();
    await ended;
    this.#alarm.cancel();
  }

  end(): void {
    if (this.#end.signal.aborted) return;
    this.#end.abort();
    for (const { call } of this.#turns.values()) if (call !== undefined) this.#deps.calls.endWait(call);
    this.pump();
  }

  /** Asks whom there is a slot for. Called whenever that may have changed. */
  pump(): void {
    const nowMs = this.#deps.calls.clock.monotonicMs();
    if (this.#end.signal.aborted) {
      if (![...this.#turns.values()].some(({ isUnderWay }) => isUnderWay)) this.#ended();
      return;
    }
    const turns = this.#current();
    const free = this.#deps.free() - this.#held(turns, nowMs);
    const askable = turns.filter(({ isUnderWay, againMs }) => !isUnderWay && againMs <= nowMs);
    askable.sort((left, right) => left.order - right.order);
    if (turns.length === 1) for (const turn of free > 0 ? askable : []) this.#ask(turn, free, takeWaitMs);
    else if (free >= askable.length) this.#askAll(askable, free);
    else this.#askSome(askable, Math.max(0, free), turns, nowMs);
    for (const { againMs } of turns) if (againMs > nowMs) this.#alarm.at(againMs);
  }

  /** Everybody has a slot; what is left goes to those that had something. */
  #askAll(askable: readonly Turn[], free: number): void {
    let spare = free - askable.length;
    let hotCount = askable.filter(({ isHot }) => isHot).length;
    for (const turn of askable) {
      const share = turn.isHot ? Math.ceil(spare / hotCount--) : 0;
      spare -= share;
      this.#ask(turn, 1 + share, turn.isHot ? 0 : takeWaitMs);
    }
  }

  /** Too few slots: who was asked longest ago gets one, and nobody waits long with it. */
  #askSome(askable: readonly Turn[], free: number, turns: readonly Turn[], nowMs: number): void {
    const isHot = turns.some((turn) => turn.isHot);
    for (const turn of askable.slice(0, free)) this.#ask(turn, 1, isHot ? 0 : turnMs);
    if (this.#deps.free() === 0) return;
    for (const turn of turns) {
      if (!turn.isUnderWay || turn.call === undefined || turn.heldUntilMs <= nowMs) continue;
      if (turn.askedAtMs + turnMs <= nowMs) this.#endWait(turn, nowMs);
      else this.#alarm.at(turn.askedAtMs + turnMs);
    }
  }

  #endWait(turn: Turn, nowMs: number): void {
    if (turn.call === undefined || turn.call.isCancelled) return;
    turn.heldUntilMs = nowMs + turnMs;
    this.#alarm.at(turn.heldUntilMs);
    this.#deps.calls.endWait(turn.call);
  }

  #held(turns: readonly Turn[], nowMs: number): number {
    let held = 0;
    for (const { isUnderWay, slots, heldUntilMs } of turns) {
      if (!isUnderWay) continue;
      if (turns.length > 1 && heldUntilMs <= nowMs) continue;
      held += slots;
      if (turns.length > 1) this.#alarm.at(heldUntilMs);
    }
    return held;
  }

  /** The shards of the map in force. */
  #current(): readonly Turn[] {
    const { calls, queue } = this.#deps;
    const shards = calls.routesNow(queue)?.shards ?? [];
    if (shards.length === 0) this.#alarm.at(calls.clock.monotonicMs() + turnMs);
    return shards.map(({ number }) => {
      const turn = this.#turns.get(number) ?? newTurn(number);
      this.#turns.set(number, turn);
      return turn;
    });
  }

  #ask(turn: Turn, limit: number, waitMs: number): void {
    const { calls, queue, terms } = this.#deps;
    const nowMs = calls.clock.monotonicMs();
    turn.isUnderWay = true;
    turn.order = ++this.#order;
    turn.askedAtMs = nowMs;
    turn.slots = limit;
    turn.heldUntilMs = nowMs + waitMs + turnMs;
    const options = { waitUntilMs: nowMs + waitMs };
    const take = takeFrom(calls, queue, turn.shard, { ...terms, limit }, options, (call) => {
      turn.call = call;
    });
    take.then(
      (taken) => this.#answered(turn, limit, taken),
      (error: unknown) => this.#failed(turn, error),
    );
  }

  #answered(turn: Turn, limit: number, { tasks, atMs }: Taken): void {
    turn.isUnderWay = false;
    turn.call = undefined;
    turn.failureCount = 0;
    turn.isHot = tasks.length === limit;
    for (const task of tasks) this.#deps.taken(task, atMs);
    this.pump();
  }

  #failed(turn: Turn, error: unknown): void {
    turn.isUnderWay = false;
    turn.call = undefined;
    turn.isHot = false;
    if (isRaftsmanError(error) && finalCodes.has(error.code)) {
      if (!this.#end.signal.aborted) this.#deps.failed(error);
    }
    const { first, longest } = takeBackoffMs;
    const waitMs = Math.min(longest, first * 2 ** Math.min(turn.failureCount++, 10));
    turn.againMs = this.#deps.calls.clock.monotonicMs() + waitMs * (0.5 + this.#deps.random.next() / 2);
    this.pump();
  }
}

function newTurn(shard: number): Turn {
  return {
    shard,
    isUnderWay: false,
    call: undefined,
    order: 0,
    askedAtMs: 0,
    slots: 0,
    heldUntilMs: 0,
    isHot: false,
    failureCount: 0,
    againMs: 0,
  };
}
