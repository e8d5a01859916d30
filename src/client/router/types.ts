import type { Buffer } from 'node:buffer';
import type { Shard } from '../../sharding/types.ts';
import type { ClientChannel } from '../../wire/client-channel.ts';
import type { NodeIdentity } from '../../wire/handshake.ts';

/** Who gave a frame to the router and gets its answer: one connected client, or the router's own housekeeping. */
export interface Origin {
  /** Takes the answer of one frame: whole, with the correlation and group of the request put back. Called once, never inside `submit`. */
  answer(frame: Buffer): void;
}

/** A channel to one node, and who answered there. */
export interface NodeChannel extends ClientChannel {
  readonly node: NodeIdentity;
}

/** Opens an authenticated channel of kind router to one node of a shard; called again whenever one was lost. */
export type OpenNodeChannel = (options: {
  readonly shard: Shard;
  readonly nodeId: string;
  readonly address: string;
  readonly signal: AbortSignal;
}) => Promise<NodeChannel>;

/** What the router tells whoever owns it. All are called from the loop. */
export interface RouterEvents {
  /** A push of a node that concerns one client (`leaseLost`, `sessionEnded`): a whole frame, its client named in the header. */
  push(frame: Buffer): void;
  /** A shard's leader is known and reached, for the first time or anew. */
  leader(shard: Shard): void;
  /** Another map is in force. */
  mapChanged(): void;
  /** Something a person should know, once per shard and kind until it is over. */
  problem(problem: RouterProblem): void;
  /** What was told as a problem is one no longer. */
  problemOver(problem: RouterProblem): void;
}

/** Something about a shard or one of its nodes that a person should know. */
export interface RouterProblem {
  readonly kind:
    | 'wrongCluster'
    | 'notANode'
    | 'wrongSecret'
    | 'noMember'
    | 'badFrame'
    | 'conflictingMap'
    | 'forbidden';
  readonly shard: string;
  readonly address: string | undefined;
  readonly message: string;
}

/** Where a key goes and why, in one plain value. */
export interface RouteExplanation {
  readonly namespace: string;
  readonly key: string;
  readonly bucket: number;
  readonly shard: string;
  readonly mapVersion: number;
  /** The epoch that the group itself last told; undefined when it was not asked yet. */
  readonly epoch: number | undefined;
  readonly leaderId: string | undefined;
  readonly term: number;
  /** `open`: requests go out; `draining`: what was held goes out with a ramp; `holding`: they wait for a leader. */
  readonly state: 'open' | 'draining' | 'holding';
  readonly held: number;
  readonly inFlight: number;
  /** The same in words, one sentence. */
  readonly summary: string;
}

/** One shard as the router sees it now. */
export interface ShardStatus {
  readonly name: string;
  readonly number: number;
  readonly namespace: string;
  readonly cluster: string;
  readonly state: 'open' | 'draining' | 'holding';
  readonly leaderId: string | undefined;
  readonly term: number;
  /** Requests that wait to be sent. */
  readonly held: number;
  readonly heldBytes: number;
  /** Requests that were sent and are not answered. */
  readonly inFlight: number;
  /** Buckets that wait for their owner. */
  readonly heldBuckets: number;
  readonly nodes: readonly NodeLinkStatus[];
}

/** The router's link to one node. */
export interface NodeLinkStatus {
  readonly id: string;
  readonly address: string;
  readonly connected: boolean;
  /** Why the last dial failed, or the link is not used; undefined while all is well. */
  readonly problem: string | undefined;
}

/** What one shard's own log says that it owns, and what of it cannot move now. Ranges have both ends and ascend. */
export interface ShardOwnership {
  readonly name: string;
  readonly number: number;
  readonly namespace: string;
  /** The newest version of the map in that log; 0 if the group was never told of one. */
  readonly mapVersion: number;
  readonly owned: readonly { readonly from: number; readonly to: number; readonly epoch: number }[];
  /** Given away, or promised to another shard: `owner` is its name. */
  readonly ceded: readonly {
    readonly from: number;
    readonly to: number;
    readonly epoch: number;
    readonly owner: string;
  }[];
  /** Buckets with a task, a lease or a remembered answer. They stay where they are. */
  readonly occupied: readonly { readonly from: number; readonly to: number }[];
}

/** The router in one plain value. */
export interface RouterStatus {
  readonly mapVersion: number;
  readonly reloading: boolean;
  /** True once the groups were seen to own what the map in force says. */
  readonly claimed: boolean;
  readonly shards: readonly ShardStatus[];
}

/** Bounds of the requests that one shard holds or has under way; beyond them BusyError. */
export const shardRequestsMax = 10_000;
export const shardBytesMax: number = 64 * 1024 * 1024;
/** Takes that wait at one shard; they count among its bytes, not among its requests. */
export const shardTakesMax = 10_000;
