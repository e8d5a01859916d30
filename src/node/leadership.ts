import { LeadershipLostError } from '../base/errors.ts';

/** What a leader's callback holds. All of it is computed from the clock at the time of the call (I15). */
export interface Leadership {
  /** The Raft term of this leadership. */
  readonly term: number;
  /** A safe integer that only grows over all leaderships of the group: hand it to whatever you write to. */
  readonly fencingToken: number;
  /** Aborts when the scope ends, a margin before the lease can. Late when the event loop is blocked: a hint, not a proof. */
  readonly signal: AbortSignal;
  /** True while no other node can be inside its scope. */
  readonly held: boolean;
  /** Milliseconds until the scope ends unless the lease is renewed; 0 when it has ended. */
  remainingMs(): number;
  /** @throws LeadershipLostError when the scope has ended; synchronous, reads the clock, true also after a blocked loop. */
  assertHeld(): void;
}

/** How a callback of `runWhileLeader` ends and fails. */
export interface RunWhileLeaderOptions {
  /** Ends the run: the scope closes, the callback drains, the promise resolves. */
  readonly signal?: AbortSignal | undefined;
  /** How long the callback may go on after `leadership.signal` has aborted before it is an overrun; 5,000 by default. */
  readonly drainMs?: number | undefined;
  /** A callback that throws: hand over and try again later (`retry`, the default), or hand over and reject (`stop`). */
  readonly onError?: 'retry' | 'stop' | undefined;
}

/** The job that runs on the leader only; what it returns is ignored. */
export type LeaderCallback = (leadership: Leadership) => unknown;

/** What is known now: how long the scope still lasts, or why it is over. */
export type Standing = { readonly remainingMs: number } | { readonly lost: string };

/** One opened scope. It ends once and for good; who looks at it first after the lease ran out ends it. */
export class OpenScope implements Leadership {
  readonly term: number;
  readonly fencingToken: number;
  readonly #controller = new AbortController();
  readonly #look: () => Standing;
  #ended: string | undefined;
  /** Told once, synchronously, after the signal has aborted. */
  readonly #onEnd: () => void;

  constructor(term: number, fencingToken: number, look: () => Standing, onEnd: () => void) {
    this.term = term;
    this.fencingToken = fencingToken;
    this.#look = look;
    this.#onEnd = onEnd;
  }

  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  /** Why it ended, undefined while nobody has found that it did. */
  get ended(): string | undefined {
    return this.#ended;
  }

  get held(): boolean {
    return this.remainingMs() > 0;
  }

  // Bound, so that a callback may take them apart: ({ assertHeld, signal }) => ...
  readonly remainingMs: () => number = () => {
    if (this.#ended !== undefined) return 0;
    const standing = this.#look();
    if ('remainingMs' in standing) return standing.remainingMs;
    this.end(standing.lost);
    return 0;
  };

  readonly assertHeld: () => void = () => {
    if (this.held) return;
    throw new LeadershipLostError(this.term, this.#ended ?? 'the lease ran out');
  };

  end(why: string): void {
    if (this.#ended !== undefined) return;
    this.#ended = why;
    this.#controller.abort(new LeadershipLostError(this.term, why));
    this.#onEnd();
  }
}
