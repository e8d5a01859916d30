import { type GroupId, type NodeId, nodeId } from '../../src/base/ids.ts';
import type { GroupHandle, ProposeResult } from '../../src/node/types.ts';
import type { Lease, LogEntry, RaftView } from '../../src/raft/types.ts';
import { QueueMachine } from '../../src/service/queue-machine.ts';
import type { TestClock } from './test-clock.ts';

/** What a leader does with the next proposals. */
export type Fate =
  /** Committed everywhere and answered. */
  | 'commit'
  /** Committed everywhere; the leader is lost before it answers. */
  | 'commitAndLose'
  /** The leader is lost and the entry with it. */
  | 'lose'
  | 'busy'
  | 'logFull'
  /** Neither committed nor answered. */
  | 'stall';

const commitMs = 1;

interface Proposal {
  readonly command: Uint8Array;
  readonly done: (result: ProposeResult) => void;
}

/** The log of a group, shared by all its members: what a real one promises, without elections or disks. */
export class TestLog {
  readonly id: GroupId;
  readonly clock: TestClock;
  readonly members: TestGroup[] = [];
  readonly entries: LogEntry[] = [];
  /** How far log time is ahead of the wall clock that all here share. */
  stampAheadMs = 0;
  fate: Fate = 'commit';
  leader: NodeId | undefined;
  term = 0;
  proposalCount = 0;

  constructor(id: GroupId, clock: TestClock) {
    this.id = id;
    this.clock = clock;
  }

  /** Somebody leads from now on, in a new term; or nobody does. */
  lead(id: string | undefined): void {
    this.leader = id === undefined ? undefined : nodeId(id);
    if (id !== undefined) this.term++;
    for (const member of this.members) member.viewChanged();
    const leader = this.members.find((member) => member.nodeId === id);
    if (leader !== undefined) this.commit(leader, []);
  }

  /** Appends one entry and applies it everywhere. */
  commit(
    leader: TestGroup,
    commands: readonly Uint8Array[],
  ): { readonly index: number; readonly results: readonly Uint8Array[] } {
    const stampMs = Math.max(this.clock.wallMs() + this.stampAheadMs, this.entries.at(-1)?.stampMs ?? 0);
    const kind = commands.length === 0 ? 'noop' : 'commands';
    const index = this.entries.length + 1;
    const entry: LogEntry = { index, term: this.term, kind, stampMs, data: new Uint8Array(0) };
    this.entries.push(entry);
    let results: readonly Uint8Array[] = [];
    for (const member of this.members) {
      const own = member.apply(entry, commands);
      if (member === leader) results = own;
    }
    return { index, results };
  }
}

/** One node's part of a group. */
export class TestGroup implements GroupHandle {
  readonly id: GroupId;
  readonly nodeId: NodeId;
  readonly machine: QueueMachine = new QueueMachine();
  readonly #log: TestLog;
  readonly #connected: (a: NodeId, b: NodeId) => boolean;
  readonly #viewListeners = new Set<(view: RaftView) => void>();
  readonly #appliedListeners = new Set<(entry: LogEntry) => void>();
  #applied = { index: 0, term: 0, stampMs: 0 };
  #proposals: Proposal[] = [];

  constructor(log: TestLog, id: NodeId, connected: (a: NodeId, b: NodeId) => boolean) {
    this.id = log.id;
    this.nodeId = id;
    this.#log = log;
    this.#connected = connected;
    log.members.push(this);
  }

  view(): RaftView {
    const { leader, term } = this.#log;
    const knows = leader !== undefined && this.#connected(this.nodeId, leader);
    return {
      role: leader === this.nodeId ? 'leader' : 'follower',
      term,
      leaderId: knows ? leader : undefined,
      commitIndex: this.#applied.index,
      lastLogIndex: this.#applied.index,
      lastLogTerm: this.#applied.term,
      membership: { voters: [], learners: [] },
      clusterId: undefined,
      awaitingAdmission: false,
      quorumContactMs: this.#log.clock.monotonicMs(),
      transferringTo: undefined,
      failed: undefined,
    };
  }

  lease(): Lease | undefined {
    return undefined;
  }

  applied(): { readonly index: number; readonly term: number; readonly stampMs: number } {
    return this.#applied;
  }

  propose(command: Uint8Array, done: (result: ProposeResult) => void): void {
    this.#log.proposalCount++;
    if (this.#proposals.push({ command, done }) === 1) this.#log.clock.after(commitMs, () => this.#append());
  }

  read(done: (result: 'ok' | 'notLeader' | 'busy' | 'closed') => void): void {
    this.#log.clock.after(commitMs, () => done(this.#log.leader === this.nodeId ? 'ok' : 'notLeader'));
  }

  onView(listener: (view: RaftView) => void): () => void {
    this.#viewListeners.add(listener);
    return () => this.#viewListeners.delete(listener);
  }

  onApplied(listener: (entry: LogEntry) => void): () => void {
    this.#appliedListeners.add(listener);
    return () => this.#appliedListeners.delete(listener);
  }

  viewChanged(): void {
    for (const listener of this.#viewListeners) listener(this.view());
  }

  apply(entry: LogEntry, commands: readonly Uint8Array[]): readonly Uint8Array[] {
    const results = this.machine.apply(entry, commands);
    this.#applied = entry;
    for (const listener of this.#appliedListeners) listener(entry);
    return results;
  }

  #append(): void {
    const proposals = this.#proposals;
    this.#proposals = [];
    const answer = (result: ProposeResult): void => {
      for (const { done } of proposals) done(result);
    };
    if (this.#log.leader !== this.nodeId) {
      answer({ type: 'refused', why: 'notLeader' });
      return;
    }
    const { fate } = this.#log;
    if (fate === 'busy' || fate === 'logFull') answer({ type: 'refused', why: fate });
    else if (fate === 'stall') return;
    else if (fate === 'commit') {
      const commands = proposals.map(({ command }) => command);
      const { index, results } = this.#log.commit(this, commands);
      proposals.forEach(({ done }, place) => {
        done({ type: 'applied', index, result: results[place] ?? new Uint8Array(0) });
      });
    } else {
      if (fate === 'commitAndLose')
        this.#log.commit(
          this,
          proposals.map(({ command }) => command),
        );
      this.#log.fate = 'commit';
      this.#log.lead(undefined);
      answer({ type: 'unknown' });
    }
  }
}
