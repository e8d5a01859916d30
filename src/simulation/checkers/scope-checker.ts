import type { Judge } from './judge.ts';

/** What was handed to the application, read from outside; both answers come from the clock of that machine, paused or not. */
export interface ObservedScope {
  readonly node: string;
  readonly fencingToken: number;
  isHeld(): boolean;
  assertsHeld(): boolean;
}

/** I12 for scopes (tokens only grow), I14 (no two scopes at one moment), I15 (both ways of asking agree, at the time of asking). */
export class ScopeChecker {
  readonly #judge: Judge;
  readonly #scopes = new Set<ObservedScope>();
  #highestToken = 0;

  constructor(judge: Judge) {
    this.#judge = judge;
  }

  opened(scope: ObservedScope): void {
    if (this.#highestToken > 0) this.#judge.reached('I12 scope');
    if (!(scope.fencingToken > this.#highestToken) || !Number.isSafeInteger(scope.fencingToken)) {
      this.#judge.violated(
        'I12',
        `${scope.node} opened a scope with token ${scope.fencingToken} after ${this.#highestToken}`,
      );
    }
    this.#highestToken = Math.max(this.#highestToken, scope.fencingToken);
    this.#scopes.add(scope);
  }

  /** The callback has returned or its process is dead: nobody acts under this scope any more. */
  left(scope: ObservedScope): void {
    this.#scopes.delete(scope);
  }

  /** Call after every step. A single scope is not asked: asking could end it earlier than its owner would have found out. */
  check(): void {
    if (this.#scopes.size < 2) return;
    let holder: ObservedScope | undefined;
    for (const scope of this.#scopes) {
      const held = scope.isHeld();
      if (held !== scope.assertsHeld()) {
        this.#judge.violated('I15', `${scope.node}: held is ${held}, assertHeld says otherwise`);
      }
      if (!held) continue;
      if (holder !== undefined) {
        this.#judge.violated(
          'I14',
          `${holder.node} and ${scope.node} hold the scope at once (tokens ${holder.fencingToken}, ${scope.fencingToken})`,
        );
      }
      holder = scope;
    }
    if (holder !== undefined) this.#judge.reached('I14');
  }
}
