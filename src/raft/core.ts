import { assert, assertNever } from '../base/assert.ts';
import type { NodeId } from '../base/ids.ts';
import type { Campaign } from './campaign.ts';
import { Disk } from './disk.ts';
import type { Leader } from './leader.ts';
import { RaftLog } from './log.ts';
import { Members } from './members.ts';
import { Outbox } from './outbox.ts';
import { Peers } from './peers.ts';
import { Promises, promiseLengthMs } from './promises.ts';
import type {
  DurableState,
  HardState,
  LogEntry,
  LogIndex,
  MemberIdentity,
  Message,
  Now,
  RaftOptions,
  Role,
  Round,
  Term,
} from './types.ts';

/** The state that elections, following and leading share. Role, term, vote and commit change here and nowhere else. */
export class Core {
  readonly options: RaftOptions;
  readonly id: NodeId;
  readonly log: RaftLog;
  readonly disk: Disk;
  readonly outbox: Outbox = new Outbox();
  readonly members: Members;
  readonly peers: Peers = new Peers();
  readonly promises: Promises = new Promises();
  now: Now;
  /** Set while the role is leader. */
  leader: Leader | undefined;
  /** Set while the role is preCandidate or candidate. */
  campaign: Campaign | undefined;
  /** As follower: equal to the leader's log up to here, as far as this term's appends said. */
  verifiedIndex: LogIndex = 0;
  /** As follower: the last round answered in this term. */
  lastRound: Round = 0;
  electionDeadlineMs = 0;
  /** When to campaign because the leader is gone; Infinity for not planned. */
  earlyAtMs: number = Number.POSITIVE_INFINITY;
  /** Until then sticky refusals are asked again every `rankStepMs`. */
  repeatUntilMs: number = Number.NEGATIVE_INFINITY;
  unwillingUntilMs: number = Number.NEGATIVE_INFINITY;
  notAdmitted = false;
  #role: Role = 'follower';
  #term: Term;
  #votedFor: NodeId | undefined;
  #leaderId: NodeId | undefined;
  #leaderContactMs: number = Number.NEGATIVE_INFINITY;
  #bootStickyUntilMs: number = Number.NEGATIVE_INFINITY;
  #patienceMs = 0;
  #commitIndex: LogIndex = 0;
  #longestLeaseMs: number;

  constructor(options: RaftOptions, durable: DurableState, now: Now) {
    const hardState = durable.hardState;
    this.options = options;
    this.id = options.id;
    this.now = now;
    this.log = new RaftLog(durable.entries, options.appendBytesMax);
    this.disk = new Disk(this.log.lastIndex);
    this.members = new Members(options, hardState?.bootstrapSet);
    this.members.appended(durable.entries);
    this.#term = hardState?.currentTerm ?? 0;
    this.#votedFor = hardState?.votedFor;
    this.#longestLeaseMs = hardState?.longestLeaseMs ?? 0;
    assert(this.log.lastTerm <= this.#term, 'I3: the log names no term above the durable one');
    if (hardState !== undefined) this.#rememberEarlierLife();
    this.becomeFollower(this.#term, undefined);
  }

  get role(): Role {
    return this.#role;
  }

  get term(): Term {
    return this.#term;
  }

  get votedFor(): NodeId | undefined {
    return this.#votedFor;
  }

  get leaderId(): NodeId | undefined {
    return this.#leaderId;
  }

  /** When the leader of this term was last heard. */
  get leaderContactMs(): number {
    return this.#leaderContactMs;
  }

  get commitIndex(): LogIndex {
    return this.#commitIndex;
  }

  /** Nothing was ever written here. */
  get isPristine(): boolean {
    return this.#term === 0 && this.log.lastIndex === 0 && this.members.firstSet === undefined;
  }

  hardState(): HardState {
    return {
      currentTerm: this.#term,
      votedFor: this.#votedFor,
      longestLeaseMs: this.#longestLeaseMs,
      bootstrapSet: this.members.bootstrap === undefined ? this.members.firstSet : undefined,
    };
  }

  /** No message may name a term, a vote or a promise that the disk does not hold yet. */
  send(to: NodeId, message: Message): void {
    this.outbox.send(to, message, this.disk.hardStateToken);
  }

  /** For a message that also speaks of the end of the log. */
  sendWhenLogDurable(to: NodeId, message: Message): void {
    this.outbox.send(to, message, this.disk.allToken);
  }

  /** `leaderId` undefined: there is none yet in this term. A vote is forgotten only when the term rises (pitfall 5). */
  becomeFollower(term: Term, leaderId: NodeId | undefined): void {
    this.#leaveRole();
    this.#enterTerm(term);
    this.#role = this.members.isVoter(this.id) ? 'follower' : 'learner';
    this.#leaderId = leaderId;
    this.earlyAtMs = Number.POSITIVE_INFINITY;
    this.#redrawPatience();
  }

  becomePreCandidate(campaign: Campaign): void {
    if (this.#role === 'follower') this.repeatUntilMs = this.nowMs + this.options.electionTimeoutMinMs;
    this.#leaveRole();
    this.#role = 'preCandidate';
    // Its own patience is over: it must not refuse others in the name of a leader it gave up (pitfall 44).
    this.#leaderId = undefined;
    this.campaign = campaign;
    this.earlyAtMs = Number.POSITIVE_INFINITY;
    this.#redrawPatience();
  }

  becomeCandidate(campaign: Campaign): void {
    this.#leaveRole();
    this.#enterTerm(campaign.term);
    this.#role = 'candidate';
    this.#leaderId = undefined;
    this.#votedFor = this.id;
    this.campaign = campaign;
    this.earlyAtMs = Number.POSITIVE_INFINITY;
    this.#redrawPatience();
  }

  becomeLeader(leader: Leader): void {
    assert(this.#role === 'candidate', 'I1: only a candidate becomes leader');
    this.#leaveRole();
    this.#role = 'leader';
    this.#leaderId = this.id;
    this.leader = leader;
  }

  vote(candidate: NodeId): void {
    assert(this.#votedFor === undefined || this.#votedFor === candidate, 'I2: one vote a term');
    if (this.#votedFor !== candidate) {
      this.#votedFor = candidate;
      this.disk.markHardState();
    }
    this.#redrawPatience();
  }

  adoptFirstSet(set: readonly MemberIdentity[]): void {
    this.members.adoptFirstSet(set);
    this.disk.markHardState();
  }

  /** A message of the leader of this term arrived. */
  heardLeader(): void {
    assert(this.#leaderId !== undefined, 'a follower knows whom it heard');
    this.#leaderContactMs = this.nowMs;
    this.#bootStickyUntilMs = Number.NEGATIVE_INFINITY;
    this.peers.heard(this.#leaderId);
    this.earlyAtMs = Number.POSITIVE_INFINITY;
    this.electionDeadlineMs = this.nowMs + this.#patienceMs;
  }

  restartPatience(): void {
    this.#redrawPatience();
  }

  /** This process stood still: what it did not hear meanwhile says nothing (pitfall 82). */
  forgiveStall(forMs: number): void {
    if (this.#leaderId !== undefined) {
      this.#leaderContactMs = Math.min(this.nowMs, this.#leaderContactMs + Math.max(0, forMs));
    }
    this.disk.restartWatch(this.nowMs);
    this.#redrawPatience();
  }

  /** True while this node still trusts a leader and refuses to unseat it. @see thesis §4.2.3, §6.2 */
  isSticky(): boolean {
    if (this.#role === 'leader') return true;
    if (this.nowMs < this.#bootStickyUntilMs && !this.noneKnowsLeader()) return true;
    if (this.#leaderId === undefined || this.peers.isGone(this.#leaderId)) return false;
    return this.nowMs - this.#leaderContactMs < this.options.electionTimeoutMinMs;
  }

  /** All other voters are connected, and neither they nor this node know a leader. */
  noneKnowsLeader(): boolean {
    if (this.#leaderId !== undefined) return false;
    const others = this.members.others.filter((id) => this.members.isVoter(id));
    return this.peers.noneKnowsLeader(others);
  }

  /** Promises what a round asks for. The first that exceeds the durable record makes its answer wait for the disk. */
  promise(round: Round, leaseMs: number): void {
    if (leaseMs === 0) return;
    if (leaseMs > this.#longestLeaseMs) {
      this.#longestLeaseMs = leaseMs;
      this.disk.markHardState();
    }
    this.promises.add(this.#term, round, this.nowMs + promiseLengthMs(leaseMs, this.options.driftBound));
  }

  append(entries: readonly LogEntry[]): void {
    this.log.append(entries);
    this.members.appended(entries);
    this.disk.append(entries);
  }

  truncateFrom(index: LogIndex): void {
    assert(index > this.#commitIndex, 'I8: a committed entry is never cut');
    this.log.truncateFrom(index);
    this.members.truncatedFrom(index);
    this.disk.truncateFrom(index);
  }

  commitTo(index: LogIndex): void {
    if (index <= this.#commitIndex) return;
    assert(index <= this.log.lastIndex, 'I9: commit stays within the log');
    const entries = this.log.range(this.#commitIndex + 1, index);
    const before = this.outbox.committed;
    this.outbox.committed = before.length === 0 ? entries : [...before, ...entries];
    this.#commitIndex = index;
  }

  applied(index: LogIndex): void {
    assert(index <= this.#commitIndex, 'I9: applied stays within commit');
  }

  get nowMs(): number {
    return this.now.monotonicMs;
  }

  #rememberEarlierLife(): void {
    this.#bootStickyUntilMs = this.nowMs + this.options.electionTimeoutMinMs;
    if (this.#longestLeaseMs === 0) return;
    // Which rounds were answered is not known: only a release of a later term can cover them all.
    const untilMs = this.nowMs + promiseLengthMs(this.#longestLeaseMs, this.options.driftBound);
    this.promises.add(this.#term, Number.POSITIVE_INFINITY, untilMs);
  }

  #leaveRole(): void {
    switch (this.#role) {
      case 'leader':
        this.leader?.end();
        this.leader = undefined;
        break;
      case 'preCandidate':
        this.campaign = undefined;
        break;
      case 'candidate':
        this.campaign = undefined;
        // A vote request that still waits for the disk speaks of a log that a leader of this term may cut.
        this.outbox.dropHeld();
        break;
      case 'follower':
      case 'learner':
        break;
      default:
        assertNever(this.#role);
    }
  }

  #enterTerm(term: Term): void {
    assert(term >= this.#term, 'I3: a term never falls');
    if (term === this.#term) return;
    this.#term = term;
    this.#votedFor = undefined;
    this.#leaderContactMs = Number.NEGATIVE_INFINITY;
    this.verifiedIndex = 0;
    this.lastRound = 0;
    this.disk.markHardState();
    this.outbox.dropHeld();
  }

  /** Drawn anew at every change of role (pitfall 52). */
  #redrawPatience(): void {
    const { electionTimeoutMinMs, electionTimeoutMaxMs, random } = this.options;
    this.#patienceMs =
      electionTimeoutMinMs + Math.floor(random() * (electionTimeoutMaxMs - electionTimeoutMinMs));
    this.electionDeadlineMs = this.nowMs + this.#patienceMs;
  }
}
