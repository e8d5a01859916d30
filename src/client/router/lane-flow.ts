import { Alarm } from '../../base/alarm.ts';
import type { Clock } from '../../ports/clock.ts';
import { Backlog } from './backlog.ts';
import type { Entry } from './entry.ts';
import type { Lane } from './lane.ts';
import type { LaneLink } from './lane-host.ts';

export type LaneState = 'open' | 'draining' | 'holding';

/** After a bounce nothing is sent for so long: two nodes that send us to each other must not keep us spinning. */
export const bounceMs = 10;

export interface LaneFlowDeps {
  readonly lane: Lane;
  readonly clock: Clock;
  /** What is to be sent when the flow begins anew, in order. */
  readonly waiting: () => Entry[];
  readonly send: (entry: Entry, leader: LaneLink) => void;
}

/**
 * When the requests of one lane may go to its leader: all at once while it is open; not at all while it holds, until everything in
 * flight is answered or given up; then those that wait, in order, through a window that grows.
 */
export class LaneFlow {
  readonly #deps: LaneFlowDeps;
  readonly #backlog = new Backlog();
  readonly #resumes: Alarm;
  #state: LaneState = 'holding';
  #leader: LaneLink | undefined;
  /** Sent to a leader and not answered, but for takes that wait. */
  #inFlight = 0;
  #resumeAtMs = 0;
  #resumedAtMs = Number.NEGATIVE_INFINITY;

  constructor(deps: LaneFlowDeps) {
    this.#deps = deps;
    this.#resumes = new Alarm(deps.clock, () => this.#resume());
  }

  get state(): LaneState {
    return this.#state;
  }

  get leader(): LaneLink | undefined {
    return this.#leader;
  }

  /** @returns whom the entry may be sent to at once; if nobody, its turn comes. */
  pass(entry: Entry): LaneLink | undefined {
    const leader = this.#leader;
    if (this.#state === 'open' && leader !== undefined && !leader.isFull) return leader;
    entry.keep();
    if (this.#state === 'open') {
      this.#state = 'draining';
      this.#backlog.start([entry], Number.POSITIVE_INFINITY);
    } else if (this.#state === 'draining') this.#backlog.add(entry);
    return undefined;
  }

  /** The entry is with the leader; nobody's order depends on a take that waits. */
  sent(entry: Entry): void {
    entry.isCounted = !entry.waits;
    if (entry.isCounted) this.#inFlight++;
  }

  /** The entry is with no node any more. */
  back(entry: Entry): void {
    if (entry.isCounted) this.#inFlight--;
    entry.isCounted = false;
    entry.sentTo = undefined;
  }

  /** An answer came: the shard keeps up. */
  answered(): void {
    this.#backlog.grow();
  }

  /** Another leader, or none: nothing is sent before `advance`. */
  setLeader(leader: LaneLink | undefined): void {
    this.#leader = leader;
    this.#state = 'holding';
    if (leader !== undefined) this.#resumeAtMs = Math.max(this.#resumeAtMs, this.#resumedAtMs + bounceMs);
  }

  /** The shard cannot serve now. Nothing more goes there until all that is in flight is answered: then again, in order. */
  hold(delayMs: number): void {
    this.#state = 'holding';
    this.#resumeAtMs = Math.max(this.#resumeAtMs, this.#deps.clock.monotonicMs() + delayMs);
  }

  /** After each change: what can go on, does. */
  advance(): void {
    const leader = this.#leader;
    if (leader === undefined) return;
    if (this.#state === 'holding') this.#resume();
    else if (this.#state === 'draining') this.#pump(leader);
  }

  close(): void {
    this.#resumes.cancel();
    this.#leader = undefined;
    this.#state = 'holding';
  }

  #resume(): void {
    const leader = this.#leader;
    if (this.#state !== 'holding' || leader === undefined || this.#inFlight > 0) return;
    const nowMs = this.#deps.clock.monotonicMs();
    if (this.#resumeAtMs > nowMs) {
      this.#resumes.at(this.#resumeAtMs);
      return;
    }
    this.#resumedAtMs = nowMs;
    this.#state = 'draining';
    this.#backlog.start(this.#deps.waiting());
    this.#pump(leader);
  }

  #pump(leader: LaneLink): void {
    while (!leader.isFull && this.#inFlight < this.#backlog.window) {
      const entry = this.#backlog.next(this.#deps.lane);
      if (entry === undefined) {
        this.#state = 'open';
        return;
      }
      this.#deps.send(entry, leader);
    }
  }
}
