import { assert } from '../base/assert.ts';
import type { NodeId } from '../base/ids.ts';
import { encodeBootstrap } from './bootstrap.ts';
import type { Campaign } from './campaign.ts';
import type { Core } from './core.ts';
import { entryBytes } from './log.ts';
import { uncommittedWindowsMax } from './options.ts';
import { Progress } from './progress.ts';
import { hasQuorum, quorumValue } from './quorum.ts';
import { Rounds } from './rounds.ts';
import type { Stamps } from './stamps.ts';
import { Transfer } from './transfer.ts';
import type {
  AppendEntriesReply,
  EntryKind,
  Lease,
  LogEntry,
  LogIndex,
  Proposal,
  RoundReply,
} from './types.ts';

const noData: Uint8Array = new Uint8Array(0);

/** One node's time in office: made when it wins a term, dropped when the term or the office ends. */
export class Leader {
  readonly #core: Core;
  readonly #progress: ReadonlyMap<NodeId, Progress>;
  readonly #rounds: Rounds;
  readonly #stamps: Stamps;
  readonly #exclusiveFromMs: number;
  #transfer: Transfer | undefined;
  #transferCount = 0;
  #heartbeatAtMs = 0;
  #termStartIndex: LogIndex = 0;
  #noopIndex: LogIndex = 0;
  #uncommittedBytes = 0;
  #lease: Lease | undefined;

  constructor(core: Core, campaign: Campaign) {
    this.#core = core;
    this.#stamps = campaign.stamps;
    this.#rounds = new Rounds(core.id, core.nowMs);
    this.#exclusiveFromMs = Math.max(core.nowMs, campaign.promisedUntilMs, core.promises.untilMs());
    const next = core.log.lastIndex + 1;
    this.#progress = new Map(core.members.others.map((id) => [id, new Progress(next)]));
  }

  /** Opens the term: entry 1 if there is none, then the no-op that lets older entries commit (pitfall 12). */
  start(): void {
    const core = this.#core;
    this.#settleClocks();
    for (let at = core.commitIndex + 1; at <= core.log.lastIndex; at += 1) {
      this.#uncommittedBytes += entryBytes(core.log.at(at));
    }
    const entries: LogEntry[] = [];
    const first = core.log.lastIndex + 1;
    if (first === 1) entries.push(this.#entry(1, 'bootstrap', this.#bootstrapData()));
    this.#noopIndex = first + entries.length;
    this.#termStartIndex = this.#noopIndex;
    entries.push(this.#entry(this.#noopIndex, 'noop', noData));
    this.#append(entries);
    this.#startRound();
  }

  get deadlineMs(): number {
    const { disk, options } = this.#core;
    return Math.min(
      this.#heartbeatAtMs,
      this.#transfer?.deadlineMs ?? Number.POSITIVE_INFINITY,
      this.#isAlone() ? Number.POSITIVE_INFINITY : this.#quorumDeadlineMs(),
      this.#isAlone() ? Number.POSITIVE_INFINITY : disk.stalledAtMs(options.electionTimeoutMinMs),
    );
  }

  get lease(): Lease {
    const noopIndex = this.#noopIndex <= this.#core.commitIndex ? this.#noopIndex : 0;
    const untilMs = this.#rounds.leaseUntilMs;
    const exclusiveFromMs = this.#exclusiveFromMs;
    if (this.#lease?.untilMs !== untilMs || this.#lease.noopIndex !== noopIndex) {
      this.#lease = { untilMs, exclusiveFromMs, noopIndex };
    }
    return this.#lease;
  }

  get quorumContactMs(): number {
    return this.#rounds.contactMs;
  }

  get transferringTo(): NodeId | undefined {
    return this.#transfer?.to;
  }

  /** Leadership ends: what waits on it is refused. Called by `Core` alone. */
  end(): void {
    const { outbox } = this.#core;
    for (const token of this.#rounds.takeAllReads()) outbox.reads.push({ token, refused: 'notLeader' });
    if (this.#transfer !== undefined) {
      const ok = this.#transfer.sent;
      outbox.transfer = { ok, why: ok ? 'another node took over' : 'leadership was lost' };
    }
  }

  onDeadline(): void {
    const { nowMs, disk, options, role } = this.#core;
    assert(role === 'leader', 'a leader in office keeps the time');
    if (!this.#isAlone()) {
      // Without a quorum nothing is sent that could renew a follower's patience (pitfall 47).
      if (nowMs >= this.#quorumDeadlineMs()) {
        this.#core.becomeFollower(this.#core.term, undefined);
        return;
      }
      if (nowMs >= disk.stalledAtMs(options.electionTimeoutMinMs)) {
        this.abdicate(options.electionTimeoutMaxMs);
        return;
      }
    }
    if (this.#transfer !== undefined && nowMs >= this.#transfer.deadlineMs) this.#abortTransfer();
    if (nowMs >= this.#heartbeatAtMs) this.#startRound();
  }

  onPropose(proposals: readonly Proposal[]): void {
    const { log, options, term, outbox } = this.#core;
    const entries: LogEntry[] = [];
    let bytes = 0;
    for (const { token, data } of proposals) {
      const index = log.lastIndex + 1 + entries.length;
      const entry = this.#entry(index, 'commands', data);
      const refused = this.#refusal(log.bytes + bytes + entryBytes(entry), options.logBytesMax, bytes);
      if (refused !== undefined) {
        outbox.proposals.push({ token, refused });
        continue;
      }
      bytes += entryBytes(entry);
      entries.push(entry);
      outbox.proposals.push({ token, accepted: { index, term } });
    }
    this.#append(entries);
  }

  onRead(token: number): void {
    const { options, outbox } = this.#core;
    if (this.#rounds.readCount >= options.readsMax) {
      outbox.reads.push({ token, refused: 'busy' });
      return;
    }
    this.#rounds.addRead(token);
    this.#startRoundForReads();
  }

  onFreshNoop(): void {
    if (this.#transfer !== undefined) return;
    this.#appendNoop();
    this.#startRound();
  }

  /** After a stall of this process: nothing it knew counts until a quorum answers a round sent from now on. */
  onStalled(): void {
    this.#rounds.voidLease();
    this.#rounds.restartWatch(this.#core.nowMs);
    this.#startRound();
  }

  onDurable(): void {
    this.#advanceCommit();
  }

  onPeerUp(id: NodeId): void {
    const progress = this.#progress.get(id);
    if (progress === undefined) return;
    progress.reset();
    this.#replicateTo(id, progress);
    if (this.#rounds.answered(id) < this.#rounds.current) this.#sendRound(id, progress, this.#rounds.current);
  }

  onPeerClosed(id: NodeId): void {
    this.#progress.get(id)?.reset();
  }

  onAppendEntriesReply(from: NodeId, message: AppendEntriesReply): void {
    const core = this.#core;
    const progress = this.#progress.get(from);
    if (progress === undefined) return;
    if (message.index > core.log.lastIndex) {
      core.outbox.rejected += 1;
      return;
    }
    if (message.success) {
      progress.acknowledged(message.index);
      this.#advanceCommit();
    } else if (!progress.refused(message.index, this.#hint(message))) return;
    this.#replicateTo(from, progress);
    this.#tryTimeoutNow();
  }

  onRoundReply(from: NodeId, message: RoundReply): void {
    const core = this.#core;
    const progress = this.#progress.get(from);
    if (progress === undefined) return;
    if (message.round > this.#rounds.current) {
      core.outbox.rejected += 1;
      return;
    }
    this.#stamps.sample(from, message.wallMs, core.now);
    this.#rounds.answer(from, message.round);
    this.#confirmRounds();
    this.#recover(from, progress, message);
    this.#tryTimeoutNow();
  }

  /** Hands leadership over; a transfer that is under way is replaced. */
  onTransfer(to: NodeId | undefined, scopeClosed: boolean): void {
    const { members, id, outbox, nowMs, options } = this.#core;
    const target = to ?? this.#bestSuccessor();
    if (target === undefined || target === id || !members.isVoter(target)) {
      outbox.transfer = { ok: false, why: target === undefined ? 'no other voter' : 'not another voter' };
      return;
    }
    if (this.#transfer?.sent) this.#abortTransfer();
    this.#transferCount += 1;
    const deadlineMs = nowMs + options.electionTimeoutMinMs;
    this.#transfer = new Transfer(target, this.#transferCount, scopeClosed, deadlineMs);
    outbox.transfer = undefined;
    this.#tryTimeoutNow();
  }

  /** Steps down, and asks the best voter that has the whole log to take over; its voters' promises are waited out. */
  abdicate(unwillingMs: number): void {
    const core = this.#core;
    if (this.#isAlone()) return;
    const successor = this.#bestSuccessor();
    if (successor !== undefined && this.#progress.get(successor)?.matchIndex === core.log.lastIndex) {
      this.#transferCount += 1;
      this.#sendTimeoutNow(successor, this.#transferCount, false);
    }
    core.unwillingUntilMs = core.nowMs + unwillingMs;
    core.becomeFollower(core.term, undefined);
  }

  #refusal(
    logBytes: number,
    logBytesMax: number,
    addedBytes: number,
  ): 'transferring' | 'logFull' | 'busy' | undefined {
    if (this.#transfer !== undefined) return 'transferring';
    if (logBytes > logBytesMax) return 'logFull';
    const uncommittedBytesMax = uncommittedWindowsMax * this.#core.options.inflightBytesMax;
    return this.#uncommittedBytes + addedBytes >= uncommittedBytesMax ? 'busy' : undefined;
  }

  #entry(index: LogIndex, kind: EntryKind, data: Uint8Array): LogEntry {
    const { log, term, now } = this.#core;
    return { index, term, kind, stampMs: this.#stamps.next(log.lastStampMs, now), data };
  }

  #bootstrapData(): Uint8Array {
    const { members, options } = this.#core;
    const set = members.firstSet;
    assert(set !== undefined, 'a first leader was elected by a set');
    return encodeBootstrap({ clusterId: options.mintClusterId(), members: set });
  }

  #appendNoop(): void {
    const index = this.#core.log.lastIndex + 1;
    this.#noopIndex = index;
    this.#append([this.#entry(index, 'noop', noData)]);
  }

  #append(entries: readonly LogEntry[]): void {
    if (entries.length === 0) return;
    for (const entry of entries) this.#uncommittedBytes += entryBytes(entry);
    this.#core.append(entries);
    for (const [id, progress] of this.#progress) this.#replicateTo(id, progress);
  }

  #replicateTo(to: NodeId, progress: Progress): void {
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

  /** Commits what a quorum holds durably, counting entries of this term only (pitfall 11). @see Raft §5.4.2 */
  #advanceCommit(): void {
    const core = this.#core;
    const index = quorumValue(core.members.voters, (id) =>
      id === core.id ? core.disk.durableIndex : (this.#progress.get(id)?.matchIndex ?? 0),
    );
    if (index <= core.commitIndex || core.log.termAt(index) !== core.term) return;
    for (let at = core.commitIndex + 1; at <= index; at += 1) {
      this.#uncommittedBytes -= entryBytes(core.log.at(at));
    }
    core.commitTo(index);
    this.#startRoundForReads();
  }

  #startRoundForReads(): void {
    if (this.#core.commitIndex >= this.#termStartIndex && this.#rounds.wantsRound) this.#startRound();
  }

  #startRound(): void {
    const { commitIndex, options, nowMs } = this.#core;
    const readIndex = commitIndex >= this.#termStartIndex ? commitIndex : undefined;
    // Once the handover left, a new promise would only make the successor wait.
    const leaseMs = this.#transfer?.sent ? 0 : options.leaseMs;
    const round = this.#rounds.start(nowMs, leaseMs, readIndex);
    this.#heartbeatAtMs = nowMs + options.heartbeatMs;
    for (const [id, progress] of this.#progress) this.#sendRound(id, progress, round, leaseMs);
    this.#confirmRounds();
  }

  #sendRound(
    to: NodeId,
    progress: Progress,
    round: number,
    leaseMs: number = this.#transfer?.sent ? 0 : this.#core.options.leaseMs,
  ): void {
    const { term, commitIndex } = this.#core;
    const leaderCommit = Math.min(progress.matchIndex, commitIndex);
    this.#core.send(to, { type: 'round', term, round, leaseMs, leaderCommit });
    progress.roundSent(round);
  }

  #confirmRounds(): void {
    if (!this.#rounds.confirm(this.#core.members.voters)) return;
    this.#settleClocks();
    this.#core.outbox.reads.push(...this.#rounds.takeConfirmedReads());
    this.#startRoundForReads();
  }

  #settleClocks(): void {
    const { id, now, members } = this.#core;
    this.#stamps.sample(id, now.wallMs, now);
    this.#stamps.settle(members.allVoters());
  }

  /** A round's answer shows what a lost append cannot: the follower is there and has less than was sent (pitfalls 22-24, 27). */
  #recover(from: NodeId, progress: Progress, message: RoundReply): void {
    if (progress.roundAnswered(message.round, message.lastLogIndex)) progress.reset();
    else if (progress.probing && progress.probeSent) this.#sendAppend(from, progress, []);
    this.#replicateTo(from, progress);
  }

  /** Where to look next, given what the follower said of the term that conflicts. @see Raft §5.3 */
  #hint(message: AppendEntriesReply): LogIndex {
    const { log } = this.#core;
    if (message.conflictTerm === 0) return message.conflictIndex;
    const last = log.lastIndexUpToTerm(message.conflictTerm);
    return log.termAt(last) === message.conflictTerm ? last + 1 : message.conflictIndex;
  }

  #tryTimeoutNow(): void {
    const transfer = this.#transfer;
    const { log, nowMs } = this.#core;
    if (transfer === undefined || transfer.sent) return;
    if (this.#progress.get(transfer.to)?.matchIndex !== log.lastIndex) return;
    transfer.sent = true;
    this.#sendTimeoutNow(transfer.to, transfer.id, transfer.scopeClosed && nowMs >= this.#exclusiveFromMs);
  }

  /** @param withRelease - the scope is closed and no earlier leader can hold one: voters may forget their promises. */
  #sendTimeoutNow(to: NodeId, transferId: number, withRelease: boolean): void {
    const { term, log, members } = this.#core;
    const round = this.#rounds.current;
    this.#rounds.voidLease();
    const release = withRelease ? { term, round } : undefined;
    this.#core.send(to, { type: 'timeoutNow', term, index: log.lastIndex, transferId, release });
    if (!withRelease) return;
    for (const id of members.others) {
      if (members.isVoter(id)) this.#core.send(id, { type: 'release', term, round });
    }
  }

  /** The deadline passed: proposals resume (pitfall 58), and a no-op makes a late TimeoutNow name too old a log (pitfall 59). */
  #abortTransfer(): void {
    const wasSent = this.#transfer?.sent;
    this.#transfer = undefined;
    this.#core.outbox.transfer = { ok: false, why: 'the successor did not take over in time' };
    if (!wasSent) return;
    this.#appendNoop();
    this.#startRound();
  }

  /** The other voter with the longest log, then the freshest answer, then the lowest id. */
  #bestSuccessor(): NodeId | undefined {
    const { members } = this.#core;
    let best: NodeId | undefined;
    for (const id of members.others) {
      if (members.isVoter(id) && (best === undefined || this.#isBetter(id, best))) best = id;
    }
    return best;
  }

  #isBetter(a: NodeId, b: NodeId): boolean {
    const matchA = this.#progress.get(a)?.matchIndex ?? 0;
    const matchB = this.#progress.get(b)?.matchIndex ?? 0;
    return matchA !== matchB ? matchA > matchB : this.#rounds.answered(a) > this.#rounds.answered(b);
  }

  #quorumDeadlineMs(): number {
    return this.#rounds.silentFromMs + this.#core.options.electionTimeoutMinMs;
  }

  #isAlone(): boolean {
    const { members, id } = this.#core;
    return hasQuorum(members.voters, (voter) => voter === id);
  }
}
