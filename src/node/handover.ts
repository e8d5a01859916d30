import { TransferFailedError } from '../base/errors.ts';
import type { NodeId } from '../base/ids.ts';
import type { Clock, Scheduled } from '../ports/clock.ts';
import type { Group } from './group.ts';

/** How a completed transfer went. */
export interface TransferResult {
  readonly from: string;
  readonly to: string;
  /** The new leader's term. */
  readonly term: number;
  /** From the moment this node took no more writes until it knew the new leader, in ms. */
  readonly gapMs: number;
}

interface Running {
  readonly startedMs: number;
  readonly term: number;
  readonly settle: (outcome: TransferResult | TransferFailedError) => void;
  readonly unsubscribe: () => void;
  readonly timeout: Scheduled;
}

/** One transfer of leadership at a time, from the first refused write to the new leader's name. */
export class Handover {
  readonly #group: Group;
  readonly #clock: Clock;
  readonly #timeoutMs: number;
  readonly #start: (to: NodeId | undefined) => void;
  #running: Running | undefined;
  #outcome: Promise<TransferResult> | undefined;

  /**
   * @param start - feeds the core's `transfer` input.
   * @param timeoutMs - a new leader that is not known by then counts as a failure.
   */
  constructor(group: Group, clock: Clock, timeoutMs: number, start: (to: NodeId | undefined) => void) {
    this.#group = group;
    this.#clock = clock;
    this.#timeoutMs = timeoutMs;
    this.#start = start;
  }

  get running(): boolean {
    return this.#running !== undefined;
  }

  /** How the transfer that is under way will end. */
  get outcome(): Promise<TransferResult> | undefined {
    return this.running ? this.#outcome : undefined;
  }

  /** The scope must be closed. Rejects with TransferFailedError. */
  run(to: NodeId | undefined): Promise<TransferResult> {
    if (this.running) return Promise.reject(new TransferFailedError('a transfer is under way'));
    this.#outcome = new Promise((resolve, reject) => {
      this.#running = {
        startedMs: this.#clock.monotonicMs(),
        term: this.#group.view().term,
        settle: (outcome) => (outcome instanceof TransferFailedError ? reject(outcome) : resolve(outcome)),
        unsubscribe: this.#group.onView(() => this.#look()),
        timeout: this.#clock.after(this.#timeoutMs, () => this.#fail('no new leader is known in time')),
      };
      this.#start(to);
    });
    return this.#outcome;
  }

  /** The core's own word: on success the new leader's name is still to come. */
  ended(ok: boolean, why: string): void {
    if (!ok) this.#fail(why);
  }

  stop(why: string): void {
    this.#fail(why);
  }

  #look(): void {
    const running = this.#running;
    const { term, leaderId } = this.#group.view();
    if (running === undefined || leaderId === undefined || term <= running.term) return;
    if (leaderId === this.#group.nodeId) {
      this.#fail('this node was elected again');
      return;
    }
    const gapMs = this.#clock.monotonicMs() - running.startedMs;
    this.#end(running, { from: this.#group.nodeId, to: leaderId, term, gapMs });
  }

  #fail(why: string): void {
    if (this.#running !== undefined) this.#end(this.#running, new TransferFailedError(why));
  }

  #end(running: Running, outcome: TransferResult | TransferFailedError): void {
    this.#running = undefined;
    running.unsubscribe();
    running.timeout.cancel();
    running.settle(outcome);
  }
}
