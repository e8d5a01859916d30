import type { Leadership } from '../node/leadership.ts';
import type { Node } from '../node/node.ts';
import type { ObservedScope, ScopeChecker } from './checkers/scope-checker.ts';
import type { Coverage } from './coverage.ts';
import type { Prng } from './prng.ts';
import type { SimulatedProcess } from './simulated-process.ts';

/** The application of a node in the world: works while it leads, drains in its own time, now and then returns early or throws. */
export class ScopeUser {
  readonly #checker: ScopeChecker;
  readonly #coverage: Coverage;
  readonly #random: Prng;
  /** False in the liveness phase: then the callback works until its signal aborts. */
  isMoody = true;

  constructor(checker: ScopeChecker, coverage: Coverage, random: Prng) {
    this.#checker = checker;
    this.#coverage = coverage;
    this.#random = random;
  }

  run(name: string, process: SimulatedProcess, node: Node): void {
    const note = (text: string): void => process.host.world.note(`${name} ${text}`);
    node
      .runWhileLeader((leadership) => this.#lead(name, process, leadership), { drainMs: 1_000 })
      .catch((error: unknown) =>
        note(`ends its run: ${error instanceof Error ? error.message : String(error)}`),
      );
  }

  async #lead(name: string, process: SimulatedProcess, leadership: Leadership): Promise<void> {
    const scope: ObservedScope = {
      node: name,
      fencingToken: leadership.fencingToken,
      isHeld: () => leadership.held,
      assertsHeld: () => {
        try {
          leadership.assertHeld();
          return true;
        } catch {
          return false;
        }
      },
    };
    process.host.world.note(
      `${name} opens the scope of term ${leadership.term}, token ${leadership.fencingToken}`,
    );
    this.#coverage.count('scope opened');
    this.#checker.opened(scope);
    process.onDeath(() => this.#checker.left(scope));
    try {
      await this.#work(process, leadership);
    } finally {
      process.host.world.note(`${name} leaves the scope of token ${leadership.fencingToken}`);
      this.#checker.left(scope);
    }
  }

  async #work(process: SimulatedProcess, leadership: Leadership): Promise<void> {
    const mood = this.isMoody ? this.#random.next() : 1;
    if (mood < 0.1) {
      await sleep(process, this.#random.between(0, 500));
      this.#coverage.count('scope returned');
      return;
    }
    if (mood < 0.2) {
      await sleep(process, this.#random.between(0, 500));
      this.#coverage.count('scope threw');
      throw new Error('the work of the leader failed');
    }
    await aborted(leadership.signal);
    // Most drain in time; some overrun their second.
    await sleep(process, this.#random.chance(0.1) ? 1_500 : this.#random.between(0, 300));
  }
}

function sleep(process: SimulatedProcess, ms: number): Promise<void> {
  return new Promise((resolve) => process.after(ms, resolve));
}

function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener('abort', () => resolve(), { once: true });
  });
}
