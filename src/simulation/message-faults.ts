import type { Prng } from './prng.ts';
import type { SimulatedLink } from './simulated-link.ts';

/** What is done to single frames between nodes once a link is up; a TCP connection does none of it. */
export interface MessageFaults {
  readonly dropChance: number;
  readonly duplicateChance: number;
  readonly reorderChance: number;
  readonly reorderMs: number;
  /** Frames for which it is false pass untouched. */
  readonly concerns: (frame: Uint8Array) => boolean;
}

/** What becomes of a frame: `late` copies arrive out of order, the original goes its way unless `isTaken`. */
export interface Fate {
  readonly isTaken: boolean;
  readonly lateMs: number | undefined;
}

const untouched: Fate = { isTaken: false, lateMs: undefined };
/** Frames of a handshake, per direction: they are left alone. */
const handshakeFrames = 2;

/** Loses, repeats and reorders frames between chosen machines. */
export class Meddler {
  readonly #random: Prng;
  readonly #counts = { dropped: 0, duplicated: 0, reordered: 0 };
  #faults: MessageFaults | undefined;
  #between: ReadonlySet<string> = new Set();

  constructor(random: Prng) {
    this.#random = random;
  }

  get counts(): Readonly<{ dropped: number; duplicated: number; reordered: number }> {
    return this.#counts;
  }

  set(faults: MessageFaults | undefined, between: readonly string[]): void {
    this.#faults = faults;
    this.#between = new Set(between);
  }

  fateOf(from: SimulatedLink, frame: Uint8Array): Fate {
    const faults = this.#faults;
    if (faults === undefined || from.sentCount <= handshakeFrames) return untouched;
    if (!this.#between.has(from.hostName) || !this.#between.has(from.other.hostName)) return untouched;
    if (!faults.concerns(frame)) return untouched;
    const lateMs = this.#random.between(0, faults.reorderMs);
    if (this.#random.chance(faults.dropChance)) {
      this.#counts.dropped += 1;
      return { isTaken: true, lateMs: undefined };
    }
    if (this.#random.chance(faults.duplicateChance)) {
      this.#counts.duplicated += 1;
      return { isTaken: false, lateMs };
    }
    if (!this.#random.chance(faults.reorderChance)) return untouched;
    this.#counts.reordered += 1;
    return { isTaken: true, lateMs };
  }
}
