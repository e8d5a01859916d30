import type { RaftsmanError } from '../base/errors.ts';

/** Whoever cannot attach a session for so long is asked again, or left for another. */
export const attachWithinMs = 2_500;
const attachRetryMs = 100;

/** Before an attach is asked again, whoever carries it should have said why it could not. */
export const attachMarginMs = 200;

/** The client's session on one shard: whether the shard's group knows it, and when to ask again. */
export class ShardSession {
  readonly shard: number;
  #isAttached = false;
  /** Under which registration the group remembers our requests; 0 before the first attach. */
  #registration = 0;
  /** The attach under way; 0 for none. */
  #correlation = 0;
  #attachByMs = Number.POSITIVE_INFINITY;
  #attachAgainMs = Number.POSITIVE_INFINITY;
  #refusal: RaftsmanError | undefined;

  constructor(shard: number) {
    this.shard = shard;
  }

  get isAttached(): boolean {
    return this.#isAttached;
  }

  get registration(): number {
    return this.#registration;
  }

  get correlation(): number {
    return this.#correlation;
  }

  /** When something must be done about it; Infinity while nothing is under way. */
  get dueMs(): number {
    return Math.min(this.#attachByMs, this.#attachAgainMs);
  }

  /** Why the last attach failed; undefined if nobody said, or it did not. */
  get refusal(): RaftsmanError | undefined {
    return this.#refusal;
  }

  asked(correlation: number, nowMs: number): void {
    this.#isAttached = false;
    this.#correlation = correlation;
    this.#attachByMs = nowMs + attachWithinMs;
    this.#attachAgainMs = Number.POSITIVE_INFINITY;
  }

  /** @returns false if the group has forgotten the client since it was attached last. */
  attached(registration: number): boolean {
    this.lost();
    if (this.#registration > 0 && this.#registration !== registration) return false;
    this.#registration = registration;
    this.#refusal = undefined;
    this.#isAttached = true;
    return true;
  }

  /** Cannot be attached now. */
  refused(error: RaftsmanError, nowMs: number): void {
    this.#correlation = 0;
    this.#refusal = error;
    this.#attachAgainMs = nowMs + attachRetryMs;
  }

  /** No answer came in time. */
  isLate(nowMs: number): boolean {
    return nowMs >= this.#attachByMs;
  }

  /** The link is gone, and what was asked on it. */
  lost(): void {
    this.#isAttached = false;
    this.#correlation = 0;
    this.#attachByMs = Number.POSITIVE_INFINITY;
    this.#attachAgainMs = Number.POSITIVE_INFINITY;
  }
}
