import type { NodeId } from '../base/ids.ts';
import type { Core } from './core.ts';
import { Progress } from './progress.ts';
import type { AppendEntriesReply, LogEntry, LogIndex, Round, RoundReply } from './types.ts';

/** Brings the log of one leader to its followers: who is how far, what is in flight, where the logs meet. */
export class Replication {
  readonly #core: Core;
  readonly #progress: ReadonlyMap<NodeId, Progress>;

  constructor(core: Core) {
    this.#core = core;
    const next = core.log.lastIndex + 1;
    this.#progress = new Map(core.members.others.map((id) => [id, new Progress(next)]));
  }

  /** Ids of the followers, ascending. */
  followers(): Iterable<NodeId> {
    return this.#progress.keys();
  }

  has(id: NodeId): boolean {
    return this.#progress.has(id);
  }

  /** What the follower holds durably, as far as it said in this term. */
  matchIndex(id: NodeId): LogIndex {
    return this.#progress.get(id)?.matchIndex ?? 0;
  }

  /** New entries are in the log. */
  sendToAll(): void {
    for (const [id, progress] of this.#progress) this.#send(id, progress);
  }

  /** The link closed: what was in flight is lost. */
  onClosed(id: NodeId): void {
    this.#progress.get(id)?.reset();
  }

  /** The link stands again. */
  onUp(id: NodeId): void {
    const progress = this.#progress.get(id);
    if (progress === undefined) return;
    progress.reset();
    this.#send(id, progress);
  }

  onReply(from: NodeId, message: AppendEntriesReply): void {
    const progress = this.#progress.get(from);
    if (progress === undefined) return;
    if (message.success) progress.acknowledged(message.index);
    else if (!progress.refused(message.index, this.#hint(message))) return;
    this.#send(from, progress);
  }

  roundSent(id: NodeId, round: Round): void {
    this.#progress.get(id)?.roundSent(round);
  }

  /** A round's answer shows what a lost append cannot: the follower is there and has less than was sent (pitfalls 22-24, 27). */
  onRoundReply(from: NodeId, message: RoundReply): void {
    const progress = this.#progress.get(from);
    if (progress === undefined) return;
    if (progress.roundAnswered(message.round, message.lastLogIndex)) progress.reset();
    else if (progress.probing && progress.probeSent) this.#sendAppend(from, progress, []);
    this.#send(from, progress);
  }

  #send(to: NodeId, progress: Progress): void {
    const { log, options } = this.#core;
    while (progress.nextIndex <= log.lastIndex && progress.canSend(options.inflightBytesMax)) {
      this.#sendAppend(to, progress, log.batchFrom(progress.nextIndex));
    }
  }

  #sendAppend(to: NodeId, progress: Progress, entries: readonly LogEntry[]): void {
    const { log, term, commitIndex } = this.#core;
    const prevLogIndex = progress.nextIndex - 1;
    const prevLogTerm = log.termAt(prevLogIndex);
    const message = { type: 'appendEntries', term, prevLogIndex, prevLogTerm } as const;
    this.#core.send(to, { ...message, leaderCommit: commitIndex, entries });
    progress.sent(entries);
  }

  /** Where to look next, given what the follower said of the term that conflicts. @see Raft §5.3 */
  #hint(message: AppendEntriesReply): LogIndex {
    const { log } = this.#core;
    if (message.conflictTerm === 0) return message.conflictIndex;
    const last = log.lastIndexUpToTerm(message.conflictTerm);
    return log.termAt(last) === message.conflictTerm ? last + 1 : message.conflictIndex;
  }
}
