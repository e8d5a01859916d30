import type { Scheduled } from '../ports/clock.ts';
import type { Link } from '../ports/transport.ts';
import { type Refusal, refusalOf } from '../wire/close-codes.ts';
import { Dialler, type DiallerRole } from './dialler.ts';
import type { HandshakePorts } from './handshake.ts';
import { dialTimeoutMs } from './limits.ts';
import { LiveLink } from './live-link.ts';

/** How a dial ended without a link. */
export type DialFailure =
  /** Nobody listens there. */
  | { readonly type: 'unreachable'; readonly why: string }
  /** Gave up waiting. */
  | { readonly type: 'timeout' }
  /** Closed before the other side said who it is, without a reason. */
  | { readonly type: 'closed' }
  | { readonly type: 'refused'; readonly refusal: Refusal; readonly by: 'local' | 'remote' };

export interface DialOwner<Identity> {
  /** Nothing was heard for `silenceMs`; said once at most, the dial goes on. */
  silent(): void;
  judge(identity: Identity, live: LiveLink): Refusal | undefined;
  passed(identity: Identity, live: LiveLink): void;
  failed(failure: DialFailure): void;
}

export interface DialOptions<Identity> extends HandshakePorts {
  readonly role: DiallerRole<Identity>;
  readonly silenceMs: number;
  dial(signal: AbortSignal): Promise<Link>;
}

/** One dial with its handshake; ends once, by `passed`, `failed` or `abort`. */
export class DialAttempt<Identity> {
  readonly #options: DialOptions<Identity>;
  readonly #owner: DialOwner<Identity>;
  readonly #connecting = new AbortController();
  #dialler: Dialler<Identity> | undefined;
  #timeout: Scheduled | undefined;
  #silence: Scheduled | undefined;
  #isOver = false;

  constructor(options: DialOptions<Identity>, owner: DialOwner<Identity>) {
    this.#options = options;
    this.#owner = owner;
  }

  start(): void {
    const { clock, dial } = this.#options;
    this.#awaitSign();
    this.#timeout = clock.after(dialTimeoutMs, () => {
      this.#end(() => {
        this.#connecting.abort(new Error(`no link after ${dialTimeoutMs} ms`));
        this.#owner.failed({ type: 'timeout' });
      });
    });
    // A transport of the application may throw where it should reject.
    new Promise<Link>((resolve) => resolve(dial(this.#connecting.signal))).then(
      (link) => this.#onLink(link),
      (error) => this.#end(() => this.#owner.failed({ type: 'unreachable', why: textOf(error) })),
    );
  }

  /** Ends the attempt; the owner is not told. */
  abort(): void {
    this.#end(() => {
      this.#connecting.abort(new Error('no longer needed'));
      this.#dialler?.abandon('duplicateLink');
    });
  }

  #onLink(link: Link): void {
    const live = new LiveLink(link, this.#options.clock.monotonicMs());
    if (this.#isOver) {
      live.refuse('duplicateLink');
      return;
    }
    this.#timeout?.cancel();
    this.#awaitSign();
    this.#dialler = new Dialler(live, this.#options, this.#options.role, {
      heard: () => this.#silence?.cancel(),
      judge: (identity) => this.#owner.judge(identity, live),
      passed: (identity) => this.#end(() => this.#owner.passed(identity, live)),
      failed: (refusal, code) => this.#end(() => this.#owner.failed(failureOf(refusal, code))),
    });
  }

  #awaitSign(): void {
    this.#silence?.cancel();
    this.#silence = this.#options.clock.after(this.#options.silenceMs, () => this.#owner.silent());
  }

  #end(then: () => void): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#timeout?.cancel();
    this.#silence?.cancel();
    then();
  }
}

function failureOf(refusal: Refusal | undefined, code: number): DialFailure {
  if (refusal === 'handshakeTimeout') return { type: 'timeout' };
  if (refusal !== undefined) return { type: 'refused', refusal, by: 'local' };
  const theirs = refusalOf(code);
  return theirs === undefined ? { type: 'closed' } : { type: 'refused', refusal: theirs, by: 'remote' };
}

function textOf(error: unknown): string {
  return error instanceof Error ? error.message : 'failed';
}
