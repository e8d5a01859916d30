import { UsageError } from '../../src/cli/arguments.ts';
import type { Terminal } from '../../src/cli/command.ts';

/** A terminal that keeps what is written, over files that are texts. */
export class TestTerminal implements Terminal {
  readonly env = {};
  readonly #files: Readonly<Record<string, string>>;
  readonly #out: string[] = [];
  readonly #err: string[] = [];

  constructor(files: Readonly<Record<string, string>> = {}) {
    this.#files = files;
  }

  get stdout(): string {
    return this.#out.join('\n');
  }

  get stderr(): string {
    return this.#err.join('\n');
  }

  out(text: string): void {
    this.#out.push(text);
  }

  err(text: string): void {
    this.#err.push(text);
  }

  readFile(path: string): Promise<string> {
    const text = this.#files[path];
    if (text === undefined)
      return Promise.reject(new UsageError(`cannot read ${path}: there is no such file`));
    return Promise.resolve(text);
  }

  onSignal(): void {}
}
