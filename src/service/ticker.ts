import { Alarm } from '../base/alarm.ts';
import type { GroupHandle, ProposeResult } from '../node/types.ts';
import type { Clock } from '../ports/clock.ts';
import type { LogEntry } from '../raft/types.ts';
import { encodeCommand } from '../wire/queue-codec.ts';
import { decodeResult } from '../wire/queue-result.ts';
import type { QueueMachine } from './queue-machine.ts';

/** Between two ticks that found nothing due: a log time that runs behind its own clock must not be asked in a loop. */
const tickStepMs = 10;

/**
 * Lets log time pass on an idle leader: proposes a tick when the next thing that ends by time is due, and at once again while
 * there is more than one slice. Log time is taken from the stamps, extrapolated by the monotonic clock: this node's own wall
 * clock may be wrong.
 */
export class Ticker {
  readonly #group: GroupHandle;
  readonly #machine: QueueMachine;
  readonly #clock: Clock;
  readonly #alarm: Alarm;
  #stampMs = 0;
  #stampAtMs = 0;
  #inFlight = false;

  constructor(group: GroupHandle, machine: QueueMachine, clock: Clock) {
    this.#group = group;
    this.#machine = machine;
    this.#clock = clock;
    this.#alarm = new Alarm(clock, () => this.#ring());
  }

  /** What log time is now, by the last entry and the monotonic clock. */
  logNowMs(): number {
    return this.#stampMs + (this.#clock.monotonicMs() - this.#stampAtMs);
  }

  /** Called after each applied entry; only the newest counts. */
  onApplied(entry: LogEntry): void {
    this.#stampMs = entry.stampMs;
    this.#stampAtMs = this.#clock.monotonicMs();
    this.schedule();
  }

  /** Asks to be rung when the next thing is due. */
  schedule(): void {
    if (this.#inFlight || this.#group.view().role !== 'leader') return;
    const inMs = this.#machine.state.nextDueMs() - this.logNowMs();
    this.#alarm.at(this.#clock.monotonicMs() + Math.max(tickStepMs, inMs));
  }

  close(): void {
    this.#alarm.cancel();
  }

  #ring(): void {
    if (this.#inFlight || this.#group.view().role !== 'leader') return;
    if (this.#machine.state.nextDueMs() <= this.logNowMs()) this.#tick();
    else this.schedule();
  }

  #tick(): void {
    this.#inFlight = true;
    this.#group.propose(tick, (result) => {
      this.#inFlight = false;
      if (hasMore(result)) this.#tick();
      else this.schedule();
    });
  }
}

const tick = encodeCommand({ type: 'tick' });

function hasMore(result: ProposeResult): boolean {
  if (result.type !== 'applied') return false;
  const answer = decodeResult(result.result);
  return answer.type === 'ticked' && answer.more;
}
