import type { LogEntry } from '../raft/types.ts';

/** One command as it is stored in an entry: opaque to everything but the state machine. */
export type Command = Uint8Array;

/**
 * The application of a group. Deterministic: the same entries give the same state and results on every node; no clock, no
 * randomness, no order of a hash table. It never throws on what the log says; a throw moves the node to `failed`.
 */
export interface StateMachine {
  /**
   * Applies the next committed entry, in index order. `commands` is empty for a no-op and for the bootstrap entry, which are
   * applied too because they carry log time and open a term.
   *
   * @returns one result per command.
   */
  apply(entry: LogEntry, commands: readonly Command[]): readonly Uint8Array[];
  /** A digest of the whole state in hex; equal on all nodes that applied the same prefix (I7). For tests and checkers. */
  digest(): string;
}
