/** An invariant of docs/reference (I1, Q3, ...) that did not hold. */
export interface Violation {
  readonly invariant: string;
  readonly atMs: number;
  readonly message: string;
}

/** Where checkers speak: what broke, and which pre-conditions were met at all (a check that never ran has shown nothing). */
export class Judge {
  readonly #now: () => number;
  readonly #violations: Violation[] = [];
  readonly #reached = new Map<string, number>();
  #listener: ((violation: Violation) => void) | undefined;

  constructor(now: () => number) {
    this.#now = now;
  }

  onViolation(listener: (violation: Violation) => void): void {
    this.#listener = listener;
  }

  violated(invariant: string, message: string): void {
    const violation = { invariant, atMs: this.#now(), message };
    this.#violations.push(violation);
    this.#listener?.(violation);
  }

  /** A situation in which the named check could have failed. */
  reached(name: string): void {
    this.#reached.set(name, (this.#reached.get(name) ?? 0) + 1);
  }

  get violations(): readonly Violation[] {
    return this.#violations;
  }

  get coverage(): ReadonlyMap<string, number> {
    return this.#reached;
  }
}
