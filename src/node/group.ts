import { assert } from '../base/assert.ts';
import { InvalidArgumentError, NodeFailedError } from '../base/errors.ts';
import type { GroupId, NodeId } from '../base/ids.ts';
import type { Command, StateMachine } from '../ports/state-machine.ts';
import type {
  Input,
  Lease,
  LogEntry,
  Message,
  Now,
  Output,
  PersistRequest,
  RaftView,
} from '../raft/types.ts';
import { decodeCommandBatch } from './command-batch.ts';
import { commandBytesMax, type ProposalDone, Proposals } from './proposals.ts';
import { type ReadDone, Reads } from './reads.ts';
import type { GroupHandle } from './types.ts';

/** The consensus core as the driver sees it. */
export interface Core {
  step(input: Input, now: Now): Output;
}

/** What a group asks of the driver that hosts it. */
export interface GroupHost {
  readonly nodeId: NodeId;
  now(): Now;
  /** Puts an input of this group into the node's one inbox. */
  push(group: Group, input: Input): void;
  /** Sees to it that a turn comes. */
  wake(): void;
  /** Calls back soon, never inside the call. */
  soon(callback: () => void): void;
  persist(group: GroupId, request: PersistRequest): void;
  send(group: GroupId, to: NodeId, message: Message): void;
  /** After each step, before anything of it leaves. */
  stepped(group: Group, changed: boolean): void;
  transferEnded(group: Group, ok: boolean, why: string): void;
  rejected(count: number): void;
}

export interface GroupOptions {
  readonly id: GroupId;
  readonly core: Core;
  readonly machine: StateMachine;
  readonly host: GroupHost;
  /** How long a proposal is waited for after leadership was lost, before its outcome is reported as unknown. */
  readonly unknownAfterMs: number;
}

/** One Raft group of a node: carries out what its core says, in the order that keeps its promises. */
export class Group implements GroupHandle {
  readonly id: GroupId;
  readonly nodeId: NodeId;
  readonly machine: StateMachine;
  readonly #core: Core;
  readonly #host: GroupHost;
  readonly #proposals: Proposals;
  readonly #reads = new Reads();
  readonly #viewListeners = new Set<(view: RaftView) => void>();
  readonly #appliedListeners = new Set<(entry: LogEntry) => void>();
  #output: Output;
  #applied = { index: 0, term: 0, stampMs: 0 };
  #closed: 'closed' | 'failed' | undefined;

  constructor({ id, core, machine, host, unknownAfterMs }: GroupOptions) {
    this.id = id;
    this.nodeId = host.nodeId;
    this.machine = machine;
    this.#core = core;
    this.#host = host;
    this.#proposals = new Proposals(unknownAfterMs);
    this.#output = this.#core.step({ type: 'deadline' }, host.now());
  }

  /** Carries out what the core said when it was started. Called once, when everything around the group stands. */
  start(): void {
    this.#carryOut(this.#output, true);
  }

  view(): RaftView {
    return this.#output.view;
  }

  lease(): Lease | undefined {
    return this.#output.lease;
  }

  applied(): { readonly index: number; readonly term: number; readonly stampMs: number } {
    return this.#applied;
  }

  /** @throws InvalidArgumentError for a command above `commandBytesMax`. */
  propose(command: Command, done: ProposalDone): void {
    if (command.length > commandBytesMax) {
      throw new InvalidArgumentError(
        `a command has ${commandBytesMax} bytes at most, this one has ${command.length}`,
      );
    }
    const why = this.#closed ?? (this.#proposals.add(command, done) ? undefined : 'busy');
    if (why === undefined) this.#host.wake();
    else this.#host.soon(() => done({ type: 'refused', why }));
  }

  read(done: ReadDone): void {
    const why = this.#closed === undefined ? (this.#reads.add(done) ? undefined : 'busy') : 'closed';
    if (why === undefined) this.#host.wake();
    else this.#host.soon(() => done(why));
  }

  onView(listener: (view: RaftView) => void): () => void {
    this.#viewListeners.add(listener);
    return () => this.#viewListeners.delete(listener);
  }

  onApplied(listener: (entry: LogEntry) => void): () => void {
    this.#appliedListeners.add(listener);
    return () => this.#appliedListeners.delete(listener);
  }

  /** Monotonic ms at which this group wants a turn. */
  deadlineMs(): number {
    return Math.min(this.#output.deadlineMs, this.#proposals.deadlineMs);
  }

  /** Feeds one input and carries out what comes of it. */
  step(input: Input): void {
    const before = this.#output;
    const output = this.#core.step(input, this.#host.now());
    this.#output = output;
    this.#carryOut(output, output.view !== before.view);
  }

  /** Hands what was proposed and asked in this turn to the core: one entry, one read. */
  submit(): void {
    const proposals = this.#proposals.take();
    if (proposals.length > 0) this.step({ type: 'propose', proposals });
    const token = this.#reads.take();
    if (token !== undefined) this.step({ type: 'read', token });
  }

  /** Feeds the deadline if it has come. */
  tick(nowMs: number): void {
    this.#proposals.expire(nowMs, this.#leadingTerm());
    if (nowMs >= this.#output.deadlineMs) this.step({ type: 'deadline' });
  }

  /** Answers all that wait. Nothing is applied or answered afterwards. */
  close(why: 'closed' | 'failed'): void {
    if (this.#closed !== undefined) return;
    this.#closed = why;
    this.#proposals.close(why);
    this.#reads.close();
  }

  #carryOut(output: Output, viewChanged: boolean): void {
    if (output.view.failed !== undefined) throw new NodeFailedError(output.view.failed);
    this.#host.stepped(this, viewChanged);
    if (viewChanged) {
      this.#proposals.leading(this.#leadingTerm(), this.#host.now().monotonicMs);
      for (const listener of this.#viewListeners) listener(output.view);
    }
    if (output.persist !== undefined) this.#host.persist(this.id, output.persist);
    for (const { to, message } of output.messages) this.#host.send(this.id, to, message);
    this.#proposals.accepted(output.proposals);
    if (output.committed.length > 0) this.#applyAll(output.committed);
    this.#reads.confirmed(output.reads, this.#applied.index);
    if (output.transfer !== undefined) {
      this.#host.transferEnded(this, output.transfer.ok, output.transfer.why);
    }
    if (output.rejected > 0) this.#host.rejected(output.rejected);
  }

  #leadingTerm(): number | undefined {
    const { role, term } = this.#output.view;
    return role === 'leader' ? term : undefined;
  }

  #applyAll(entries: readonly LogEntry[]): void {
    for (const entry of entries) {
      assert(entry.index === this.#applied.index + 1, 'I9: entries are applied in order, without a gap');
      const commands = commandsOf(entry);
      const results = this.machine.apply(entry, commands);
      assert(results.length === commands.length, 'the state machine answers every command');
      this.#applied = { index: entry.index, term: entry.term, stampMs: entry.stampMs };
      for (const listener of this.#appliedListeners) listener(entry);
      this.#proposals.applied(entry, results);
    }
    this.#reads.applied(this.#applied.index);
    this.#host.push(this, { type: 'applied', index: this.#applied.index });
  }
}

function commandsOf(entry: LogEntry): readonly Command[] {
  switch (entry.kind) {
    case 'commands':
      return decodeCommandBatch(entry.data);
    case 'bootstrap':
    case 'noop':
      return [];
    default:
      return refuseKind(entry.kind);
  }
}

/** Skipping an entry would make this replica differ from the others for good. */
function refuseKind(kind: never): never {
  throw new NodeFailedError(
    `the log holds an entry of kind ${String(kind)}, unknown here: upgrade this node`,
  );
}
