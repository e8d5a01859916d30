import type { Buffer } from 'node:buffer';
import type { Clock } from '../../ports/clock.ts';
import type { Lane } from './lane.ts';

/** A way to one node, as far as a lane cares. */
export interface LaneLink {
  readonly nodeId: string;
  readonly isOpen: boolean;
  /** More waits to be taken by the node than is good; told to go on by the router. */
  readonly isFull: boolean;
  send(frame: Buffer): void;
}

/** What a lane asks of the router it is part of. */
export interface LaneHost {
  readonly clock: Clock;
  nextCorrelation(): number;
  /** A node whose any-replica read may go to; undefined if none is connected. */
  replicaOf(lane: Lane): LaneLink | undefined;
  /** Why the shard was not reached, for people. */
  describe(lane: Lane): string;
}
