import type { NodeId } from '../base/ids.ts';
import { namesMember, sameSet } from './bootstrap.ts';
import type { Core } from './core.ts';
import type { Elections } from './elections.ts';
import type { MemberIdentity, PreVote, RequestVote, VoteRefusal } from './types.ts';

/** How this node answers those who want to lead. */
export class Voting {
  readonly #core: Core;
  readonly #elections: Elections;

  constructor(core: Core, elections: Elections) {
    this.#core = core;
    this.#elections = elections;
  }

  onPreVote(from: NodeId, message: PreVote): void {
    const core = this.#core;
    const refused = this.#preVoteRefusal(message);
    const term = refused === undefined ? message.term : core.term;
    core.send(from, { type: 'preVoteReply', term, requestId: message.requestId, refused });
    if (refused === undefined) this.#elections.cede(from);
    else if (refused === 'log') this.#elections.campaignWithLongerLog();
  }

  onRequestVote(from: NodeId, message: RequestVote): void {
    const core = this.#core;
    if (message.release !== undefined) core.promises.forget(message.release);
    const early = this.#earlyRefusal(message);
    if (early !== undefined) {
      this.#answerVote(from, message, early);
      return;
    }
    if (message.term > core.term) core.becomeFollower(message.term, undefined);
    if (core.votedFor !== undefined && core.votedFor !== from) this.#answerVote(from, message, 'voted');
    else if (!core.log.isUpToDate(message.lastLogTerm, message.lastLogIndex)) {
      this.#answerVote(from, message, 'log');
    } else this.#grantVote(from, message);
  }

  #preVoteRefusal(message: PreVote): VoteRefusal | undefined {
    const core = this.#core;
    if (message.term <= core.term) return 'term';
    if (this.#refusesSet(message.bootstrapSet)) return 'set';
    if (!core.log.isUpToDate(message.lastLogTerm, message.lastLogIndex)) return 'log';
    return core.isSticky() ? 'sticky' : undefined;
  }

  /** What is refused without taking over the candidate's term. */
  #earlyRefusal(message: RequestVote): VoteRefusal | undefined {
    const core = this.#core;
    if (message.term < core.term) return 'term';
    if (this.#refusesSet(message.bootstrapSet)) return 'set';
    return message.transferId === undefined && core.isSticky() ? 'sticky' : undefined;
  }

  /** Until entry 1 is here: only a set that names this disk, and no second one. */
  #refusesSet(set: readonly MemberIdentity[] | undefined): boolean {
    const { log, members, id, options } = this.#core;
    if (log.lastIndex > 0) return false;
    if (set === undefined) return true;
    if (members.firstSet !== undefined) return !sameSet(members.firstSet, set);
    return !namesMember(set, { id, incarnation: options.incarnation });
  }

  #grantVote(from: NodeId, message: RequestVote): void {
    const core = this.#core;
    if (core.members.firstSet === undefined && message.bootstrapSet !== undefined) {
      core.adoptFirstSet(message.bootstrapSet);
    }
    core.vote(from);
    this.#answerVote(from, message, undefined);
  }

  #answerVote(to: NodeId, { requestId }: RequestVote, refused: VoteRefusal | undefined): void {
    const { term, promises, nowMs, now } = this.#core;
    const promiseMs = refused === undefined ? promises.remainingMs(nowMs) : 0;
    this.#core.send(to, {
      type: 'requestVoteReply',
      term,
      requestId,
      refused,
      promiseMs,
      wallMs: now.wallMs,
    });
  }
}
