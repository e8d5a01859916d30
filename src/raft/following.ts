import { assert } from '../base/assert.ts';
import type { NodeId } from '../base/ids.ts';
import type { Core } from './core.ts';
import type { Elections } from './elections.ts';
import { isPlausibleAppend } from './plausible.ts';
import type {
  AppendEntries,
  LogEntry,
  LogIndex,
  ReleaseMessage,
  Round,
  RoundMessage,
  Term,
  TimeoutNow,
} from './types.ts';

/** What a node does with the messages of a leader. */
export class Following {
  readonly #core: Core;
  readonly #elections: Elections;

  constructor(core: Core, elections: Elections) {
    this.#core = core;
    this.#elections = elections;
  }

  onAppendEntries(from: NodeId, message: AppendEntries): void {
    const core = this.#core;
    if (message.term < core.term) {
      this.#refuse(from, 0, 0, 0);
      return;
    }
    if (!isPlausibleAppend(message, core)) {
      core.outbox.rejected += 1;
      return;
    }
    this.#follow(from, message.term);
    if (!this.#meets(message)) {
      this.#refuseWithHint(from, message.prevLogIndex);
      return;
    }
    this.#take(message.entries);
    const lastNew = message.prevLogIndex + message.entries.length;
    core.verifiedIndex = Math.max(core.verifiedIndex, lastNew);
    // Never past what this message vouches for (pitfall 13).
    core.commitTo(Math.min(message.leaderCommit, lastNew));
    if (message.entries.length === 0 || core.verifiedIndex <= core.disk.durableIndex) this.#acknowledge(from);
  }

  /** More of the log is durable: the leader hears how far it counts. */
  onDurable(before: LogIndex): void {
    const { leaderId, verifiedIndex, disk, role } = this.#core;
    if (leaderId === undefined || role === 'leader') return;
    if (Math.min(verifiedIndex, disk.durableIndex) > before) this.#acknowledge(leaderId);
  }

  onRound(from: NodeId, message: RoundMessage): void {
    const core = this.#core;
    if (message.term < core.term) {
      // The deposed leader learns of the newer term (pitfall 45). The number is of another term's counter and is not echoed:
      // if the same node leads again it would take it for an answer to a later round.
      this.#answerRound(from, 0);
      return;
    }
    if (message.leaderCommit > core.log.lastIndex) {
      core.outbox.rejected += 1;
      return;
    }
    this.#follow(from, message.term);
    if (message.round <= core.lastRound) return;
    core.lastRound = message.round;
    core.commitTo(message.leaderCommit);
    core.promise(message.round, message.leaseMs);
    this.#answerRound(from, message.round);
  }

  onTimeoutNow(from: NodeId, message: TimeoutNow): void {
    const core = this.#core;
    if (message.term !== core.term || from !== core.leaderId || core.role !== 'follower') return;
    // More than the leader had then: it went on after giving up this transfer, and the message is late (pitfall 59).
    if (message.index !== core.log.lastIndex) return;
    this.#elections.campaignForTransfer(message);
  }

  onRelease(message: ReleaseMessage): void {
    this.#core.promises.forget(message);
  }

  /** Takes the sender for the leader of its term. */
  #follow(from: NodeId, term: Term): void {
    const core = this.#core;
    if (term > core.term || (core.leaderId === undefined && core.role !== 'leader')) {
      core.becomeFollower(term, from);
    }
    assert(core.leaderId === from, 'I1: one leader a term');
    core.heardLeader();
  }

  #meets({ prevLogIndex, prevLogTerm }: AppendEntries): boolean {
    const { log, commitIndex } = this.#core;
    if (prevLogIndex <= commitIndex) return true;
    return prevLogIndex <= log.lastIndex && log.termAt(prevLogIndex) === prevLogTerm;
  }

  /** Appends what is missing; cuts only from the first entry that differs (pitfall 18). */
  #take(entries: readonly LogEntry[]): void {
    const core = this.#core;
    for (const [at, entry] of entries.entries()) {
      if (entry.index <= core.log.lastIndex) {
        if (core.log.termAt(entry.index) === entry.term) continue;
        core.truncateFrom(entry.index);
      }
      core.append(at === 0 ? entries : entries.slice(at));
      return;
    }
  }

  #acknowledge(to: NodeId): void {
    const { verifiedIndex, disk, term } = this.#core;
    const index = Math.min(verifiedIndex, disk.durableIndex);
    const message = { type: 'appendEntriesReply', term, index, success: true } as const;
    this.#core.send(to, { ...message, conflictTerm: 0, conflictIndex: 0 });
  }

  #refuseWithHint(to: NodeId, prevLogIndex: LogIndex): void {
    const { log } = this.#core;
    if (prevLogIndex > log.lastIndex) {
      this.#refuse(to, prevLogIndex, 0, log.lastIndex + 1);
      return;
    }
    this.#refuse(to, prevLogIndex, log.termAt(prevLogIndex), log.firstIndexOfTermAt(prevLogIndex));
  }

  #refuse(to: NodeId, index: LogIndex, conflictTerm: Term, conflictIndex: LogIndex): void {
    const message = { type: 'appendEntriesReply', term: this.#core.term, index, success: false } as const;
    this.#core.send(to, { ...message, conflictTerm, conflictIndex });
  }

  #answerRound(to: NodeId, round: Round): void {
    const { term, now, log } = this.#core;
    this.#core.send(to, {
      type: 'roundReply',
      term,
      round,
      wallMs: now.wallMs,
      lastLogIndex: log.lastIndex,
    });
  }
}
