import { type GroupId, mainGroup } from '../base/ids.ts';
import type { Node } from '../node/node.ts';
import type { GroupHandle } from '../node/types.ts';
import { ApplyChecker } from './checkers/apply-checker.ts';
import type { Judge } from './checkers/judge.ts';
import { LogChecker } from './checkers/log-checker.ts';
import { observeFrame } from './checkers/observed-message.ts';
import { ScopeChecker } from './checkers/scope-checker.ts';
import { VoteChecker } from './checkers/vote-checker.ts';
import type { SimulatedCluster } from './simulated-cluster.ts';
import type { SimulatedDisk } from './simulated-disk.ts';
import type { SimulatedProcess } from './simulated-process.ts';

/** Frames of a handshake, per direction. */
const handshakeFrames = 2;

/** Ties the checkers to what can be seen of a cluster: disks, frames, views, applied entries, scopes. */
export class ConsensusChecks {
  readonly scopes: ScopeChecker;
  readonly log: LogChecker;
  readonly #judge: Judge;
  readonly #votes: VoteChecker;
  readonly #apply: ApplyChecker;
  readonly #digestEvery: number;
  readonly #group: GroupId;
  #leaderChanges = 0;

  /**
   * @param digestEvery - the state is compared at multiples of this index; 1 for a cheap machine.
   * @param group - which group of the cluster; the scopes are those of `main`.
   */
  constructor(judge: Judge, clusterSize: number, digestEvery: number, group: GroupId = mainGroup) {
    this.#judge = judge;
    this.#group = group;
    this.#digestEvery = digestEvery;
    this.#votes = new VoteChecker(judge);
    this.log = new LogChecker(judge, clusterSize, (term) => this.#votes.leaderOf(term));
    this.#apply = new ApplyChecker(judge);
    this.scopes = new ScopeChecker(judge);
  }

  /** Leaders seen so far. */
  get leaderChanges(): number {
    return this.#leaderChanges;
  }

  /** Watches the disks and wires; `started` follows for each process. */
  watch(cluster: SimulatedCluster): void {
    for (const member of cluster.members) this.#watchDisk(member.disk);
    const names = new Set(cluster.names);
    cluster.network.observe((from, to, frame) => {
      if (from.sentCount <= handshakeFrames || !names.has(from.hostName) || !names.has(to.hostName)) return;
      this.#watchFrame(diskName(cluster.member(from.hostName).disk), from.hostName, to.hostName, frame);
    });
    cluster.world.onStep(() => this.scopes.check());
  }

  /** The disk of this node was replaced by an empty one. */
  wiped(node: string): void {
    this.log.wiped(node);
  }

  started(name: string, process: SimulatedProcess, node: Node): void {
    const group = node.group(this.#group);
    const life = `${name}/${process.life}`;
    let leaderTerm = 0;
    let commitIndex = 0;
    const look = (): void => {
      const view = group.view();
      if (view.role === 'leader' && view.term !== leaderTerm) {
        leaderTerm = view.term;
        this.#leads(name, view.term);
      } else if (view.role === 'leader' && view.commitIndex > commitIndex) {
        this.log.claimedByLeader(name, view.term, view.commitIndex);
      }
      commitIndex = view.commitIndex;
      this.log.claimed(name, view.commitIndex);
      this.#apply.committed(life, view.commitIndex);
    };
    group.onView(look);
    look();
    this.#watchApplied(life, group);
    node.on('problem', (problem) => {
      if (problem.kind === 'failed') this.#failed(name, problem.message);
    });
  }

  #failed(name: string, message: string): void {
    if (message.includes('the disk refused a sync')) return;
    this.#judge.violated('R2', `${name} failed by itself: ${message}`);
  }

  #leads(name: string, term: number): void {
    this.#leaderChanges += 1;
    this.#votes.leaderSeen(name, term);
    this.log.leaderSeen(name, term);
  }

  #watchApplied(life: string, group: GroupHandle): void {
    group.onApplied((entry) => {
      const digest = entry.index % this.#digestEvery === 0 ? group.machine.digest() : undefined;
      this.#apply.applied(life, entry, digest);
    });
  }

  #watchFrame(disk: string, from: string, to: string, frame: Uint8Array): void {
    for (const message of observeFrame(frame, this.#group)) {
      this.#votes.sent(disk, from, to, message);
      if (message.kind === 'appendEntriesReply' && message.success)
        this.log.acknowledged(from, message.index);
    }
  }

  #watchDisk(disk: SimulatedDisk): void {
    disk.observe({
      onDurable: (_, writes) => {
        for (const write of writes) {
          if (write.group !== this.#group) continue;
          const { hardState } = disk.group(this.#group);
          const term = write.hardState?.currentTerm ?? hardState?.currentTerm ?? 0;
          if (hardState !== undefined) this.#votes.durable(diskName(disk), hardState);
          this.log.durable(disk.hostName, { truncateFrom: write.truncateFrom, entries: write.entries, term });
        }
      },
    });
  }
}

function diskName(disk: SimulatedDisk): string {
  return `${disk.hostName}#${disk.generation}`;
}
