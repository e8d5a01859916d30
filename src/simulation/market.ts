import { isRaftsmanError } from '../base/errors.ts';
import type { Codec, Queue, QueueClient } from '../client/types.ts';
import type { CallerChecker, CallOutcome } from './checkers/caller-checker.ts';
import { deedOf, type EffectChecker } from './checkers/effect-checker.ts';
import type { OperationKind, QueueHistory } from './checkers/queue-history.ts';
import { codeOf } from './shop.ts';
import { sleep } from './simulated-client.ts';
import type { SimulatedProcess } from './simulated-process.ts';
import type { Stage } from './stage.ts';

/** One queue of a world of shards, with the books of all its programs. */
export interface Stall {
  readonly name: string;
  readonly keys: readonly string[];
  readonly history: QueueHistory;
}

/** What all programs of a world of shards share. */
export interface Market {
  readonly stage: Stage;
  readonly stalls: readonly Stall[];
  readonly effects: EffectChecker;
  readonly callers: CallerChecker;
  /** Calls that are not answered yet. */
  readonly pending: Set<{ readonly process: SimulatedProcess; readonly what: string }>;
  /** False when the run comes to its end: nothing new is begun. */
  isOpen: boolean;
}

/** The provider of all tasks: it does not mind being asked twice. */
export const provider = 'fix';

const text: Codec<string> = {
  encode: (value: string) => new TextEncoder().encode(value),
  decode: (bytes: Uint8Array) => new TextDecoder().decode(bytes),
};

export function queueOf(client: QueueClient, { name }: Stall): Queue<string> {
  return client.queue(name, { codec: text });
}

/** How long a program asks what became of a call. */
const resolveTimeoutMs = 2_000;
const askAgainMs = 100;

export interface Booking {
  readonly kind: OperationKind;
  readonly key: string;
  readonly fence?: number;
  readonly content?: string;
  /** Calls of one chain are to be applied in the order in which they were asked for. */
  readonly chain?: string;
}

/** Writes a call into the books: when it began, when it ended and how; asks again later what became of it if nobody knew. */
export async function booked(
  market: Market,
  stall: Stall,
  client: QueueClient,
  process: SimulatedProcess,
  { kind, key, fence = 0, content, chain }: Booking,
  ask: () => Promise<unknown>,
): Promise<void> {
  const { stage, callers, effects, pending } = market;
  const { world, coverage } = stage;
  const operation = stall.history.begin(kind, key, world.nowMs(), fence, content);
  const call = callers.begin(deedOf(kind, key, content ?? '', fence) ?? `${kind} ${key}`, chain);
  const waiting = { process, what: call.deed };
  const end = (outcome: CallOutcome, version = 0): void =>
    stall.history.end(operation, outcome, world.nowMs(), version);
  pending.add(waiting);
  try {
    const result = await ask();
    end('ok', versionIn(result));
    callers.end(call, 'ok', effects);
    coverage.count(`${kind} ok`);
  } catch (error) {
    const outcome = outcomeOf(error);
    end(outcome);
    callers.end(call, outcome, effects);
    coverage.count(`${kind} ${codeOf(error)}`);
    if (!isRaftsmanError(error)) stage.judge.violated('R2', `${call.deed} ended with ${String(error)}`);
    const told = outcome === 'unknown' ? await resolved(market, client, process, error) : undefined;
    if (told === undefined) return;
    callers.resolved(call, told.wasApplied, effects);
    end(told.wasApplied ? 'ok' : 'refused', told.version);
  } finally {
    pending.delete(waiting);
  }
}

/** Asks what became of a call until somebody knows; undefined where the client cannot ask any more. */
async function resolved(
  market: Market,
  client: QueueClient,
  process: SimulatedProcess,
  error: unknown,
): Promise<{ readonly wasApplied: boolean; readonly version: number } | undefined> {
  const request = requestIn(error);
  if (request === undefined) return undefined;
  for (;;) {
    try {
      const told = await client.resolve(request, { timeoutMs: resolveTimeoutMs });
      market.stage.coverage.count(`resolve ${told.outcome}`);
      if (told.outcome === 'neverApplied') return neverApplied;
      return { wasApplied: true, version: versionIn(told.result) };
    } catch (failure) {
      const code = codeOf(failure);
      market.stage.coverage.count(`resolve ${code}`);
      if (unknowable.has(code)) return undefined;
      // The group refused the request itself, and that is the answer.
      if (!again.has(code)) return neverApplied;
      await sleep(process, askAgainMs);
    }
  }
}

const neverApplied = { wasApplied: false, version: 0 } as const;
const again: ReadonlySet<string> = new Set(['UNKNOWN_OUTCOME', 'DEADLINE_EXCEEDED', 'BUSY']);
/** Nobody remembers it, or nobody can be asked any more. */
const unknowable: ReadonlySet<string> = new Set(['REQUEST_SETTLED', 'CLIENT_EXPIRED', 'CLOSED']);

function outcomeOf(error: unknown): CallOutcome {
  return isRaftsmanError(error) ? error.outcome : 'unknown';
}

function requestIn(error: unknown): string | undefined {
  if (typeof error !== 'object' || error === null || !('requestId' in error)) return undefined;
  return typeof error.requestId === 'string' ? error.requestId : undefined;
}

function versionIn(result: unknown): number {
  if (typeof result !== 'object' || result === null || !('version' in result)) return 0;
  return typeof result.version === 'number' ? result.version : 0;
}
