import { InvalidArgumentError, ProtocolError } from '../base/errors.ts';
import type { Command, StateMachine } from '../ports/state-machine.ts';
import type { Bucketing } from '../queue/occupancy.ts';
import { QueueState } from '../queue/queue-state.ts';
import type { QueueCommand, QueueEvents, QueueResult } from '../queue/types.ts';
import type { LogEntry } from '../raft/types.ts';
import { createPartitioner } from '../sharding/partitioner.ts';
import type { Partition } from '../sharding/types.ts';
import { decodeCommand } from '../wire/queue-codec.ts';
import { encodeResult } from '../wire/queue-result.ts';

/** The refresh queue as the application of a group: commands and results are bytes here, and nowhere else. */
export class QueueMachine implements StateMachine {
  readonly state: QueueState = new QueueState({ partitioner });
  #events: QueueEvents = this.state.takeEvents();

  /** What the entry that was applied last changed for people who wait. */
  get events(): QueueEvents {
    return this.#events;
  }

  apply(entry: LogEntry, commands: readonly Command[]): readonly Uint8Array[] {
    if (entry.kind === 'noop') this.state.opened(entry.stampMs, entry.index, entry.term);
    const results = commands.map((command) => encodeResult(this.#applyOne(entry, command)));
    this.#events = this.state.takeEvents();
    return results;
  }

  digest(): string {
    return this.state.digest();
  }

  /** Bytes that are no command are refused on every node alike: what the log says never throws. */
  #applyOne(entry: LogEntry, bytes: Command): QueueResult {
    const command = decoded(bytes);
    if (command === undefined)
      return { type: 'refused', code: 'INVALID_ARGUMENT', message: 'not a command of the queue' };
    return this.state.apply(entry.stampMs, command, entry);
  }
}

function partitioner(partition: Partition): Bucketing | undefined {
  try {
    return createPartitioner(partition);
  } catch (error) {
    if (error instanceof InvalidArgumentError) return undefined;
    throw error;
  }
}

function decoded(bytes: Command): QueueCommand | undefined {
  try {
    return decodeCommand(bytes);
  } catch (error) {
    if (error instanceof ProtocolError) return undefined;
    throw error;
  }
}
