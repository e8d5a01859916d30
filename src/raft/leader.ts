import { assert } from '../base/assert.ts';
import type { NodeId } from '../base/ids.ts';
import { encodeBootstrap } from './bootstrap.ts';
import type { Campaign } from './campaign.ts';
import type { Core } from './core.ts';
import { Handover } from './handover.ts';
import { entryBytes } from './log.ts';
import { uncommittedWindowsMax } from './options.ts';
import { hasQuorum, quorumValue } from './quorum.ts';
import { Replication } from './replication.ts';
import { Rounds } from './rounds.ts';
import type { Stamps } from './stamps.ts';
import type {
  AppendEntriesReply,
  EntryKind,
  Lease,
  LogEntry,
  LogIndex,
  Proposal,
  Round,
  RoundReply,
} from './types.ts';

const noData: Uint8Array = new Uint8Array(0);

/** One node's time in office: made when it wins a term, dropped when the term or the office ends. */
export class Leader {
  readonly #core: Core;
  readonly #replication: Replication;
  readonly #rounds: Rounds;
  readonly #handover: Handover;
  readonly #stamps: Stamps;
  readonly #exclusiveFromMs: number;
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
    this.#replication = new Replication(core);
    this.#handover = new Handover(core, this.#replication, this.#rounds, this.#exclusiveFromMs);
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
      this.#handover.deadlineMs,
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
    return this.#handover.to;
  }

  /** Leadership ends: what waits on it is refused. Called by `Core` alone. */
  end(): void {
    const { outbox } = this.#core;
    for (const token of this.#rounds.takeAllReads()) outbox.reads.push({ token, refused: 'notLeader' });
    if (this.#handover.isActive) {
      const ok = this.#handover.isSent;
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
    if (nowMs >= this.#handover.deadlineMs) this.#abortTransfer();
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
    if (this.#handover.isActive) return;
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
    this.#replication.onUp(id);
    const round = this.#rounds.current;
    if (this.#replication.has(id) && this.#rounds.answered(id) < round) this.#sendRound(id, round);
  }

  onPeerClosed(id: NodeId): void {
    this.#replication.onClosed(id);
  }

  onAppendEntriesReply(from: NodeId, message: AppendEntriesReply): void {
    const { log, outbox } = this.#core;
    if (message.index > log.lastIndex) {
      outbox.rejected += 1;
      return;
    }
    this.#replication.onReply(from, message);
    this.#advanceCommit();
    this.#handover.advance();
  }

  onRoundReply(from: NodeId, message: RoundReply): void {
    const { outbox, now } = this.#core;
    if (message.round > this.#rounds.current) {
      outbox.rejected += 1;
      return;
    }
    this.#stamps.sample(from, message.wallMs, now);
    this.#rounds.answer(from, message.round);
    this.#confirmRounds();
    this.#replication.onRoundReply(from, message);
    this.#handover.advance();
  }

  /** Hands leadership over; a transfer that is under way is replaced. */
  onTransfer(to: NodeId | undefined, scopeClosed: boolean): void {
    if (this.#handover.isSent) this.#abortTransfer();
    const { outbox } = this.#core;
    const why = this.#handover.begin(to, scopeClosed);
    outbox.transfer = why === undefined ? undefined : { ok: false, why };
  }

  /** Steps down, and asks the best voter that has the whole log to take over; its voters' promises are waited out. */
  abdicate(unwillingMs: number): void {
    const core = this.#core;
    if (this.#isAlone()) return;
    this.#handover.askToTakeOver();
    core.unwillingUntilMs = core.nowMs + unwillingMs;
    core.becomeFollower(core.term, undefined);
  }

  #refusal(
    logBytes: number,
    logBytesMax: number,
    addedBytes: number,
  ): 'transferring' | 'logFull' | 'busy' | undefined {
    if (this.#handover.isActive) return 'transferring';
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
    this.#replication.sendToAll();
  }

  /** Commits what a quorum holds durably, counting entries of this term only (pitfall 11). @see Raft §5.4.2 */
  #advanceCommit(): void {
    const core = this.#core;
    const index = quorumValue(core.members.voters, (id) =>
      id === core.id ? core.disk.durableIndex : this.#replication.matchIndex(id),
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
    const round = this.#rounds.start(nowMs, this.#leaseAskedMs(), readIndex);
    // On one grid for all groups of a node, so that their rounds leave in one turn and one frame: never later than a heartbeat.
    this.#heartbeatAtMs = (Math.floor(nowMs / options.heartbeatMs) + 1) * options.heartbeatMs;
    for (const id of this.#replication.followers()) this.#sendRound(id, round);
    this.#confirmRounds();
  }

  #sendRound(to: NodeId, round: Round): void {
    const { term, commitIndex } = this.#core;
    const leaderCommit = Math.min(this.#replication.matchIndex(to), commitIndex);
    this.#core.send(to, { type: 'round', term, round, leaseMs: this.#leaseAskedMs(), leaderCommit });
    this.#replication.roundSent(to, round);
  }

  /** Once the handover left, a new promise would only make the successor wait. */
  #leaseAskedMs(): number {
    return this.#handover.isSent ? 0 : this.#core.options.leaseMs;
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

  /** The deadline passed: proposals resume (pitfall 58), and a no-op makes a late TimeoutNow name too old a log (pitfall 59). */
  #abortTransfer(): void {
    const wasSent = this.#handover.giveUp();
    this.#core.outbox.transfer = { ok: false, why: 'the successor did not take over in time' };
    if (!wasSent) return;
    this.#appendNoop();
    this.#startRound();
  }

  #quorumDeadlineMs(): number {
    return this.#rounds.silentFromMs + this.#core.options.electionTimeoutMinMs;
  }

  #isAlone(): boolean {
    const { members, id } = this.#core;
    return hasQuorum(members.voters, (voter) => voter === id);
  }
}
