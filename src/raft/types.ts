import type { ClusterId, Incarnation, NodeId } from '../base/ids.ts';

/** 1 for the first entry; 0 means "before the first". */
export type LogIndex = number;
/** 0 before the first election. */
export type Term = number;
/** The number of a leader's round in its term, 1 for the first; one counter serves reads, lease and check-quorum. */
export type Round = number;

/**
 * What an entry is for. `bootstrap` is entry 1 (cluster id and first membership), `noop` opens a term, `commands` holds one
 * batch of state-machine commands. A node that meets a kind it does not know goes to `failed`.
 */
export type EntryKind = 'bootstrap' | 'noop' | 'commands';

/** One entry of the replicated log. `data` is never changed after the entry was made. */
export interface LogEntry {
  readonly index: LogIndex;
  readonly term: Term;
  readonly kind: EntryKind;
  /** Log time in Unix milliseconds: never falls along the log, moved by no single wrong clock. */
  readonly stampMs: number;
  readonly data: Uint8Array;
}

/** A member as the bootstrap saw it: the id and the disk behind it. */
export interface MemberIdentity {
  readonly id: NodeId;
  readonly incarnation: Incarnation;
}

/** What entry 1 says. */
export interface Bootstrap {
  readonly clusterId: ClusterId;
  /** Ascending by id. All are voters. */
  readonly members: readonly MemberIdentity[];
}

/** The configuration in force. Learners get the log and promise leases, and never vote. */
export interface Membership {
  readonly voters: readonly MemberIdentity[];
  readonly learners: readonly MemberIdentity[];
}

/** What a node must never forget; written as one record. */
export interface HardState {
  readonly currentTerm: Term;
  readonly votedFor: NodeId | undefined;
  /** The longest lease ever promised, in ms as asked for by a round (not stretched by drift); 0 if none. Never falls. */
  readonly longestLeaseMs: number;
  /** The first membership this node campaigns with or voted for, until entry 1 is in its log. Ascending by id. */
  readonly bootstrapSet: readonly MemberIdentity[] | undefined;
}

/** `term` and `round` up to which a voter may forget its lease promises. */
export interface Release {
  readonly term: Term;
  readonly round: Round;
}

/** Asks whether a campaign in `term` could be won, without disturbing anyone. @see Ongaro, thesis §9.6 */
export interface PreVote {
  readonly type: 'preVote';
  /** The term the sender would campaign in: its own + 1. */
  readonly term: Term;
  readonly requestId: number;
  readonly lastLogIndex: LogIndex;
  readonly lastLogTerm: Term;
  readonly bootstrapSet: readonly MemberIdentity[] | undefined;
}

/** Why a vote or pre-vote was refused. `sticky` refusals are worth repeating soon. */
export type VoteRefusal = 'sticky' | 'term' | 'log' | 'voted' | 'set' | 'notVoter';

/** The answer to a pre-vote; nothing durable hangs on it. */
export interface PreVoteReply {
  readonly type: 'preVoteReply';
  /** Granted: the requested term (pitfall 41). Refused: the receiver's own term (pitfall 42). */
  readonly term: Term;
  readonly requestId: number;
  readonly refused: VoteRefusal | undefined;
}

/** Asks for the vote of `term`. @see Raft §5.2, §5.4.1 */
export interface RequestVote {
  readonly type: 'requestVote';
  readonly term: Term;
  readonly requestId: number;
  readonly lastLogIndex: LogIndex;
  readonly lastLogTerm: Term;
  readonly bootstrapSet: readonly MemberIdentity[] | undefined;
  /** Set when a leader of `term - 1` or earlier asked for this campaign by TimeoutNow: stickiness does not apply. */
  readonly transferId: number | undefined;
  readonly release: Release | undefined;
}

/** A vote, durable before it is sent, or the refusal. */
export interface RequestVoteReply {
  readonly type: 'requestVoteReply';
  readonly term: Term;
  readonly requestId: number;
  readonly refused: VoteRefusal | undefined;
  /** What is left of the lease promises of a granting voter, in ms; 0 when refused. */
  readonly promiseMs: number;
  readonly wallMs: number;
}

/** Entries of the leader, or an empty probe. @see Raft §5.3 */
export interface AppendEntries {
  readonly type: 'appendEntries';
  readonly term: Term;
  readonly prevLogIndex: LogIndex;
  readonly prevLogTerm: Term;
  readonly leaderCommit: LogIndex;
  /** The same array is sent to every follower at the same place, so that it is encoded once. Empty: a probe. */
  readonly entries: readonly LogEntry[];
}

/** How far the log is equal and durable, or where to look next. */
export interface AppendEntriesReply {
  readonly type: 'appendEntriesReply';
  readonly term: Term;
  /** Success: the last index that is durable here and equal to the leader's. Failure: the refused `prevLogIndex`. */
  readonly index: LogIndex;
  readonly success: boolean;
  /** On failure: the term of the conflicting entry (0 if the log is shorter) and where to look next. */
  readonly conflictTerm: Term;
  readonly conflictIndex: LogIndex;
}

/** Heartbeat: carries the round and the commit index known to be safe for this follower, min(match, commit). */
export interface RoundMessage {
  readonly type: 'round';
  readonly term: Term;
  readonly round: Round;
  /** The lease asked for; answering is the promise. */
  readonly leaseMs: number;
  readonly leaderCommit: LogIndex;
}

/** The answer to a round, and by it a promise; it never waits for the entries before it. */
export interface RoundReply {
  readonly type: 'roundReply';
  readonly term: Term;
  /** 0 when the round was of an older term: it says only that there is a newer one. */
  readonly round: Round;
  readonly wallMs: number;
  /** The sender's last log index, so that a leader notices a follower that lags behind an idle log (pitfalls 22-24). */
  readonly lastLogIndex: LogIndex;
}

/** Asks the target to campaign at once. @see Ongaro, thesis §3.10 */
export interface TimeoutNow {
  readonly type: 'timeoutNow';
  readonly term: Term;
  /** The leader's last index; the target must have it. */
  readonly index: LogIndex;
  readonly transferId: number;
  readonly release: Release | undefined;
}

/** Sent to every voter when a leader gives its lease back. */
export interface ReleaseMessage {
  readonly type: 'release';
  readonly term: Term;
  readonly round: Round;
}

/** All that members say to each other. */
export type Message =
  | PreVote
  | PreVoteReply
  | RequestVote
  | RequestVoteReply
  | AppendEntries
  | AppendEntriesReply
  | RoundMessage
  | RoundReply
  | TimeoutNow
  | ReleaseMessage;

/** A message and the member it is for. */
export interface Envelope {
  readonly to: NodeId;
  readonly message: Message;
}

/** What the core is told about the member behind a link when the handshake has passed. */
export interface PeerHello {
  readonly id: NodeId;
  readonly incarnation: Incarnation;
  readonly bootId: string;
  /** True while the peer hosts the group and its directory holds no record of it: no hard state and no entry. */
  readonly pristine: boolean;
  /** It knows a leader, and not this node, whose earlier process it may still name. */
  readonly knowsLeader: boolean;
}

/** A command batch to append; answered once through `Output.proposals`. */
export interface Proposal {
  readonly token: number;
  readonly data: Uint8Array;
}

/** One input of the core. Each is handled whole before the next. */
export type Input =
  | { readonly type: 'message'; readonly from: NodeId; readonly message: Message }
  /** `Output.deadlineMs` has come. */
  | { readonly type: 'deadline' }
  /** This process was not running for a while; its timers say nothing about the others (pitfall 82). */
  | { readonly type: 'stalled'; readonly forMs: number }
  | { readonly type: 'propose'; readonly proposals: readonly Proposal[] }
  /** The work of `Output.persist` with this token, and of all before it, is durable. */
  | { readonly type: 'persisted'; readonly token: number }
  | { readonly type: 'persistFailed'; readonly why: string }
  | { readonly type: 'applied'; readonly index: LogIndex }
  | { readonly type: 'read'; readonly token: number }
  /** Hands leadership over. `scopeClosed`: the exclusive scope is shut, so a release may be sent if the own wait is over. */
  | { readonly type: 'transfer'; readonly to: NodeId | undefined; readonly scopeClosed: boolean }
  /** Appends one more no-op and sends a new round: a scope that ended within a term is opened again under a new token. */
  | { readonly type: 'freshNoop' }
  /** Steps down without a successor (own disk stalls, scope failed); not electable for `unwillingMs`. */
  | { readonly type: 'abdicate'; readonly unwillingMs: number }
  | { readonly type: 'peerUp'; readonly peer: PeerHello }
  /** The last link of the pair closed; nothing more is known yet. */
  | { readonly type: 'peerClosed'; readonly peer: NodeId }
  /** The re-dial says that the process is no longer there, or is another one (design section 3, "gone"). */
  | { readonly type: 'peerGone'; readonly peer: NodeId }
  /** A member refused this node's hello because entry 1 names another incarnation of it: wait to be admitted. */
  | { readonly type: 'notAdmitted' };

/** What a member is in its term. */
export type Role = 'leader' | 'follower' | 'preCandidate' | 'candidate' | 'learner';

/** Work for the disk, in this order: hard state, truncate, entries. Parts are left out when there is nothing to do. */
export interface PersistRequest {
  /** Rises by one per request of this core. */
  readonly token: number;
  readonly hardState: HardState | undefined;
  /** Drop this index and all above it. */
  readonly truncateFrom: LogIndex | undefined;
  readonly entries: readonly LogEntry[];
}

/** A proposal stands in the log at this index, not committed yet, or was certainly not appended. */
export type ProposalAnswer =
  | { readonly token: number; readonly accepted: { readonly index: LogIndex; readonly term: Term } }
  | { readonly token: number; readonly refused: 'notLeader' | 'transferring' | 'logFull' | 'busy' };

/** A read is answered with the index that must be applied before the state may be read, or refused. */
export type ReadAnswer =
  | { readonly token: number; readonly index: LogIndex }
  | { readonly token: number; readonly refused: 'notLeader' | 'busy' };

/** The scope's side of leadership; computed at each step, judged by the clock at use (I15). */
export interface Lease {
  /** Monotonic ms: a quorum's promises last at least until then. -Infinity: none, or void since a release was sent. */
  readonly untilMs: number;
  /** Monotonic ms: no earlier leader can hold a scope from then on. */
  readonly exclusiveFromMs: number;
  /** Index of the term's newest no-op once it is committed, 0 before: the fencing token of a scope opened now. A fresh no-op sets it to 0 until committed. */
  readonly noopIndex: LogIndex;
}

/** What is true after the step. The same object while nothing changed. */
export interface RaftView {
  readonly role: Role;
  readonly term: Term;
  readonly leaderId: NodeId | undefined;
  readonly commitIndex: LogIndex;
  readonly lastLogIndex: LogIndex;
  readonly lastLogTerm: Term;
  readonly membership: Membership;
  readonly clusterId: ClusterId | undefined;
  readonly awaitingAdmission: boolean;
  /** Last time (monotonic ms) at which a quorum was heard: as leader by rounds, as follower through its leader. */
  readonly quorumContactMs: number;
  readonly transferringTo: NodeId | undefined;
  /** Why the core stopped for good. */
  readonly failed: string | undefined;
}

/** All lists may be empty; they are never changed after the step. Handle `view` (close the scope) before sending. */
export interface Output {
  readonly view: RaftView;
  readonly lease: Lease | undefined;
  readonly persist: PersistRequest | undefined;
  /** May be sent at once: what must wait for the disk is held back until its token is reported. */
  readonly messages: readonly Envelope[];
  readonly committed: readonly LogEntry[];
  readonly reads: readonly ReadAnswer[];
  readonly proposals: readonly ProposalAnswer[];
  /** Transfers that ended in this step. */
  readonly transfer: { readonly ok: boolean; readonly why: string } | undefined;
  /** Monotonic ms at which `{ type: 'deadline' }` is due; Infinity for never. */
  readonly deadlineMs: number;
  /** Messages that were well-formed and impossible, dropped in this step. */
  readonly rejected: number;
}

/** Both clocks, read anew for every step. */
export interface Now {
  readonly monotonicMs: number;
  readonly wallMs: number;
}

/** Complete and validated; see `resolveRaftOptions`. */
export interface RaftOptions {
  readonly id: NodeId;
  readonly incarnation: Incarnation;
  /** The configured first membership: ids of all, this node included. Used only while there is no entry 1. */
  readonly peers: readonly NodeId[];
  readonly heartbeatMs: number;
  readonly electionTimeoutMinMs: number;
  readonly electionTimeoutMaxMs: number;
  readonly leaseMs: number;
  /** Bound on clock drift, 0.05 for 5 %. */
  readonly driftBound: number;
  /** Step between ranks in the early election, and the repeat interval of a sticky pre-vote. */
  readonly rankStepMs: number;
  /** Turns the order of ranks, which is that of the ids, so that the groups of one cluster do not all prefer one leader; 0 for none. */
  readonly rankOffset: number;
  readonly appendBytesMax: number;
  readonly inflightBytesMax: number;
  readonly logBytesMax: number;
  readonly readsMax: number;
  /** A float in [0, 1). */
  readonly random: () => number;
  /** 128 random bits in hex; called once, by the first leader. */
  readonly mintClusterId: () => ClusterId;
}

/** What `Storage.load` gave back for one group. */
export interface DurableState {
  readonly hardState: HardState | undefined;
  /** From index 1 without a gap. */
  readonly entries: readonly LogEntry[];
}
