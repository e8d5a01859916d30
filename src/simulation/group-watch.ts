import type { GroupHandle } from '../node/types.ts';
import type { StateMachine } from '../ports/state-machine.ts';
import type { LogEntry } from '../raft/types.ts';
import {
  type ObservedCommand,
  type ObservedResult,
  observeBatch,
  observeResult,
} from './checkers/observed-command.ts';

/** Told of each command of a group once, in the order of its log, when the first of its nodes applies it. */
export type OnCommand = (command: ObservedCommand, result: ObservedResult, entry: LogEntry) => void;

/** Watches what the nodes of one group apply, and what their state machines answer. */
export class GroupWatch {
  readonly #onCommand: OnCommand;
  #appliedIndex = 0;

  constructor(onCommand: OnCommand) {
    this.#onCommand = onCommand;
  }

  /** Stands before the machine of one process. */
  watch(group: GroupHandle): void {
    const machine: StateMachine = group.machine;
    const apply = machine.apply.bind(machine);
    machine.apply = (entry, commands) => {
      const results = apply(entry, commands);
      this.#applied(entry, results);
      return results;
    };
  }

  #applied(entry: LogEntry, results: readonly Uint8Array[]): void {
    if (entry.index <= this.#appliedIndex) return;
    if (this.#appliedIndex > 0 && entry.index !== this.#appliedIndex + 1)
      throw new Error(`the watch saw entry ${entry.index} after ${this.#appliedIndex}`);
    this.#appliedIndex = entry.index;
    if (entry.kind !== 'commands') return;
    for (const [place, command] of observeBatch(entry.data).entries()) {
      const result = results[place];
      if (result !== undefined) this.#onCommand(command, observeResult(result), entry);
    }
  }
}
