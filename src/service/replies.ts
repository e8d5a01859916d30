import { Alarm } from '../base/alarm.ts';
import type { NodeId } from '../base/ids.ts';
import type { Clock } from '../ports/clock.ts';

interface Waiting {
  readonly frames: Uint8Array[];
  /** Monotonic ms of the oldest. */
  readonly sinceMs: number;
}

const retryMs = 20;
/** A way that stays full for so long is as good as cut. */
const waitMax = 10_000;
const bytesMax: number = 64 * 1024 * 1024;

/** Answers on their way to other nodes. One that finds its way full waits here: without it the gateway waits for its deadline, if it has one. */
export class Replies {
  readonly #send: (to: NodeId, frame: Uint8Array) => boolean;
  readonly #clock: Clock;
  readonly #alarm: Alarm;
  readonly #waiting = new Map<NodeId, Waiting>();
  #bytes = 0;

  constructor(send: (to: NodeId, frame: Uint8Array) => boolean, clock: Clock) {
    this.#send = send;
    this.#clock = clock;
    this.#alarm = new Alarm(clock, () => this.#retry());
  }

  send(to: NodeId, frame: Uint8Array): void {
    const waiting = this.#waiting.get(to);
    if ((waiting === undefined && this.#send(to, frame)) || this.#bytes + frame.length > bytesMax) return;
    this.#bytes += frame.length;
    if (waiting !== undefined) waiting.frames.push(frame);
    else this.#waiting.set(to, { frames: [frame], sinceMs: this.#clock.monotonicMs() });
    this.#alarm.at(this.#clock.monotonicMs() + retryMs);
  }

  /** The way is cut: the gateway at its end asks again. */
  drop(to: NodeId): void {
    for (const frame of this.#waiting.get(to)?.frames ?? []) this.#bytes -= frame.length;
    this.#waiting.delete(to);
  }

  close(): void {
    this.#alarm.cancel();
    this.#waiting.clear();
  }

  #retry(): void {
    const nowMs = this.#clock.monotonicMs();
    for (const [to, { frames, sinceMs }] of [...this.#waiting]) {
      const sentCount = this.#sendSome(to, frames);
      const left = frames.slice(sentCount);
      if (left.length === 0) this.#waiting.delete(to);
      else if (sentCount > 0) this.#waiting.set(to, { frames: left, sinceMs: nowMs });
      else if (nowMs - sinceMs >= waitMax) this.drop(to);
    }
    if (this.#waiting.size > 0) this.#alarm.at(nowMs + retryMs);
  }

  /** @returns how many found room. */
  #sendSome(to: NodeId, frames: readonly Uint8Array[]): number {
    let count = 0;
    for (const frame of frames) {
      if (!this.#send(to, frame)) break;
      this.#bytes -= frame.length;
      count++;
    }
    return count;
  }
}
