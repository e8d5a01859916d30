import type { GroupId } from '../base/ids.ts';
import type { Storage, StorageWrite } from '../ports/storage.ts';
import type { PersistRequest } from '../raft/types.ts';

interface Pending {
  readonly write: StorageWrite;
  /** The newest request in this write; its completion covers all before it. */
  readonly token: number;
}

export interface StorageQueueEvents {
  /** Everything of the group up to `token` is durable. */
  persisted(group: GroupId, token: number): void;
  /** The disk failed; nothing more is ever reported. */
  failed(error: Error): void;
  /** A batch took so long from `append` to its completion. */
  synced(tookMs: number): void;
}

/**
 * Keeps one batch in flight. What arrives meanwhile is merged per group into the next one, so a slow disk makes larger
 * batches and never a queue. The entries in memory are those of the cores' logs; nothing is copied.
 */
export class StorageQueue {
  readonly #storage: Pick<Storage, 'append'>;
  readonly #nowMs: () => number;
  readonly #events: StorageQueueEvents;
  #next = new Map<GroupId, Pending>();
  #inFlightSinceMs: number | undefined;
  #failed = false;
  #waiting: { batches: number; readonly resolve: () => void }[] = [];

  constructor(storage: Pick<Storage, 'append'>, nowMs: () => number, events: StorageQueueEvents) {
    this.#storage = storage;
    this.#nowMs = nowMs;
    this.#events = events;
  }

  /** Monotonic ms at which the batch in flight was handed to the disk; undefined when there is none. */
  get inFlightSinceMs(): number | undefined {
    return this.#inFlightSinceMs;
  }

  push(group: GroupId, request: PersistRequest): void {
    const before = this.#next.get(group)?.write;
    const write = { group, ...(before === undefined ? writeOf(request) : merge(before, request)) };
    this.#next.set(group, { write, token: request.token });
  }

  /** Hands what has gathered to the disk if it is free; called at the end of a turn. */
  start(): void {
    if (this.#failed || this.#inFlightSinceMs !== undefined || this.#next.size === 0) return;
    const batch = [...this.#next.values()];
    this.#next = new Map();
    const startedMs = this.#nowMs();
    this.#inFlightSinceMs = startedMs;
    // A batch that the disk refuses outright is a defect: it ends the node, wherever this was called from.
    try {
      this.#storage.append(
        batch.map((pending) => pending.write),
        (error) => this.#done(batch, startedMs, error),
      );
    } catch (error) {
      this.#done(batch, startedMs, error instanceof Error ? error : new Error(String(error)));
    }
  }

  /** Resolves when all that was pushed so far is durable, or the disk failed; what is pushed later is not waited for. */
  written(): Promise<void> {
    const batches = (this.#inFlightSinceMs === undefined ? 0 : 1) + (this.#next.size > 0 ? 1 : 0);
    if (this.#failed || batches === 0) return Promise.resolve();
    return new Promise((resolve) => this.#waiting.push({ batches, resolve }));
  }

  #done(batch: readonly Pending[], startedMs: number, error: Error | undefined): void {
    this.#inFlightSinceMs = undefined;
    if (error !== undefined) {
      this.#failed = true;
      this.#events.failed(error);
    } else {
      this.#events.synced(this.#nowMs() - startedMs);
      for (const { write, token } of batch) this.#events.persisted(write.group, token);
    }
    for (const waiting of this.#waiting) {
      waiting.batches--;
      if (this.#failed || waiting.batches === 0) waiting.resolve();
    }
    this.#waiting = this.#waiting.filter(({ batches }) => !this.#failed && batches > 0);
    this.start();
  }
}

type Work = Omit<StorageWrite, 'group'>;

function writeOf({ hardState, truncateFrom, entries }: PersistRequest): Work {
  return { hardState, truncateFrom, entries };
}

/** One write that leaves the disk as the two would, one after the other. */
function merge(before: Work, next: PersistRequest): Work {
  const from = next.truncateFrom ?? Number.POSITIVE_INFINITY;
  const kept = before.entries.filter((entry) => entry.index < from);
  return {
    hardState: next.hardState ?? before.hardState,
    truncateFrom: cutOf(before, from),
    entries: kept.length === 0 ? next.entries : [...kept, ...next.entries],
  };
}

/** A cut among entries that have not reached the disk needs no truncation there. */
function cutOf(before: Work, from: number): number | undefined {
  const first = before.entries[0];
  if (first !== undefined && from >= first.index) return before.truncateFrom;
  const cut = Math.min(before.truncateFrom ?? Number.POSITIVE_INFINITY, from);
  return Number.isFinite(cut) ? cut : undefined;
}
