import { isRaftsmanError } from '../base/errors.ts';
import type { Codec, Queue, QueueClient } from '../client/types.ts';
import type { AuthorizationServer } from './authorization-server.ts';
import type { OperationOutcome, QueueHistory } from './checkers/queue-history.ts';
import type { Coverage } from './coverage.ts';
import type { SimulatedProcess } from './simulated-process.ts';

/** What all programs of a world share: the books, the provider, and whether they still begin new work. */
export interface Shop {
  readonly tokens: QueueHistory;
  readonly jobs: QueueHistory;
  readonly provider: AuthorizationServer;
  readonly coverage: Coverage;
  /** The processes of calls that are not answered yet. */
  readonly pending: Set<{ readonly process: SimulatedProcess }>;
  /** Ends the loops of the updaters that run. */
  readonly closers: Set<() => void>;
  /** False when the run comes to its end: nothing new is begun. */
  isOpen: boolean;
}

/** Names of the queues. */
const tokenQueue = 'tokens';
const jobQueue = 'jobs';
export const providers = { rotating: 'rot', burying: 'bury', fixed: 'fix' } as const;

const text: Codec<string> = {
  encode: (value: string) => new TextEncoder().encode(value),
  decode: (bytes: Uint8Array) => new TextDecoder().decode(bytes),
};

export function tokensOf(client: QueueClient): Queue<string> {
  return client.queue(tokenQueue, { codec: text });
}

export function jobsOf(client: QueueClient): Queue<string> {
  return client.queue(jobQueue, { codec: text });
}

/** A refresh token and what else a payload holds: the token, then a number that makes each payload its own. */
export function tokenIn(payload: string): string {
  return payload.split('#')[0]!;
}

export const jobIds: readonly string[] = [
  'job-1',
  'job-2',
  'job-3',
  'job-4',
  'job-5',
  'job-6',
  'once-1',
  'once-2',
  'once-3',
];
export const tokenIds: readonly string[] = [
  't-1',
  't-2',
  't-3',
  't-4',
  't-5',
  't-6',
  't-7',
  't-8',
  't-9',
  't-10',
];

export type Booked = (ask: () => Promise<unknown>) => Promise<void>;

/** Writes a call into the books: when it began, when it ended and how. */
export function booked(
  shop: Shop,
  process: SimulatedProcess,
  history: QueueHistory,
  begin: (nowMs: number) => Parameters<QueueHistory['end']>[0],
): Booked {
  return async (ask) => {
    const { world } = process.host;
    const operation = begin(world.nowMs());
    const call = { process };
    shop.pending.add(call);
    try {
      const result = await ask();
      history.end(operation, 'ok', world.nowMs(), versionIn(result));
      shop.coverage.count(`${operation.kind} ok`);
    } catch (error) {
      history.end(operation, outcomeOf(error), world.nowMs());
      shop.coverage.count(`${operation.kind} ${codeOf(error)}`);
      if (!isRaftsmanError(error))
        world.note(`${process.host.name}: ${operation.kind} ended with ${String(error)}`);
    } finally {
      shop.pending.delete(call);
    }
  };
}

function outcomeOf(error: unknown): OperationOutcome {
  return isRaftsmanError(error) ? error.outcome : 'unknown';
}

export function codeOf(error: unknown): string {
  if (isRaftsmanError(error)) return error.code;
  return error instanceof Error ? error.name : 'thrown';
}

function versionIn(result: unknown): number {
  if (typeof result !== 'object' || result === null || !('version' in result)) return 0;
  return typeof result.version === 'number' ? result.version : 0;
}
