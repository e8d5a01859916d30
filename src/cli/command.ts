import type { ArgumentSpec, Arguments } from './arguments.ts';

/** Signals that a command may ask for. */
export type TerminalSignal = 'SIGHUP' | 'SIGTERM' | 'SIGINT';

/** What a command has of its process. */
export interface Terminal {
  /** A line, or several, for the reader or for a pipe. */
  out(text: string): void;
  /** A line for the person at the terminal: errors and news. */
  err(text: string): void;
  /** @throws UsageError with one sentence if the file cannot be read. */
  readFile(path: string): Promise<string>;
  readonly env: Readonly<Record<string, string | undefined>>;
  onSignal(name: TerminalSignal, callback: () => void): void;
}

/** 0: done. 1: what was looked at is wrong, or the work failed. 2: the command line is wrong, or names a file that cannot be read. */
export type ExitCode = 0 | 1 | 2;

export interface Command extends ArgumentSpec {
  /** Its words, as typed: `shards check`. */
  readonly name: string;
  /** One line of `--help`. */
  readonly summary: string;
  /** What else its own `--help` says; lines of at most 80 columns. */
  readonly details: string;
  /** What `--json` prints when the command fails before it has anything else to say. */
  failure(message: string): object;
  /** @throws UsageError for arguments that make no sense together. */
  run(given: Arguments, terminal: Terminal): Promise<ExitCode>;
}
