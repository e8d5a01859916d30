import { assertNever } from '../base/assert.ts';
import type { NodeId } from '../base/ids.ts';
import { Core } from './core.ts';
import { Elections } from './elections.ts';
import { Following } from './following.ts';
import type { Outbox } from './outbox.ts';
import { isPlausible } from './plausible.ts';
import type { DurableState, Input, Message, Now, Output, RaftOptions, RaftView } from './types.ts';
import { makeView } from './view.ts';
import { Voting } from './voting.ts';

type RequestInput = Extract<
  Input,
  { readonly type: 'propose' | 'read' | 'transfer' | 'freshNoop' | 'abdicate' }
>;
type LinkInput = Extract<Input, { readonly type: 'peerUp' | 'peerClosed' | 'peerGone' }>;

/**
 * One member of one Raft group, without any I/O: an input and the time go in, a list of work comes out. The same inputs give the
 * same outputs. It never throws: what goes wrong inside ends in `view.failed`.
 */
export class Raft {
  readonly #core: Core;
  readonly #elections: Elections;
  readonly #voting: Voting;
  readonly #following: Following;
  #view: RaftView;
  #failed: string | undefined;

  /** @throws InvariantError if what was loaded contradicts itself: a log with a gap, or ahead of the hard state. */
  constructor(options: RaftOptions, durable: DurableState, now: Now) {
    this.#core = new Core(options, durable, now);
    this.#elections = new Elections(this.#core);
    this.#voting = new Voting(this.#core, this.#elections);
    this.#following = new Following(this.#core, this.#elections);
    this.#view = makeView(this.#core, undefined, undefined);
  }

  view(): RaftView {
    return this.#view;
  }

  step(input: Input, now: Now): Output {
    this.#core.now = now;
    this.#core.outbox.clear();
    if (this.#failed === undefined) this.#tryHandle(input);
    if (this.#failed !== undefined) return this.#failedOutput(input);
    const persist = this.#core.disk.take(() => this.#core.hardState(), now.monotonicMs);
    this.#view = makeView(this.#core, undefined, this.#view);
    const { outbox, leader } = this.#core;
    return {
      view: this.#view,
      lease: leader?.lease,
      persist,
      messages: outbox.messages,
      committed: outbox.committed,
      reads: outbox.reads,
      proposals: outbox.proposals,
      transfer: outbox.transfer,
      deadlineMs: leader === undefined ? this.#elections.deadlineMs : leader.deadlineMs,
      rejected: outbox.rejected,
    };
  }

  #tryHandle(input: Input): void {
    try {
      this.#handle(input);
    } catch (error) {
      this.#failed = error instanceof Error ? error.message : String(error);
    }
  }

  #handle(input: Input): void {
    const core = this.#core;
    switch (input.type) {
      case 'message':
        this.#onMessage(input.from, input.message);
        break;
      case 'deadline':
        if (core.leader === undefined) this.#elections.onDeadline();
        else core.leader.onDeadline();
        break;
      case 'stalled':
        core.forgiveStall(input.forMs);
        core.leader?.onStalled();
        break;
      case 'persisted':
        this.#onPersisted(input.token);
        break;
      case 'persistFailed':
        this.#failed = input.why;
        break;
      case 'applied':
        core.applied(input.index);
        break;
      case 'notAdmitted':
        core.notAdmitted = true;
        break;
      case 'peerUp':
      case 'peerClosed':
      case 'peerGone':
        this.#onLink(input);
        break;
      default:
        this.#onRequest(input);
    }
  }

  /** What the node itself asks for. */
  #onRequest(input: RequestInput): void {
    const { leader, outbox } = this.#core;
    if (leader === undefined) {
      // Who handed over before it abdicates must not come back too soon.
      if (input.type === 'abdicate') this.#core.unwillingUntilMs = this.#core.nowMs + input.unwillingMs;
      else refuseWithoutLeader(input, outbox);
      return;
    }
    switch (input.type) {
      case 'propose':
        leader.onPropose(input.proposals);
        break;
      case 'read':
        leader.onRead(input.token);
        break;
      case 'transfer':
        leader.onTransfer(input.to, input.scopeClosed);
        break;
      case 'freshNoop':
        leader.onFreshNoop();
        break;
      case 'abdicate':
        leader.abdicate(input.unwillingMs);
        break;
      default:
        assertNever(input);
    }
  }

  #onLink(input: LinkInput): void {
    const { peers, leader } = this.#core;
    switch (input.type) {
      case 'peerUp':
        if (peers.up(input.peer)) this.#elections.onLeaderGone();
        leader?.onPeerUp(input.peer.id);
        this.#elections.onPeerUp();
        break;
      case 'peerClosed':
        peers.closed(input.peer);
        leader?.onPeerClosed(input.peer);
        break;
      case 'peerGone':
        this.#onGone(input.peer);
        break;
      default:
        assertNever(input);
    }
  }

  #onGone(peer: NodeId): void {
    this.#core.peers.gone(peer);
    this.#core.leader?.onPeerClosed(peer);
    this.#elections.onLeaderGone();
  }

  #onPersisted(token: number): void {
    const core = this.#core;
    const before = core.disk.durableIndex;
    core.disk.persisted(token, core.nowMs);
    core.outbox.release(token);
    this.#following.onDurable(before);
    this.#elections.onDurable();
    core.leader?.onDurable();
  }

  #onMessage(from: NodeId, message: Message): void {
    if (!this.#isFromMember(from) || !isPlausible(message)) {
      this.#core.outbox.rejected += 1;
      return;
    }
    switch (message.type) {
      case 'preVote':
        this.#voting.onPreVote(from, message);
        break;
      case 'preVoteReply':
        this.#elections.onPreVoteReply(from, message);
        break;
      case 'requestVote':
        this.#voting.onRequestVote(from, message);
        break;
      case 'requestVoteReply':
        this.#elections.onRequestVoteReply(from, message);
        break;
      case 'appendEntries':
        this.#following.onAppendEntries(from, message);
        break;
      case 'round':
        this.#following.onRound(from, message);
        break;
      case 'timeoutNow':
        this.#following.onTimeoutNow(from, message);
        break;
      case 'release':
        this.#following.onRelease(message);
        break;
      case 'appendEntriesReply':
        if (this.#isForThisTerm(message.term)) this.#core.leader?.onAppendEntriesReply(from, message);
        break;
      case 'roundReply':
        if (this.#isForThisTerm(message.term)) this.#core.leader?.onRoundReply(from, message);
        break;
      default:
        assertNever(message);
    }
  }

  /** A newer term ends this one; an older one is an answer to a question nobody asks any more (pitfall 16). */
  #isForThisTerm(term: number): boolean {
    if (term > this.#core.term) this.#core.becomeFollower(term, undefined);
    return term === this.#core.term;
  }

  /** Strangers, and wiped disks under a member's id, raise no term (pitfalls 9, 37). */
  #isFromMember(from: NodeId): boolean {
    const { members, peers, id } = this.#core;
    if (from === id || !members.isMember(from)) return false;
    const expected = members.incarnationOf(from);
    const hello = peers.hello(from);
    return expected === undefined || hello === undefined || hello.incarnation === expected;
  }

  /** A failed node says so, and nothing else: no message, no vote, no write. What waited on it is refused, once. */
  #failedOutput(input: Input): Output {
    const core = this.#core;
    const { outbox } = core;
    outbox.clear();
    core.leader?.end();
    core.leader = undefined;
    if (isRequest(input)) refuseWithoutLeader(input, outbox);
    this.#view = makeView(core, this.#failed, this.#view);
    return {
      view: this.#view,
      lease: undefined,
      persist: undefined,
      messages: [],
      committed: [],
      reads: outbox.reads,
      proposals: outbox.proposals,
      transfer: outbox.transfer,
      deadlineMs: Number.POSITIVE_INFINITY,
      rejected: 0,
    };
  }
}

function isRequest(input: Input): input is RequestInput {
  return input.type === 'propose' || input.type === 'read' || input.type === 'transfer';
}

function refuseWithoutLeader(input: RequestInput, outbox: Outbox): void {
  if (input.type === 'propose') {
    for (const { token } of input.proposals) outbox.proposals.push({ token, refused: 'notLeader' });
  }
  if (input.type === 'read') outbox.reads.push({ token: input.token, refused: 'notLeader' });
  if (input.type === 'transfer') outbox.transfer = { ok: false, why: 'this node is not the leader' };
}
