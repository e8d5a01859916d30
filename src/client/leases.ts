import { Alarm } from '../base/alarm.ts';
import { StaleLeaseError } from '../base/errors.ts';
import type { Clock } from '../ports/clock.ts';
import type { LeaseLostBody } from '../wire/client-frame.ts';

interface LiveLease {
  readonly controller: AbortController;
  /** Monotonic ms after which the cluster has ended it, whether or not it could say so. */
  readonly endsAtMs: number;
}

/** The leases this client holds, so that a lost one aborts its handler's signal. */
export class Leases {
  readonly #clock: Clock;
  readonly #alarm: Alarm;
  readonly #live = new Map<string, LiveLease>();

  constructor(clock: Clock) {
    this.#clock = clock;
    this.#alarm = new Alarm(clock, () => this.#expire());
  }

  /** @returns the signal of a lease that was given just now. */
  given(queue: string, id: string, fence: number, endsAtMs: number): AbortSignal {
    const controller = new AbortController();
    this.#live.set(keyOf(queue, id, fence), { controller, endsAtMs });
    this.#alarm.at(endsAtMs);
    return controller.signal;
  }

  /** The lease was acked, released or buried: its signal is of no use any more. */
  ended(queue: string, id: string, fence: number): void {
    this.#live.delete(keyOf(queue, id, fence));
  }

  lost(lost: LeaseLostBody): void {
    this.#abort(
      keyOf(lost.queue, lost.id, lost.fence),
      `the lease of ${lost.id} is over: ${reasons[lost.why]}`,
    );
  }

  /** The client closes, and its session with it. */
  close(): void {
    this.#alarm.cancel();
    for (const key of [...this.#live.keys()]) this.#abort(key, 'the client is closed');
  }

  /** Ends the leases whose time ran out while nobody could say so. */
  #expire(): void {
    const nowMs = this.#clock.monotonicMs();
    let nextMs = Number.POSITIVE_INFINITY;
    for (const [key, { endsAtMs }] of [...this.#live]) {
      if (endsAtMs <= nowMs) this.#abort(key, 'the lease is over: its time to run has passed');
      else nextMs = Math.min(nextMs, endsAtMs);
    }
    this.#alarm.at(Math.max(nextMs, nowMs + expireStepMs));
  }

  #abort(key: string, why: string): void {
    const lease = this.#live.get(key);
    this.#live.delete(key);
    lease?.controller.abort(new StaleLeaseError(why));
  }
}

const expireStepMs = 100;

const reasons = {
  put: 'the task was put again',
  ttr: 'its time to run has passed',
  session: 'the session ended',
} as const;

function keyOf(queue: string, id: string, fence: number): string {
  return `${queue}/${fence}/${id}`;
}
