import type { NodeId } from '../base/ids.ts';
import { Campaign } from './campaign.ts';
import type { Core } from './core.ts';
import { Leader } from './leader.ts';
import type { MemberIdentity, PreVoteReply, Release, RequestVoteReply, TimeoutNow } from './types.ts';

/** So many times the longest patience an unwilling node leaves to the others when there is no leader. */
const reluctantPatiencesMax = 2;

/** How a leader is found: pre-vote, vote, and when to start either. */
export class Elections {
  readonly #core: Core;
  #requestId = 0;
  #repeatAtMs: number = Number.POSITIVE_INFINITY;
  #selfVoteToken: number | undefined;
  /** The first membership that the pre-vote under way would found; undefined when there is one already. */
  #foundingSet: readonly MemberIdentity[] | undefined;
  #release: Release | undefined;

  constructor(core: Core) {
    this.#core = core;
    if (this.#isAlone()) core.electionDeadlineMs = core.nowMs;
  }

  /** When time alone makes this node do something; Infinity for a leader. */
  get deadlineMs(): number {
    const { role, electionDeadlineMs, earlyAtMs } = this.#core;
    if (role === 'leader' || role === 'learner') return Number.POSITIVE_INFINITY;
    if (role === 'follower') return Math.min(electionDeadlineMs, earlyAtMs);
    return Math.min(electionDeadlineMs, this.#repeatAtMs);
  }

  onDeadline(): void {
    const core = this.#core;
    if (core.role === 'leader' || core.role === 'learner') return;
    if (core.nowMs >= core.electionDeadlineMs) this.startPreVote();
    else if (core.role === 'follower' && core.nowMs >= core.earlyAtMs) this.startPreVote();
    else if (core.role !== 'follower' && core.nowMs >= this.#repeatAtMs) this.#repeat();
  }

  /** The leader's process is no longer there: campaign by rank among those that are left. */
  onLeaderGone(): void {
    const core = this.#core;
    if (core.role !== 'follower' || core.leaderId === undefined || !core.peers.isGone(core.leaderId)) return;
    core.earlyAtMs = core.nowMs + this.#rank(core.leaderId) * core.options.rankStepMs;
  }

  /** On a cold start nobody is trusted and all can see it: there is nothing to be patient for. */
  onPeerUp(): void {
    const core = this.#core;
    if (core.role !== 'follower' || core.earlyAtMs !== Number.POSITIVE_INFINITY) return;
    if (!core.noneKnowsLeader() || !this.#canCampaign()) return;
    core.earlyAtMs = core.nowMs + this.#rank(undefined) * core.options.rankStepMs;
  }

  /** A self-vote counts once it is durable, like any other (pitfall 15). */
  onDurable(): void {
    const core = this.#core;
    const { campaign } = core;
    if (campaign?.phase !== 'real' || this.#selfVoteToken === undefined) return;
    if (!core.disk.isDurable(this.#selfVoteToken)) return;
    this.#selfVoteToken = undefined;
    campaign.grant(core.id, core.promises.untilMs());
    this.#winIfElected(campaign);
  }

  startPreVote(): void {
    const core = this.#core;
    if (!this.#canCampaign()) {
      this.#thinkAgain();
      return;
    }
    this.#requestId += 1;
    this.#selfVoteToken = undefined;
    this.#foundingSet = core.members.firstSet === undefined ? this.#pristineSet() : undefined;
    const campaign = new Campaign('pre', core.term + 1, this.#requestId, undefined);
    core.becomePreCandidate(campaign);
    campaign.grant(core.id, Number.NEGATIVE_INFINITY);
    if (this.#maySeekVotes(campaign)) this.#startElection(undefined);
    else this.#ask(campaign);
  }

  /** The leader asked for it: no pre-vote, and voters drop their stickiness. */
  campaignForTransfer(message: TimeoutNow): void {
    if (message.release !== undefined) this.#core.promises.forget(message.release);
    if (!this.#canCampaign()) return;
    this.#release = message.release;
    this.#startElection(message.transferId);
  }

  onPreVoteReply(from: NodeId, message: PreVoteReply): void {
    const core = this.#core;
    const { campaign } = core;
    if (campaign?.phase !== 'pre' || message.requestId !== campaign.requestId) return;
    if (message.refused === undefined) {
      if (message.term !== campaign.term) return;
      campaign.grant(from, Number.NEGATIVE_INFINITY);
      if (this.#maySeekVotes(campaign)) this.#startElection(undefined);
      return;
    }
    if (message.term > core.term) {
      // Adopting the newer term ends the deadlock of a short log and a long log (pitfall 42).
      core.becomeFollower(message.term, undefined);
      this.startPreVote();
      return;
    }
    campaign.refuse(from, message.refused);
    this.#planRepeat(campaign);
  }

  onRequestVoteReply(from: NodeId, message: RequestVoteReply): void {
    const core = this.#core;
    const { campaign } = core;
    if (message.term > core.term) {
      core.becomeFollower(message.term, undefined);
      return;
    }
    if (campaign?.phase !== 'real' || message.requestId !== campaign.requestId) return;
    if (message.refused !== undefined) {
      campaign.refuse(from, message.refused);
      if (campaign.isLost(core.members.voters)) this.#loseElection();
      return;
    }
    if (message.term !== campaign.term) return;
    campaign.grant(from, core.nowMs + message.promiseMs);
    campaign.stamps.sample(from, message.wallMs, core.now);
    this.#winIfElected(campaign);
  }

  /** Who granted a pre-vote lets that campaign run before starting its own; of two at once the lower id goes on. */
  cede(to: NodeId): void {
    const core = this.#core;
    const laterMs = core.nowMs + core.options.heartbeatMs;
    if (core.earlyAtMs !== Number.POSITIVE_INFINITY) core.earlyAtMs = Math.max(core.earlyAtMs, laterMs);
    if (core.role !== 'preCandidate' || core.nowMs >= core.repeatUntilMs || to > core.id) return;
    core.becomeFollower(core.term, undefined);
    core.earlyAtMs = laterMs;
  }

  /** A pre-vote was refused because this log is longer: the voter campaigns in the other's place. */
  campaignWithLongerLog(): void {
    const core = this.#core;
    if (core.role === 'follower' && !core.isSticky()) this.startPreVote();
  }

  /**
   * A majority is enough in a cluster that exists. To found one takes all: each must say now that it is as new as its link said
   * once, or a member that was cut off since could found a second cluster with a disk that was wiped after the first.
   */
  #maySeekVotes(campaign: Campaign): boolean {
    const { members } = this.#core;
    if (this.#foundingSet === undefined) return campaign.isWon(members.voters);
    return campaign.isUnanimous(members.voters);
  }

  #startElection(transferId: number | undefined): void {
    const core = this.#core;
    if (this.#foundingSet !== undefined && core.members.firstSet === undefined) {
      core.adoptFirstSet(this.#foundingSet);
    }
    this.#requestId += 1;
    const campaign = new Campaign('real', core.term + 1, this.#requestId, transferId);
    core.becomeCandidate(campaign);
    this.#selfVoteToken = core.disk.allToken;
    this.#ask(campaign);
  }

  /** Asks all voters that may still grant. */
  #ask(campaign: Campaign): void {
    const core = this.#core;
    const { lastIndex: lastLogIndex, lastTerm: lastLogTerm } = core.log;
    const { term, requestId, transferId } = campaign;
    const bootstrapSet = core.members.firstSet ?? this.#foundingSet;
    const request = { term, requestId, lastLogIndex, lastLogTerm, bootstrapSet };
    const release = transferId === undefined ? undefined : this.#release;
    for (const id of core.members.others) {
      if (!core.members.isVoter(id) || !campaign.isOpen(id)) continue;
      if (campaign.phase === 'pre') core.send(id, { type: 'preVote', ...request });
      else core.sendWhenLogDurable(id, { type: 'requestVote', ...request, transferId, release });
    }
    this.#repeatAtMs = core.nowMs + core.options.heartbeatMs;
  }

  #repeat(): void {
    const { campaign } = this.#core;
    // A vote request that is still held back need not be asked twice.
    if (campaign === undefined || this.#selfVoteToken !== undefined) {
      this.#repeatAtMs = this.#core.nowMs + this.#core.options.heartbeatMs;
      return;
    }
    this.#ask(campaign);
    this.#planRepeat(campaign);
  }

  /** A refusal for stickiness passes soon, if the others find the leader gone as well. */
  #planRepeat(campaign: Campaign): void {
    const { nowMs, repeatUntilMs, options } = this.#core;
    if (nowMs < repeatUntilMs && campaign.metStickiness()) {
      this.#repeatAtMs = Math.min(this.#repeatAtMs, nowMs + options.rankStepMs);
    }
  }

  #winIfElected(campaign: Campaign): void {
    const core = this.#core;
    if (!campaign.isWon(core.members.voters)) return;
    const leader = new Leader(core, campaign);
    core.becomeLeader(leader);
    leader.start();
  }

  /** Too many refused: try again soon if the old leader was gone, else with patience. Apart from each other either way. */
  #loseElection(): void {
    const core = this.#core;
    const isEarly = core.nowMs < core.repeatUntilMs;
    core.becomeFollower(core.term, undefined);
    if (!isEarly) return;
    const voters = core.members.allVoters().length;
    const steps = this.#rank(undefined) + core.options.random() * voters;
    core.earlyAtMs = core.nowMs + core.options.rankStepMs * (1 + steps);
  }

  /** Nobody leads and this node may not try: it waits once more. Its reluctance ends when that of the others would have, too. */
  #thinkAgain(): void {
    const core = this.#core;
    const lastMs = core.nowMs + reluctantPatiencesMax * core.options.electionTimeoutMaxMs;
    core.unwillingUntilMs = Math.min(core.unwillingUntilMs, lastMs);
    core.earlyAtMs = Number.POSITIVE_INFINITY;
    core.restartPatience();
  }

  #canCampaign(): boolean {
    const core = this.#core;
    const { options, nowMs, members } = core;
    if (core.role === 'leader' || !members.isVoter(core.id) || nowMs < core.unwillingUntilMs) return false;
    if (nowMs >= core.disk.stalledAtMs(options.electionTimeoutMinMs)) return false;
    return members.firstSet !== undefined || this.#pristineSet() !== undefined;
  }

  /** The set this node would found the cluster with: all configured peers are there, and all of them pristine. */
  #pristineSet(): readonly MemberIdentity[] | undefined {
    const { isPristine, notAdmitted, members, peers, id, options } = this.#core;
    if (!isPristine || notAdmitted) return undefined;
    return peers.pristineSet(members.others, { id, incarnation: options.incarnation });
  }

  #isAlone(): boolean {
    const { members, id } = this.#core;
    return members.isVoter(id) && members.others.length === 0;
  }

  /** This node's place among the voters without `except`, by id, turned by the group's offset. A preference: nothing depends on it. */
  #rank(except: NodeId | undefined): number {
    const { members, id, options } = this.#core;
    const voters = members.allVoters().filter((voter) => voter !== except);
    const place = voters.filter((voter) => voter < id).length;
    const count = Math.max(1, voters.length);
    return (place + count - (options.rankOffset % count)) % count;
  }
}
