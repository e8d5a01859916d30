import type { GroupId, NodeId } from '../base/ids.ts';
import type { Mesh, MeshPeer, MeshProblem } from '../mesh/types.ts';
import type { Clock } from '../ports/clock.ts';
import type { Message, RaftView } from '../raft/types.ts';
import { DiskWatch, slowSyncMs } from './disk-watch.ts';
import { type Explanation, explain } from './explain.ts';
import { statusOfGroup } from './group-status.ts';
import { GroupWatch, lackingMessage } from './group-watch.ts';
import { type HealthFacts, judgeHealth, type NodeState, votersOf, type Warning } from './health.ts';
import type { Leadership } from './leadership.ts';
import type { MemberStatus, NodeProblem, NodeStatus, NodeView } from './node-events.ts';
import { PeerNotes } from './peer-notes.ts';
import type { GroupHandle } from './types.ts';

export interface ReporterOptions {
  readonly id: NodeId;
  readonly cluster: string;
  /** Ids of the configured peers, this node included. */
  readonly peers: readonly NodeId[];
  readonly electionTimeoutMs: number;
  readonly groups: readonly { readonly id: GroupId }[];
  /** Groups of which the directory holds records. */
  readonly recorded: ReadonlySet<GroupId>;
  readonly mesh: Mesh;
  readonly clock: Clock;
  /** Since when the disk works on one batch; undefined when it is idle. */
  readonly writingSinceMs: () => number | undefined;
}

/** Puts into words what a node knows of itself and its peers. Decides nothing. */
export class Reporter {
  readonly #options: ReporterOptions;
  readonly #startedMs: number;
  readonly #notes = new PeerNotes();
  readonly #disk = new DiskWatch();
  readonly #groups = new GroupWatch();
  #stopped = false;
  #failure: Error | undefined;

  constructor(options: ReporterOptions) {
    this.#options = options;
    this.#startedMs = options.clock.monotonicMs();
  }

  get failure(): Error | undefined {
    return this.#failure;
  }

  get isOver(): boolean {
    return this.#stopped;
  }

  heard(from: NodeId, message: Message): void {
    const { clock } = this.#options;
    this.#notes.heard(from, message, clock.monotonicMs(), clock.wallMs());
  }

  /** @returns what a person should know now of the groups that the member hosts. */
  met(peer: MeshPeer): readonly NodeProblem[] {
    return this.#groups.met(peer);
  }

  /** @returns what a person should know of a message that was dropped. */
  unknownGroup(group: GroupId, from: NodeId): NodeProblem | undefined {
    return this.#groups.dropped(group, from);
  }

  meshProblem(problem: MeshProblem): void {
    this.#notes.problem(problem);
  }

  /** @returns true when a person should be told that the disk is slow. */
  synced(tookMs: number): boolean {
    return this.#disk.synced(tookMs, this.#options.clock.monotonicMs());
  }

  stopped(failure?: Error): void {
    this.#stopped = true;
    this.#failure ??= failure;
  }

  /** Monotonic ms at which the node counts as isolated unless it hears of a quorum; Infinity when it does already. */
  isolatedAtMs(view: RaftView, nowMs: number): number {
    const atMs = Math.max(view.quorumContactMs, this.#startedMs) + this.#options.electionTimeoutMs;
    return atMs > nowMs ? atMs : Number.POSITIVE_INFINITY;
  }

  view(group: GroupHandle): NodeView {
    const view = group.view();
    const facts = this.#facts(view);
    const { health } = judgeHealth(facts);
    const { state, role } = facts;
    return { state, role, term: view.term, leaderId: facts.leaderId ?? null, health, missed: 0 };
  }

  explain(group: GroupHandle): Explanation {
    const facts = this.#facts(group.view());
    return explain({
      ...facts,
      reason: judgeHealth(facts).reason,
      peers: this.#options.mesh.peers(),
      notes: this.#notes,
      nowMs: this.#options.clock.monotonicMs(),
    });
  }

  /** @param groups - `main` first. */
  status(
    groups: readonly GroupHandle[],
    main: GroupHandle,
    scope: Leadership | undefined,
    rejectedCount: number,
  ): NodeStatus {
    const view = main.view();
    const facts = this.#facts(view);
    const remainingMs = scope?.remainingMs() ?? 0;
    return {
      id: this.#options.id,
      cluster: this.#options.cluster,
      clusterId: view.clusterId ?? null,
      address: this.#options.mesh.address() ?? null,
      state: facts.state,
      role: facts.role,
      term: view.term,
      leaderId: facts.leaderId ?? null,
      ...judgeHealth(facts),
      warnings: facts.warnings,
      members: this.#members(view, facts),
      commitIndex: view.commitIndex,
      appliedIndex: main.applied().index,
      lastLogIndex: view.lastLogIndex,
      rejectedCount,
      unknownGroupCount: this.#groups.unknownCount,
      groups: groups.map((group) => statusOfGroup(group, this.#groups.lacking(group.id), this.#stopped)),
      scope:
        scope === undefined || remainingMs === 0
          ? null
          : { term: scope.term, fencingToken: scope.fencingToken, remainingMs },
    };
  }

  #facts(view: RaftView): HealthFacts {
    const peers = this.#options.mesh.peers().filter((peer) => peer.connected);
    for (const peer of peers) this.#notes.connected(peer.id);
    const voters = votersOf(view, this.#options.peers);
    const over = this.#stopped;
    return {
      id: this.#options.id,
      state: this.#state(view),
      failure: this.#failure?.message,
      role: view.role,
      leaderId: over ? undefined : view.leaderId,
      voters,
      connected: new Set(over ? [] : peers.map((peer) => peer.id)),
      warnings: this.#warnings(view, voters),
    };
  }

  #state(view: RaftView): NodeState {
    if (this.#failure !== undefined) return 'failed';
    if (this.#stopped) return 'stopped';
    if (view.awaitingAdmission) return 'awaitingAdmission';
    const nowMs = this.#options.clock.monotonicMs();
    return Number.isFinite(this.isolatedAtMs(view, nowMs)) ? 'running' : 'isolated';
  }

  #warnings(view: RaftView, voters: readonly NodeId[]): readonly Warning[] {
    const warnings: Warning[] = [];
    const nowMs = this.#options.clock.monotonicMs();
    const members = [...view.membership.voters, ...view.membership.learners].map((member) => member.id);
    if (view.clusterId !== undefined && !isSameSet(members, this.#options.peers)) {
      const message = `the log names ${members.join(', ')}; peers names ${this.#options.peers.join(', ')}`;
      warnings.push({ code: 'peersDiffer', message });
    }
    for (const [peer, skewMs] of this.#notes.skewed(nowMs)) {
      const message = `the wall clock of ${peer} differs from this one by ${Math.round(skewMs)} ms`;
      warnings.push({ code: 'clockSkew', message });
    }
    const writingMs = nowMs - (this.#options.writingSinceMs() ?? nowMs);
    const slowMs = writingMs > slowSyncMs ? writingMs : this.#disk.slow(nowMs);
    if (slowMs !== undefined) warnings.push({ code: 'slowDisk', message: slowDiskMessage(slowMs) });
    warnings.push(...this.#groupWarnings());
    if (voters.length % 2 === 0) {
      const message = `${voters.length} voters tolerate no more failures than ${voters.length - 1}: use an odd number`;
      warnings.push({ code: 'evenMembers', message });
    }
    return warnings;
  }

  #groupWarnings(): readonly Warning[] {
    const hosted = this.#options.groups.map(({ id }) => id);
    const differ = hosted.flatMap((id): Warning[] => {
      const lacking = this.#groups.lacking(id);
      return lacking.length === 0 ? [] : [{ code: 'groupsDiffer', message: lackingMessage(id, lacking) }];
    });
    const unused = [...this.#options.recorded].filter((id) => !hosted.includes(id));
    return [...differ, ...unused.map((id): Warning => ({ code: 'unusedGroup', message: unusedMessage(id) }))];
  }

  #members(view: RaftView, { connected, id: self }: HealthFacts): readonly MemberStatus[] {
    const peers = new Map(this.#options.mesh.peers().map((peer) => [peer.id, peer]));
    const learners = view.membership.learners.map((member) => member.id);
    const voters = votersOf(view, this.#options.peers);
    return [...voters, ...learners].map((id) => ({
      id,
      voter: voters.includes(id),
      self: id === self,
      connected: id === self || connected.has(id),
      lastError: peers.get(id)?.lastError ?? null,
    }));
  }
}

export function unusedMessage(group: GroupId): string {
  return `the directory holds records of the group ${group}, which is not in groups: they are kept`;
}

/** Other work in Node's thread pool delays syncs as a busy disk does, hence the hint. */
export function slowDiskMessage(tookMs: number): string {
  return `the disk takes ${Math.round(tookMs)} ms for a write; if it is not busy, raise UV_THREADPOOL_SIZE`;
}

function isSameSet(a: readonly NodeId[], b: readonly NodeId[]): boolean {
  return a.length === b.length && a.every((id) => b.includes(id));
}
