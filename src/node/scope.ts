import { ClosedError, InvalidArgumentError, LeadershipLostError } from '../base/errors.ts';
import type { Lease, RaftView } from '../raft/types.ts';
import { type LeaderCallback, OpenScope, type RunWhileLeaderOptions, type Standing } from './leadership.ts';

/** How long a callback may go on after its signal has aborted, unless it says otherwise. */
export const drainMsDefault = 5_000;
/** After its first failure a callback is tried again so much later; each failure in a row doubles it up to the maximum. */
export const unwillingMsMin = 1_000;
export const unwillingMsMax = 60_000;

/** A fresh no-op that the core did not take (its log was full) is asked for again so much later. */
const askAgainAfterMs = 1_000;

/** What a scope asks of the node around it. */
export interface ScopeHost {
  /** Monotonic. */
  nowMs(): number;
  /** How long the machine slept, 0 when it did not. */
  sleptMs(): number;
  view(): RaftView;
  lease(): Lease | undefined;
  appliedIndex(): number;
  freshNoop(): void;
  /** Hands leadership to another voter if there is one, and does not ask for it for so long. */
  stepAside(unwillingMs: number): void;
  /** Gives leadership up and does not ask for it for so long; 0 takes an earlier unwillingness back. */
  abdicate(unwillingMs: number): void;
  wake(): void;
  scopeError(error: unknown, term: number, retryInMs: number | undefined): void;
  overrun(term: number, drainMs: number): void;
}

interface Runner {
  readonly callback: LeaderCallback;
  readonly drainMs: number;
  readonly onError: 'retry' | 'stop';
  readonly settle: (error?: { readonly reason: unknown }) => void;
  failures: number;
  finishing: boolean;
}

interface Draining {
  readonly drainMs: number;
  readonly untilMs: number;
  overrun: boolean;
  /** The last term that was given up because of it. */
  abdicatedTerm: number;
}

/**
 * The exclusive scope of a group: runs one callback while this node leads and its lease is exclusively its own. Closes in the
 * step that takes leadership away, before that step's messages leave. Judged by the clock at use, never by a timer (I15).
 */
export class Scope {
  readonly #host: ScopeHost;
  readonly #marginMs: number;
  #runner: Runner | undefined;
  #open: OpenScope | undefined;
  #draining: Draining | undefined;
  #provenUntilMs = Number.NEGATIVE_INFINITY;
  #idleTerm = 0;
  #usedToken = 0;
  #askedAtToken = 0;
  #askAgainMs = 0;
  #notBeforeMs = Number.NEGATIVE_INFINITY;
  #heldBack = false;
  #closed: Error | undefined;
  #drained: (() => void)[] = [];

  /** @param marginMs - the scope ends so long before the lease can. */
  constructor(host: ScopeHost, marginMs: number) {
    this.#host = host;
    this.#marginMs = marginMs;
  }

  /** The scope that is open and not known to have ended. */
  current(): OpenScope | undefined {
    return this.#open?.ended === undefined ? this.#open : undefined;
  }

  run(callback: LeaderCallback, options: RunWhileLeaderOptions): Promise<void> {
    const { signal, drainMs = drainMsDefault, onError = 'retry' } = options;
    if (this.#closed !== undefined) return Promise.reject(this.#closed);
    if (!(drainMs >= 0))
      return Promise.reject(new InvalidArgumentError(`drainMs must be 0 or more, got ${drainMs}`));
    if (this.#runner !== undefined) {
      const why = 'runWhileLeader is already running on this node: one callback at a time';
      return Promise.reject(new InvalidArgumentError(why));
    }
    if (signal?.aborted) return Promise.resolve();
    return new Promise((resolve, reject) => {
      const stop = (): void => this.#finish(runner, 'the caller stopped it');
      const settle = (error?: { readonly reason: unknown }): void => {
        signal?.removeEventListener('abort', stop);
        if (error === undefined) resolve();
        else reject(error.reason);
      };
      const runner: Runner = { callback, drainMs, onError, settle, failures: 0, finishing: false };
      signal?.addEventListener('abort', stop, { once: true });
      this.#runner = runner;
      this.#host.wake();
    });
  }

  /** After each step of the core, before its messages leave: ends a scope that the step ended. */
  afterStep(): void {
    this.#open?.remainingMs();
  }

  /** Monotonic ms at which `evaluate` has work. */
  deadlineMs(nowMs: number): number {
    const lease = this.#host.lease();
    if (this.#draining !== undefined)
      return this.#draining.overrun ? Number.POSITIVE_INFINITY : this.#draining.untilMs;
    if (lease === undefined) return Number.POSITIVE_INFINITY;
    if (this.#open !== undefined) return this.#provenUntilMs - this.#marginMs;
    if (this.#runner === undefined) return Number.POSITIVE_INFINITY;
    const opensMs = Math.max(lease.exclusiveFromMs, this.#notBeforeMs);
    return opensMs > nowMs ? opensMs : Number.POSITIVE_INFINITY;
  }

  /** At the end of each turn: opens what may open, reports what drains for too long. */
  evaluate(nowMs: number): void {
    this.#open?.remainingMs();
    if (this.#draining !== undefined) this.#watchDrain(this.#draining, nowMs);
    else if (this.#open === undefined) this.#tryToOpen(nowMs);
  }

  /** Ends the scope for a reason that the core does not know. */
  end(why: string): void {
    this.#open?.end(why);
  }

  /** Ends the scope and opens none until `release`. Resolves when the callback has settled, or overran. */
  hold(why: string): Promise<void> {
    this.#heldBack = true;
    this.end(why);
    return this.#whenDrained();
  }

  release(): void {
    this.#heldBack = false;
    this.#host.wake();
  }

  /** Ends the scope and the run for good; the run resolves, or rejects with `failure`. Resolves like `hold`. */
  close(why: string, failure?: Error): Promise<void> {
    this.#closed ??= failure ?? new ClosedError('the node is closed');
    if (failure !== undefined) this.#settleRunner({ reason: failure });
    this.end(why);
    if (this.#runner !== undefined) this.#finish(this.#runner, why);
    if (failure !== undefined) this.#stopWatching();
    return this.#whenDrained();
  }

  /** No turn comes any more that would see the time of the callback end: nobody waits for it. */
  #stopWatching(): void {
    if (this.#draining !== undefined) this.#draining.overrun = true;
    this.#tellDrained();
  }

  #tryToOpen(nowMs: number): void {
    const view = this.#host.view();
    const lease = this.#host.lease();
    if (this.#runner === undefined || this.#heldBack || lease === undefined || view.role !== 'leader') return;
    if (view.term === this.#idleTerm || nowMs < this.#notBeforeMs) return;
    if (view.transferringTo !== undefined || lease.noopIndex === 0) return;
    if (lease.noopIndex <= this.#usedToken) {
      this.#askForToken(nowMs);
      return;
    }
    if (this.#host.appliedIndex() < lease.noopIndex) return;
    if (nowMs < lease.exclusiveFromMs || nowMs >= lease.untilMs - this.#marginMs) return;
    this.#start(this.#runner, view.term, lease);
  }

  /** A scope was open in this term before: the next one needs a token of its own. */
  #askForToken(nowMs: number): void {
    if (this.#askedAtToken === this.#usedToken && nowMs < this.#askAgainMs) return;
    this.#askedAtToken = this.#usedToken;
    this.#askAgainMs = nowMs + askAgainAfterMs;
    this.#host.freshNoop();
  }

  #start(runner: Runner, term: number, lease: Lease): void {
    const fencingToken = lease.noopIndex;
    const open = new OpenScope(
      term,
      fencingToken,
      () => this.#standing(term),
      () => this.#ended(runner),
    );
    this.#open = open;
    this.#provenUntilMs = lease.untilMs;
    this.#usedToken = fencingToken;
    // In a microtask: what the callback does first is not part of the driver's turn.
    Promise.resolve(open)
      .then(runner.callback)
      .then(
        () => this.#returned(runner, open),
        (error: unknown) => this.#threw(runner, open, error),
      );
  }

  #standing(term: number): Standing {
    const view = this.#host.view();
    const lease = this.#host.lease();
    if (view.role !== 'leader' || view.term !== term) return { lost: 'this node no longer leads' };
    if (view.transferringTo !== undefined) return { lost: 'leadership is being handed over' };
    const slept = this.#host.sleptMs();
    if (slept > 0) return { lost: `the machine slept for ${Math.round(slept)} ms` };
    // A promise once given holds, also when the core wants a newer proof after a stall; only a hand-over voids it, see above.
    this.#provenUntilMs = Math.max(this.#provenUntilMs, lease?.untilMs ?? Number.NEGATIVE_INFINITY);
    const remainingMs = this.#provenUntilMs - this.#marginMs - this.#host.nowMs();
    return remainingMs > 0 ? { remainingMs } : { lost: 'the lease ran out' };
  }

  #ended(runner: Runner): void {
    const { drainMs } = runner;
    this.#draining = { drainMs, untilMs: this.#host.nowMs() + drainMs, overrun: false, abdicatedTerm: 0 };
    this.#host.wake();
  }

  #returned(runner: Runner, open: OpenScope): void {
    if (open.ended === undefined) {
      this.#idleTerm = open.term;
      open.end('the callback returned');
    }
    runner.failures = 0;
    this.#settled();
  }

  #threw(runner: Runner, open: OpenScope, error: unknown): void {
    const whileHeld = open.ended === undefined;
    open.end('the callback threw');
    if (whileHeld) this.#punish(runner, open.term, error);
    else if (!isOfTheEnd(error, open)) this.#host.scopeError(error, open.term, undefined);
    this.#settled();
  }

  /** Work that fails on this leader may succeed on another (pitfall 76). */
  #punish(runner: Runner, term: number, error: unknown): void {
    const stop = runner.onError === 'stop';
    const unwillingMs = Math.min(unwillingMsMax, unwillingMsMin * 2 ** runner.failures);
    runner.failures++;
    if (!stop) this.#notBeforeMs = this.#host.nowMs() + unwillingMs;
    this.#host.scopeError(error, term, stop ? undefined : unwillingMs);
    this.#host.stepAside(unwillingMs);
    if (stop) this.#settleRunner({ reason: error });
  }

  #settled(): void {
    const overran = this.#draining?.overrun === true;
    this.#open = undefined;
    this.#draining = undefined;
    if (overran) this.#host.abdicate(0);
    this.#tellDrained();
    this.#host.wake();
  }

  #watchDrain(draining: Draining, nowMs: number): void {
    const open = this.#open;
    if (open === undefined || nowMs < draining.untilMs) return;
    if (!draining.overrun) {
      draining.overrun = true;
      this.#host.overrun(open.term, draining.drainMs);
      this.#tellDrained();
    }
    const { role, term } = this.#host.view();
    // Once per term: the only voter of a cluster goes on leading whatever it is asked, and each request is another turn.
    if (role !== 'leader' || term === draining.abdicatedTerm) return;
    draining.abdicatedTerm = term;
    // Handed over, not dropped: a node whose log is the longest and which will not lead would leave the others without a leader.
    this.#host.stepAside(unwillingMsMax);
  }

  #finish(runner: Runner, why: string): void {
    if (runner !== this.#runner) return;
    runner.finishing = true;
    this.end(why);
    if (this.#open === undefined || this.#draining?.overrun === true) this.#settleRunner();
  }

  #tellDrained(): void {
    if (this.#runner?.finishing === true) this.#settleRunner();
    const drained = this.#drained;
    this.#drained = [];
    for (const resolve of drained) resolve();
  }

  #settleRunner(error?: { readonly reason: unknown }): void {
    const runner = this.#runner;
    this.#runner = undefined;
    runner?.settle(error);
  }

  #whenDrained(): Promise<void> {
    if (this.#open === undefined || this.#draining?.overrun === true) return Promise.resolve();
    return new Promise((resolve) => this.#drained.push(resolve));
  }
}

/** True for what a callback that obeys its signal throws. */
function isOfTheEnd(error: unknown, { signal }: OpenScope): boolean {
  if (error === signal.reason || error instanceof LeadershipLostError) return true;
  return error instanceof Error && error.name === 'AbortError';
}
