import type { GroupId, NodeId } from '../base/ids.ts';
import type { Mesh, MeshEvents, MeshPeer, MeshProblem } from '../mesh/types.ts';
import type { Clock } from '../ports/clock.ts';
import type { Logger } from '../ports/logger.ts';
import type { StateMachine } from '../ports/state-machine.ts';
import type { Storage } from '../ports/storage.ts';
import type { Message } from '../raft/types.ts';
import type { Core, Group } from './group.ts';

/** What the driver tells the node above it. Calls come from the loop. */
export interface DriverEvents {
  /** After each step of a group, before anything of it leaves. */
  stepped(group: Group, changed: boolean): void;
  /** At the end of each turn, after its messages have left. Returns the monotonic ms at which another turn is wanted. */
  turnEnded(nowMs: number): number;
  /** A message of `main` as it came in, before the core sees it: for what a person may want to know of a peer. */
  heard(from: NodeId, message: Message): void;
  /** A message for a group that this node does not host was dropped. */
  unknownGroup(group: GroupId, from: NodeId): void;
  transferEnded(group: Group, ok: boolean, why: string): void;
  /** The machine slept: what was counted by the monotonic clock is void. */
  slept(forMs: number): void;
  /** This node was not running for so long. */
  stalled(forMs: number): void;
  /** The disk finished a batch. */
  synced(tookMs: number): void;
  /** Once: the node has stopped for good. */
  failed(error: Error): void;
  meshProblem(problem: MeshProblem): void;
  /** A pair's link came (with what the other member said of itself) or went. */
  peersChanged(met: MeshPeer | undefined): void;
}

/** What the service that stands on the node hears of the mesh. */
export interface EdgeEvents extends Pick<MeshEvents, 'service' | 'clientUp'> {
  peerUp(peer: NodeId): void;
  peerClosed(peer: NodeId): void;
}

export interface DriverGroup {
  readonly id: GroupId;
  readonly core: Core;
  readonly machine: StateMachine;
}

export interface DriverOptions {
  readonly id: NodeId;
  readonly heartbeatMs: number;
  readonly electionTimeoutMs: number;
  /** Groups of which the directory held a record when it was opened, also those that are not hosted any more. */
  readonly recorded: ReadonlySet<GroupId>;
  /** `main` first. */
  readonly groups: readonly DriverGroup[];
  readonly mesh: Mesh;
  readonly storage: Storage;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly events: DriverEvents;
  /** What the mesh brings that is not Raft's alone. */
  readonly edges: EdgeEvents;
}
