import type { Clock, Scheduled } from '../ports/clock.ts';
import type { ClosedBy, CloseReason, Link } from '../ports/transport.ts';
import { type LinkEnd, linkCodes, type Refusal, refusalCodes } from '../wire/close-codes.ts';
import { helloBytesMax } from '../wire/limits.ts';
import { keepAliveMs, linkSilenceMs } from './limits.ts';

const signOfLife = new Uint8Array(0);

/**
 * A link whose owner may change (handshake, then pair or client) and which notices silence: an empty frame is a sign of life,
 * sent when nothing else was, swallowed on arrival.
 */
export class LiveLink {
  readonly remoteAddress: string;
  onFrame: ((frame: Uint8Array) => void) | undefined;
  onDrain: (() => void) | undefined;
  onClose: ((by: ClosedBy, code: number, text: string) => void) | undefined;
  readonly #link: Link;
  #isOpen = true;
  /** Set when this side closed for silence, so that the close is reported as what it is. */
  #timedOut = false;
  #heard = false;
  #sent = false;
  #isDoubted = false;
  #isPaused = false;
  #silentSinceMs: number;
  #idleSinceMs: number;

  constructor(link: Link, nowMs: number) {
    this.#link = link;
    this.#silentSinceMs = nowMs;
    this.#idleSinceMs = nowMs;
    this.remoteAddress = link.remoteAddress;
    link.setFrameBytesMax(helloBytesMax);
    link.onFrame = (frame) => {
      this.#heard = true;
      if (frame.length > 0 && this.#isOpen) this.onFrame?.(frame);
    };
    link.onDrain = () => this.onDrain?.();
    link.onClose = (by, code, text) => {
      this.#isOpen = false;
      this.onClose?.(this.#timedOut ? 'timeout' : by, code, text);
    };
  }

  get isOpen(): boolean {
    return this.#isOpen;
  }

  send(frame: Uint8Array): void {
    this.#sent = true;
    this.#link.send(frame);
  }

  queuedBytes(): number {
    return this.#link.queuedBytes();
  }

  setFrameBytesMax(bytes: number): void {
    this.#link.setFrameBytesMax(bytes);
  }

  pause(paused: boolean): void {
    this.#isPaused = paused;
    this.#link.pause(paused);
  }

  close(reason?: CloseReason): void {
    this.#isOpen = false;
    this.#link.close(reason);
  }

  refuse(refusal: Refusal, text: string = refusal): void {
    this.close({ code: refusalCodes[refusal], text });
  }

  end(why: LinkEnd, text: string = why): void {
    this.close({ code: linkCodes[why], text });
  }

  /** Called every now and then, after input was polled. A paused link is not silent: this side does not read it. Sends a sign of life when idle, closes a link that was silent for too long. */
  sweep(nowMs: number): void {
    if (!this.#isOpen) return;
    if (this.#heard || this.#isPaused) {
      this.#silentSinceMs = nowMs;
      this.#isDoubted = false;
    }
    if (this.#sent) this.#idleSinceMs = nowMs;
    this.#heard = false;
    this.#sent = false;
    if (nowMs - this.#silentSinceMs >= linkSilenceMs) {
      this.#timedOut = true;
      this.end('silent');
    } else if (nowMs - this.#idleSinceMs >= keepAliveMs) {
      this.#idleSinceMs = nowMs;
      this.#link.send(signOfLife);
    }
  }

  /** The other side may have lost this link: it has to show a sign of life within two keep-alives. */
  doubt(nowMs: number): void {
    if (this.#isDoubted) return;
    this.#isDoubted = true;
    this.#heard = false;
    this.#silentSinceMs = Math.min(this.#silentSinceMs, nowMs - linkSilenceMs + 2 * keepAliveMs);
  }
}

/** Sweeps links every half of a keep-alive; input that waits is read first, so that a stall of our own closes nothing (pitfall 82). */
export class Sweeper {
  readonly #clock: Clock;
  readonly #sweep: (nowMs: number) => void;
  #next: Scheduled | undefined;

  constructor(clock: Clock, sweep: (nowMs: number) => void) {
    this.#clock = clock;
    this.#sweep = sweep;
  }

  start(): void {
    this.#next = this.#clock.after(keepAliveMs / 2, () => {
      this.#next = this.#clock.soon(() => {
        this.start();
        this.#sweep(this.#clock.monotonicMs());
      });
    });
  }

  stop(): void {
    this.#next?.cancel();
    this.#next = undefined;
  }
}
