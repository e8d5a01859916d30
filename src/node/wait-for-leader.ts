import type { Clock } from '../ports/clock.ts';
import type { NodeView } from './node-events.ts';

export interface WaitForLeaderOptions {
  /** Aborts the wait, which rejects with `signal.reason`. */
  readonly signal?: AbortSignal | undefined;
  readonly timeoutMs?: number | undefined;
}

type Observe = (options: { readonly signal: AbortSignal }) => AsyncIterable<NodeView>;

/**
 * Reads views until one names a leader.
 *
 * @returns undefined when the views ended, or the time was over.
 */
export async function waitForLeader(
  observe: Observe,
  clock: Clock,
  { signal, timeoutMs }: WaitForLeaderOptions,
): Promise<(NodeView & { readonly leaderId: string }) | undefined> {
  signal?.throwIfAborted();
  const late = new AbortController();
  const timer = timeoutMs === undefined ? undefined : clock.after(timeoutMs, () => late.abort());
  const either = signal === undefined ? late.signal : AbortSignal.any([signal, late.signal]);
  try {
    for await (const view of observe({ signal: either })) {
      if (view.leaderId !== null) return { ...view, leaderId: view.leaderId };
    }
  } finally {
    timer?.cancel();
  }
  signal?.throwIfAborted();
  return undefined;
}
