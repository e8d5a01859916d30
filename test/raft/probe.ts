import {
  bootId as bootIdOf,
  type ClusterId,
  type Incarnation,
  incarnation as incarnationId,
  clusterId as mintedId,
  type NodeId,
  nodeId,
} from '../../src/base/ids.ts';
import {
  encodeBootstrap,
  type HardState,
  type Input,
  type LogEntry,
  type MemberIdentity,
  type Message,
  type Output,
  Raft,
  type RaftOptionsInput,
  type RaftView,
  resolveRaftOptions,
} from '../../src/raft/index.ts';

export const a: NodeId = nodeId('a');
export const b: NodeId = nodeId('b');
export const c: NodeId = nodeId('c');
export const d: NodeId = nodeId('d');
export const e: NodeId = nodeId('e');
export const stranger: NodeId = nodeId('x');
export const clusterId: ClusterId = mintedId('ab'.repeat(16));

/** What a lease of 800 ms at 5 % drift binds an answerer to. */
export const promiseMs: number = (800 * 1.05) / 0.95 + 40;

export function incarnation(id: NodeId): Incarnation {
  return incarnationId(id.charCodeAt(0).toString(16).padStart(16, '0'));
}

export function setOf(ids: readonly NodeId[]): MemberIdentity[] {
  return ids.map((id) => ({ id, incarnation: incarnation(id) }));
}

export function entry(index: number, term: number, kind: LogEntry['kind'] = 'commands', bytes = 8): LogEntry {
  return { index, term, kind, stampMs: 1_000 + index, data: new Uint8Array(bytes) };
}

/** Entry 1 and then one entry per given term. */
export function logOf(ids: readonly NodeId[], ...terms: readonly number[]): LogEntry[] {
  const data = encodeBootstrap({ clusterId, members: setOf(ids) });
  const first: LogEntry = { index: 1, term: 1, kind: 'bootstrap', stampMs: 1_000, data };
  return [first, ...terms.map((term, at) => entry(at + 2, term))];
}

interface ProbeOptions extends Partial<RaftOptionsInput> {
  readonly members?: readonly NodeId[];
  readonly entries?: readonly LogEntry[];
  readonly hardState?: Partial<HardState> | undefined;
  readonly pristine?: boolean;
}

type Of<T extends Message['type']> = Extract<Message, { type: T }>;

/** One core with a hand on its clock, its disk and its links. Nothing becomes durable before `sync`. */
export class Probe {
  readonly raft: Raft;
  readonly ids: readonly NodeId[];
  nowMs = 10_000;
  wallMs = 1_700_000_000_000;
  sent: { to: NodeId; message: Message }[] = [];
  outputs: Output[] = [];
  #token = 0;

  constructor(options: ProbeOptions = {}) {
    const { members = [a, b, c], entries, hardState, pristine = false, ...rest } = options;
    this.ids = members;
    const log = entries ?? logOf(members, 1);
    const input: RaftOptionsInput = {
      id: a,
      incarnation: incarnation(rest.id ?? a),
      peers: members,
      random: () => 0.5,
      mintClusterId: () => clusterId,
      ...rest,
    };
    const durableState: HardState = {
      currentTerm: log.at(-1)?.term ?? 0,
      votedFor: undefined,
      longestLeaseMs: 0,
      bootstrapSet: undefined,
      ...hardState,
    };
    const durable = pristine
      ? { hardState: undefined, entries: [] }
      : { hardState: durableState, entries: log };
    this.raft = new Raft(resolveRaftOptions(input), durable, this.now());
    this.step({ type: 'deadline' });
  }

  now(): { monotonicMs: number; wallMs: number } {
    return { monotonicMs: this.nowMs, wallMs: this.wallMs };
  }

  get view(): RaftView {
    return this.raft.view();
  }

  get output(): Output {
    return this.outputs.at(-1)!;
  }

  step(input: Input): Output {
    const output = this.raft.step(input, this.now());
    this.outputs.push(output);
    this.sent.push(...output.messages);
    if (output.persist !== undefined) this.#token = output.persist.token;
    return output;
  }

  receive(from: NodeId, message: Message): Output {
    return this.step({ type: 'message', from, message });
  }

  /** The disk has caught up. */
  sync(): Output {
    return this.step({ type: 'persisted', token: this.#token });
  }

  /** Lets time pass, reporting each deadline on the way. */
  pass(ms: number): void {
    const until = this.nowMs + ms;
    while (this.output.deadlineMs <= until) {
      this.nowMs = Math.max(this.nowMs, this.output.deadlineMs);
      this.step({ type: 'deadline' });
    }
    this.wait(until - this.nowMs);
  }

  /** Lets time pass and says nothing. */
  wait(ms: number): void {
    this.nowMs += ms;
    this.wallMs += ms;
  }

  /** Messages sent since the last call, of one kind. */
  take<T extends Message['type']>(type: T): { to: NodeId; message: Of<T> }[] {
    const taken = this.sent.filter((envelope): envelope is { to: NodeId; message: Of<T> } => {
      return envelope.message.type === type;
    });
    this.sent = [];
    return taken;
  }

  link(id: NodeId, hello: { pristine?: boolean; leaderId?: NodeId; boot?: string } = {}): Output {
    const bootId = bootIdOf(hello.boot ?? `${id}1`);
    const { pristine = false, leaderId } = hello;
    const knowsLeader = leaderId !== undefined;
    return this.step({
      type: 'peerUp',
      peer: { id, incarnation: incarnation(id), bootId, pristine, knowsLeader },
    });
  }

  append(
    from: NodeId,
    term: number,
    prev: readonly [number, number],
    entries: readonly LogEntry[],
    leaderCommit = 0,
  ): Output {
    const [prevLogIndex, prevLogTerm] = prev;
    return this.receive(from, {
      type: 'appendEntries',
      term,
      prevLogIndex,
      prevLogTerm,
      leaderCommit,
      entries,
    });
  }

  round(from: NodeId, term: number, round: number, leaseMs = 800, leaderCommit = 0): Output {
    return this.receive(from, { type: 'round', term, round, leaseMs, leaderCommit });
  }

  /** A first round, whose lease goes on record before it is answered. */
  hear(leader: NodeId, term: number, round: number): void {
    this.round(leader, term, round);
    this.sync();
    this.sent = [];
  }

  ack(from: NodeId, index: number, term: number = this.view.term): Output {
    const message = { type: 'appendEntriesReply', term, index, success: true } as const;
    return this.receive(from, { ...message, conflictTerm: 0, conflictIndex: 0 });
  }

  refuse(from: NodeId, index: number, conflictTerm: number, conflictIndex: number): Output {
    const message = { type: 'appendEntriesReply', term: this.view.term, index, success: false } as const;
    return this.receive(from, { ...message, conflictTerm, conflictIndex });
  }

  answer(
    from: NodeId,
    round: number,
    lastLogIndex: number = this.view.lastLogIndex,
    wallMs: number = this.wallMs,
  ): Output {
    return this.receive(from, { type: 'roundReply', term: this.view.term, round, wallMs, lastLogIndex });
  }

  preVote(
    from: NodeId,
    term: number,
    log: readonly [number, number] = [99, term - 1],
    requestId = 1,
  ): Output {
    const [lastLogIndex, lastLogTerm] = log;
    return this.receive(from, {
      type: 'preVote',
      term,
      requestId,
      lastLogIndex,
      lastLogTerm,
      bootstrapSet: undefined,
    });
  }

  requestVote(from: NodeId, term: number, more: Partial<Of<'requestVote'>> = {}): Output {
    return this.receive(from, {
      type: 'requestVote',
      term,
      requestId: 1,
      lastLogIndex: 99,
      lastLogTerm: term - 1,
      bootstrapSet: undefined,
      transferId: undefined,
      release: undefined,
      ...more,
    });
  }

  grantPreVote(from: NodeId): Output {
    const { term, requestId } = this.#lastSent('preVote');
    return this.receive(from, { type: 'preVoteReply', term, requestId, refused: undefined });
  }

  grantVote(from: NodeId, more: Partial<Of<'requestVoteReply'>> = {}): Output {
    const { term, requestId } = this.#lastSent('requestVote');
    return this.receive(from, {
      type: 'requestVoteReply',
      term,
      requestId,
      refused: undefined,
      promiseMs: 0,
      wallMs: this.wallMs,
      ...more,
    });
  }

  /** Its patience ends and pre-votes go out. */
  startCampaign(): void {
    this.pass(this.output.deadlineMs - this.nowMs);
  }

  /** Up to the vote requests, which are durable and out. */
  becomeCandidate(): void {
    this.startCampaign();
    for (const id of this.ids.slice(1, Math.floor(this.ids.length / 2) + 1)) this.grantPreVote(id);
    this.sync();
  }

  /** In office, its no-op durable here and nowhere else. */
  becomeLeader(more: Partial<Of<'requestVoteReply'>> = {}): this {
    this.becomeCandidate();
    for (const id of this.ids.slice(1, Math.floor(this.ids.length / 2) + 1)) this.grantVote(id, more);
    this.sync();
    return this;
  }

  /** In office, with everything committed and the first round answered. */
  reign(more: Partial<Of<'requestVoteReply'>> = {}): this {
    this.becomeLeader(more);
    for (const id of this.ids.slice(1)) {
      this.ack(id, this.view.lastLogIndex);
      this.answer(id, 1);
    }
    this.sent = [];
    return this;
  }

  #lastSent<T extends 'preVote' | 'requestVote'>(type: T): Of<T> {
    const found = this.sent.findLast((envelope): envelope is { to: NodeId; message: Of<T> } => {
      return envelope.message.type === type;
    });
    if (found === undefined) throw new Error(`no ${type} was sent`);
    return found.message;
  }
}
