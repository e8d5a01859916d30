import { InvalidArgumentError, isRaftsmanError, StorageFailedError } from '../base/errors.ts';
import type { Escrow, EscrowRecord } from '../ports/escrow.ts';
import type { Calls } from './calls.ts';

/** Why an answer was not stored as it was given. */
export type Report = (error: unknown, task: { readonly id: string; readonly fence: number }) => void;

/**
 * An answer that expired before it was stored is due at once; its refresh token may be the only one that is still good. The
 * second life is twice the first and so on: a worker whose wall clock is behind log time finds one that is ahead of it, and
 * gives the task no longer life than its clock is behind.
 */
const lapsedLifeMs = { first: 1_000, longest: 10 * 365 * 86_400_000 } as const;
/** The cluster has judged: the answer is of no use to it any more. */
const judged: ReadonlySet<string> = new Set(['STALE_LEASE', 'TASK_NOT_FOUND']);

/** The cluster cannot take it now, or nobody knows whether it did: the fence tells a repeat apart. */
const passing: ReadonlySet<string> = new Set(['BUSY', 'LOG_FULL', 'UNKNOWN_OUTCOME', 'CLIENT_EXPIRED']);
const repeatBackoffMs = { first: 100, longest: 2_000 } as const;

/** Brings answers of providers into the cluster: into the escrow first, out of it when the cluster has judged. */
export class AnswerStore {
  readonly #calls: Calls;
  readonly #escrow: Escrow | undefined;
  readonly #report: Report;

  constructor(calls: Calls, escrow: Escrow | undefined, report: Report) {
    this.#calls = calls;
    this.#escrow = escrow;
    this.#report = report;
  }

  /** An answer that a handler gave just now. */
  async store(record: EscrowRecord): Promise<void> {
    await this.#append(record);
    await this.offer(record);
  }

  /** An answer that is in the escrow. Ends when the cluster has judged it, or the client closes. */
  async offer(record: EscrowRecord): Promise<void> {
    try {
      await this.#ack(record);
      this.#escrow?.settle(record);
    } catch (error) {
      if (isRaftsmanError(error) && judged.has(error.code)) this.#escrow?.settle(record);
      this.#report(error, record);
    }
  }

  /** Durable before the ack leaves. An escrow that fails does not keep the answer from the cluster. */
  async #append(record: EscrowRecord): Promise<void> {
    const escrow = this.#escrow;
    if (escrow === undefined) return;
    const error = await new Promise<Error | undefined>((resolve) => escrow.append(record, resolve));
    if (error !== undefined)
      this.#report(new StorageFailedError('the escrow was not written', { cause: error }), record);
  }

  /** Has no deadline: whoever gave up would not know whether the refresh token was stored. */
  async #ack(record: EscrowRecord): Promise<void> {
    const { first, longest } = repeatBackoffMs;
    for (let waitMs: number = first; ; waitMs = Math.min(longest, 2 * waitMs)) {
      try {
        await this.#ackOnce(record);
        return;
      } catch (error) {
        if (!isRaftsmanError(error) || !passing.has(error.code)) throw error;
        if (waitMs === first) this.#report(error, record);
      }
      await new Promise<void>((resolve) => this.#calls.clock.after(waitMs, resolve));
    }
  }

  async #ackOnce(record: EscrowRecord): Promise<void> {
    const { queue, id, fence, payload, expiresAtMs } = record;
    const ack = (atMs: number) =>
      this.#calls.request(
        { type: 'ack', queue, id, fence, payload, expiresAtMs: atMs },
        { timeoutMs: Number.POSITIVE_INFINITY },
      );
    try {
      await ack(expiresAtMs);
    } catch (error) {
      if (!(error instanceof InvalidArgumentError)) throw error;
      await this.#ackLapsed(ack, Math.max(expiresAtMs, this.#calls.clock.wallMs()));
      this.#report(error, record);
    }
  }

  async #ackLapsed(ack: (atMs: number) => Promise<unknown>, fromMs: number): Promise<void> {
    const { first, longest } = lapsedLifeMs;
    for (let lifeMs: number = first; ; lifeMs *= 2) {
      try {
        await ack(fromMs + lifeMs);
        return;
      } catch (error) {
        if (!(error instanceof InvalidArgumentError) || lifeMs > longest) throw error;
      }
    }
  }
}
