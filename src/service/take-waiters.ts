import { Alarm } from '../base/alarm.ts';
import type { SessionId } from '../base/ids.ts';
import type { GroupHandle, ProposeResult } from '../node/types.ts';
import type { Clock } from '../ports/clock.ts';
import type { QueueEvents } from '../queue/types.ts';
import { isEmptyTake } from '../wire/queue-result.ts';
import { type Answer, notLeaderAnswer, proposalAnswer, type Reply } from './answers.ts';

/** A take as the leader gets it. */
export interface TakeRequest {
  /** (client, stream, seq): the same for every copy of the request. */
  readonly key: string;
  readonly queue: string;
  readonly session: SessionId;
  /** As it goes into the log. If it may not wait, finding nothing is its answer for good, whichever copy comes later. */
  readonly command: (mayWait: boolean) => Uint8Array;
  /** Monotonic ms until which it waits for a task; the past for a take that does not wait. */
  readonly waitUntilMs: number;
  readonly reply: Reply;
}

interface Waiter {
  readonly request: TakeRequest;
  waitUntilMs: number;
  /** Every copy has a way back of its own, and is answered: links count what they have under way. */
  readonly replies: Reply[];
  /** `asking`: in the log for the first or the last time; `woken`: in the log because a task became ready. */
  state: 'asking' | 'waiting' | 'woken';
  /** What is in the log settles for nothing found. */
  isLast: boolean;
}

/** The takes of one queue, in the order in which they came. */
interface Line {
  readonly queue: string;
  readonly waiters: Map<string, Waiter>;
  /** How many may be woken at a time: 0 when nothing is ready; doubles while wakes find tasks, so that a mass release wakes all soon. */
  window: number;
  wokenCount: number;
  /** The last entry that made a task of the queue ready. */
  readyIndex: number;
}

const windowMax = 64;
const sweepStepMs = 10;

/**
 * Takes that found nothing and may wait. First come, first served, in the leader's memory; a wake proposes the take again under
 * the same id, and nothing is handed out before that entry is applied.
 */
export class TakeWaiters {
  readonly #group: GroupHandle;
  readonly #clock: Clock;
  readonly #alarm: Alarm;
  readonly #lines = new Map<string, Line>();

  constructor(group: GroupHandle, clock: Clock) {
    this.#group = group;
    this.#clock = clock;
    this.#alarm = new Alarm(clock, () => this.#sweep());
  }

  /** A copy of a take that is here already waits with it, as long as the newest copy may. */
  submit(request: TakeRequest): void {
    const line = this.#lineOf(request.queue);
    const known = line.waiters.get(request.key);
    if (known !== undefined) {
      known.replies.push(request.reply);
      known.waitUntilMs = request.waitUntilMs;
      this.#alarm.at(request.waitUntilMs);
      return;
    }
    const { waitUntilMs, reply } = request;
    const waiter: Waiter = { request, waitUntilMs, replies: [reply], state: 'asking', isLast: false };
    line.waiters.set(request.key, waiter);
    this.#propose(line, waiter);
  }

  /** The caller waits no longer: a take that waits is asked for the last time, one that is in the log is answered as the log says. */
  cancel(queue: string, key: string): void {
    const line = this.#lines.get(queue);
    const waiter = line?.waiters.get(key);
    if (line === undefined || waiter === undefined) return;
    waiter.waitUntilMs = 0;
    if (waiter.state === 'waiting') this.#askAgain(line, waiter);
  }

  /** Called after each applied entry. */
  onApplied(index: number, events: QueueEvents): void {
    if (this.#lines.size === 0) return;
    for (const queue of events.ready) {
      const line = this.#lines.get(queue);
      if (line === undefined) continue;
      line.readyIndex = index;
      line.window = Math.max(1, line.window);
      this.#wake(line);
    }
    if (events.sessionsEnded.length > 0) this.#askForEnded(new Set(events.sessionsEnded));
  }

  /** Leadership is over: who waits asks the next leader. Takes in the log are answered by the driver. */
  drop(): void {
    for (const line of [...this.#lines.values()]) {
      for (const waiter of [...line.waiters.values()]) {
        if (waiter.state === 'waiting') this.#end(line, waiter, notLeaderAnswer(this.#group));
      }
    }
  }

  close(): void {
    this.#alarm.cancel();
  }

  #propose(line: Line, waiter: Waiter): void {
    const mayWait = waiter.waitUntilMs > this.#clock.monotonicMs();
    waiter.isLast = !mayWait;
    this.#group.propose(waiter.request.command(mayWait), (result) => this.#onResult(line, waiter, result));
  }

  #askAgain(line: Line, waiter: Waiter): void {
    waiter.state = 'asking';
    this.#propose(line, waiter);
  }

  #onResult(line: Line, waiter: Waiter, result: ProposeResult): void {
    const wasWoken = waiter.state === 'woken';
    if (wasWoken) line.wokenCount--;
    const foundNothing = result.type === 'applied' && isEmptyTake(result.result);
    if (foundNothing && !waiter.isLast) this.#waitOn(line, waiter);
    else this.#end(line, waiter, proposalAnswer(this.#group, result));
    if (foundNothing && result.index > line.readyIndex) line.window = 0;
    else if (wasWoken && !foundNothing) line.window = Math.min(windowMax, Math.max(1, line.window * 2));
    this.#wake(line);
  }

  /** Nothing was found and nothing says so for good: a copy that comes late would find something for nobody. */
  #waitOn(line: Line, waiter: Waiter): void {
    if (this.#group.view().role !== 'leader') this.#end(line, waiter, notLeaderAnswer(this.#group));
    else if (waiter.waitUntilMs <= this.#clock.monotonicMs()) this.#askAgain(line, waiter);
    else {
      waiter.state = 'waiting';
      this.#alarm.at(waiter.waitUntilMs);
    }
  }

  #wake(line: Line): void {
    if (line.wokenCount >= line.window) return;
    for (const waiter of line.waiters.values()) {
      if (waiter.state !== 'waiting') continue;
      waiter.state = 'woken';
      line.wokenCount++;
      this.#propose(line, waiter);
      if (line.wokenCount >= line.window) return;
    }
  }

  /** The log says what a take of a session that is over gets. */
  #askForEnded(sessions: ReadonlySet<SessionId>): void {
    for (const line of this.#lines.values()) {
      for (const waiter of line.waiters.values()) {
        if (waiter.state !== 'waiting' || !sessions.has(waiter.request.session)) continue;
        this.#askAgain(line, waiter);
      }
    }
  }

  #sweep(): void {
    const nowMs = this.#clock.monotonicMs();
    let nextMs = Number.POSITIVE_INFINITY;
    for (const line of [...this.#lines.values()]) {
      for (const waiter of [...line.waiters.values()]) {
        if (waiter.state !== 'waiting') continue;
        if (waiter.waitUntilMs <= nowMs) this.#askAgain(line, waiter);
        else nextMs = Math.min(nextMs, waiter.waitUntilMs);
      }
    }
    this.#alarm.at(Math.max(nextMs, nowMs + sweepStepMs));
  }

  #end(line: Line, waiter: Waiter, answer: Answer): void {
    line.waiters.delete(waiter.request.key);
    if (line.waiters.size === 0) this.#lines.delete(line.queue);
    for (const reply of waiter.replies) reply(answer);
  }

  #lineOf(queue: string): Line {
    const known = this.#lines.get(queue);
    if (known !== undefined) return known;
    const line: Line = { queue, waiters: new Map(), window: 0, wokenCount: 0, readyIndex: 0 };
    this.#lines.set(queue, line);
    return line;
  }
}
