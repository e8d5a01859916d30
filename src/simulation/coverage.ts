/** How often each fault, shape and checked situation occurred; what stays at 0 over a whole batch was never tested. */
export class Coverage {
  readonly #counts = new Map<string, number>();

  count(name: string, times = 1): void {
    this.#counts.set(name, (this.#counts.get(name) ?? 0) + times);
  }

  add(other: Readonly<Record<string, number>>): void {
    for (const [name, times] of Object.entries(other)) this.count(name, times);
  }

  toJSON(): Readonly<Record<string, number>> {
    return Object.fromEntries([...this.#counts].sort(([a], [b]) => (a < b ? -1 : 1)));
  }

  /** The names of `required` that were never counted. */
  missing(required: readonly string[]): string[] {
    return required.filter((name) => (this.#counts.get(name) ?? 0) === 0);
  }
}
