import type { ClientId, NodeId, SessionId } from '../base/ids.ts';
import type { BucketRange, EpochRange, MapName } from '../sharding/types.ts';

/** `static`: the refresh token stays valid. `rotating`: each use buys a new one and a second use revokes the family. */
export type ProviderKind = 'static' | 'rotating';

/** Complete settings of a provider; replicated. A provider nobody configured has `defaultProvider`. */
export interface Provider {
  readonly kind: ProviderKind;
  /** How long a spent refresh token may be used again, as the provider says; 0 for rotating providers without grace. A graced provider's tasks are retried like static ones within it. */
  readonly graceMs: number;
  /** How long a rotating task whose outcome is unknown is given to nobody; at least until the call's own deadline. */
  readonly suspectMs: number;
  readonly onUnknown: 'retry' | 'bury';
}

/** Which tasks come first, and how sessions end; replicated, set by an entry. All durations in ms. */
export interface Policy {
  readonly name: 'bands';
  /** Raised by each change. */
  readonly version: number;
  /** A task becomes ready `leadMs` before it expires. */
  readonly leadMs: number;
  /** A task is urgent `urgentMs` before it expires. */
  readonly urgentMs: number;
  /** Tasks given from the urgent band, while the expired band has one, before one expired task is given. */
  readonly urgentShare: number;
  readonly sessionTimeoutMs: number;
  /** A client without a request for so long is forgotten. */
  readonly clientTimeoutMs: number;
}

/** `urgent` (a), `expired` (b), `ahead` (c) of design section 6. */
export type Band = 'urgent' | 'expired' | 'ahead';
/** Where a task stands: in a band, waiting for its time, with a worker, in doubt, or put aside. */
export type TaskState = 'ready' | 'delayed' | 'taken' | 'suspect' | 'buried';

/** What a client asks for. Times are Unix ms. `queue` is 1 to 64 characters as a node id; `id` 1 to 256 bytes of UTF-8. */
export type Operation =
  | {
      readonly type: 'put';
      readonly queue: string;
      readonly id: string;
      readonly payload: Uint8Array;
      readonly expiresAtMs: number;
      readonly provider: string;
      /** 0 to 1,000,000; higher first among expired tasks. */
      readonly weight: number;
      /** When the next refresh may start; undefined: `expiresAtMs - leadMs`. */
      readonly refreshAtMs: number | undefined;
      readonly ifAbsent: boolean;
      readonly ifVersion: number | undefined;
    }
  | {
      readonly type: 'take';
      readonly queue: string;
      /** 1 to 1,000. */
      readonly limit: number;
      readonly session: SessionId;
      /** Time to run: the lease ends so long after its stamp. */
      readonly ttrMs: number;
      /** The caller's own deadline for the provider call; a suspect task is not retried before it. */
      readonly callMs: number;
    }
  | {
      readonly type: 'ack';
      readonly queue: string;
      readonly id: string;
      readonly fence: number;
      readonly payload: Uint8Array;
      readonly expiresAtMs: number;
    }
  | { readonly type: 'ackDone'; readonly queue: string; readonly id: string; readonly fence: number }
  | {
      readonly type: 'release';
      readonly queue: string;
      readonly id: string;
      readonly fence: number;
      /** Not given again before its stamp + `delayMs`. */
      readonly delayMs: number;
      /** `provider`: the whole provider backs off for `delayMs`, for the whole cluster. */
      readonly scope: 'task' | 'provider';
      /** True if the provider may have seen the call: a rotating task becomes suspect instead of ready. */
      readonly callMade: boolean;
    }
  | {
      readonly type: 'bury';
      readonly queue: string;
      readonly id: string;
      readonly fence: number;
      readonly reason: string;
    }
  | {
      readonly type: 'setProvider';
      readonly queue: string;
      readonly provider: string;
      readonly settings: Provider;
    }
  | { readonly type: 'setPolicy'; readonly queue: string; readonly policy: Omit<Policy, 'version'> }
  /**
   * What became of the request that has this one's id? Its answer if it was applied; if not, it is refused from now on, as this
   * is. `queue` and `id` are those of the request, `id` empty for one without a key.
   */
  | { readonly type: 'resolve'; readonly queue: string; readonly id: string };

/** A request of a client: applied once, answered the same each time. */
export interface Request {
  readonly client: ClientId;
  readonly stream: number;
  readonly seq: number;
  readonly settledUpTo: number;
  /** A take that the leader asks again while it waits: finding nothing is not its answer yet. */
  readonly mayWait: boolean;
  /** Version of the shard map by which it was sent here; 0 by one that knows no shards. */
  readonly mapVersion: number;
  /** A put must not undo a later one of its stream; false in logs from before groups saw to that. */
  readonly inOrder: boolean;
}

/** A change of what the group owns. Idempotent: the same claim twice is one. */
export type Claim =
  /** This group, which is the shard `shard`, owns these buckets from now on, each under its epoch. */
  | {
      readonly type: 'own';
      readonly map: MapName;
      readonly shard: string;
      readonly ranges: readonly EpochRange[];
    }
  /** This group owns these buckets no longer, or promises never to have: `to` may. All or none. */
  | {
      readonly type: 'disown';
      readonly map: MapName;
      readonly to: string;
      readonly ranges: readonly BucketRange[];
    };

/** One command of the log. `at` is the stamp of the entry it stands in. */
export type QueueCommand =
  | { readonly type: 'request'; readonly request: Request; readonly operation: Operation }
  /**
   * Registers the client and the session if new, and raises the session's attachment number; `workerId` names the escrow. A client that
   * was attached before says under which registration: one that was forgotten is not registered anew under its old id, whose requests
   * somebody may still hold.
   */
  | {
      readonly type: 'attach';
      readonly client: ClientId;
      readonly session: SessionId;
      readonly gateway: NodeId;
      readonly workerId: string;
      /** 0 for a client that was never attached. */
      readonly registration: number;
    }
  /** The gateway saw the client close; applies only if `attachment` is still current. */
  | { readonly type: 'detach'; readonly session: SessionId; readonly attachment: number }
  /** The gateway read bytes from these sessions since its last renewal; each is (session, attachment). */
  | {
      readonly type: 'renew';
      readonly gateway: NodeId;
      readonly sessions: readonly { readonly session: SessionId; readonly attachment: number }[];
    }
  /** Reader found it expired. */
  | { readonly type: 'want'; readonly queue: string; readonly id: string }
  | { readonly type: 'claim'; readonly claim: Claim }
  /** The client has the answers of this stream up to there: they need not be remembered. */
  | {
      readonly type: 'settle';
      readonly client: ClientId;
      readonly stream: number;
      readonly settledUpTo: number;
    }
  /** Lets log time pass when nothing else is written: bands advance, delays, leases, sessions and clients end, in slices. */
  | { readonly type: 'tick' };

/** A task as it is handed to a worker. */
export interface LeasedTask {
  readonly id: string;
  readonly payload: Uint8Array;
  readonly expiresAtMs: number;
  readonly provider: string;
  readonly weight: number;
  /** Raised by each put and ack. */
  readonly version: number;
  readonly generation: number;
  /** How often it was taken since the last success, this time included. */
  readonly attempt: number;
  readonly fence: number;
  /** Log time at which the lease ends. */
  readonly leaseEndsAtMs: number;
}

/** Why an operation was not carried out. Codes map to the error classes of base/errors.ts. */
export type RefusalCode =
  | 'STALE_LEASE'
  | 'TASK_NOT_FOUND'
  | 'CONDITION_FAILED'
  | 'INVALID_ARGUMENT'
  | 'TOO_LARGE'
  | 'BUSY'
  | 'REQUEST_ID_REUSED'
  | 'REQUEST_SETTLED'
  | 'CLIENT_EXPIRED'
  | 'BUCKET_IN_USE'
  | 'CONFLICTING_MAP'
  | 'LOWER_VERSION'
  | 'NEVER_APPLIED'
  | 'OVERTAKEN';

export type QueueResult =
  | { readonly type: 'refused'; readonly code: RefusalCode; readonly message: string }
  | { readonly type: 'put'; readonly version: number; readonly created: boolean }
  /** `atMs`: log time of this answer. A repeated take has the same leases, and less of them is left. */
  | { readonly type: 'taken'; readonly tasks: readonly LeasedTask[]; readonly atMs: number }
  | { readonly type: 'done' }
  /** `registration`: unique to the time since the client was last unknown; no row remembers requests of an earlier one, so repeating those would execute them. */
  | { readonly type: 'attached'; readonly attachment: number; readonly registration: number }
  /** More is due than one slice: tick again at once. */
  | { readonly type: 'ticked'; readonly more: boolean }
  | { readonly type: 'owned'; readonly version: number }
  /** `epochs`: the highest that this group has seen of each bucket it was asked about. */
  | { readonly type: 'disowned'; readonly version: number; readonly epochs: readonly EpochRange[] }
  /** The key's bucket is not served here, or not to a request of so old a map; nothing was done and nothing is remembered. */
  | ({ readonly type: 'redirected' } & Redirect);

/** Where a request should go instead. */
export interface Redirect {
  /** `frozen`: nobody told this group yet who owns the bucket under the map of the request. */
  readonly why: 'wrongShard' | 'frozen';
  /** The owner's name as far as this group's log says; undefined when it says nothing. */
  readonly owner: string | undefined;
  /** The newest map version in this group's log, 0 for none; if this group is the owner, the one that brought it the bucket. */
  readonly version: number;
}

/** A task as `get` answers it. */
export interface TaskView {
  readonly id: string;
  readonly payload: Uint8Array;
  readonly expiresAtMs: number;
  readonly provider: string;
  readonly version: number;
  readonly state: TaskState;
  readonly buriedReason: string | undefined;
}

/** Counts of a queue, as the leader has them. */
export interface QueueStats {
  readonly states: Readonly<Record<TaskState, number>>;
  readonly bands: Readonly<Record<Band, number>>;
  /** Age of the longest-expired task that waits, in ms; 0 if none. */
  readonly oldestExpiredMs: number;
  readonly sessions: number;
  readonly clients: number;
}

/** What applying one entry changed that people outside the state machine wait for. */
export interface QueueEvents {
  /** Queues in which a task became ready: waiters may be woken. */
  readonly ready: ReadonlySet<string>;
  /** Leases that ended other than by their holder's own ack, release or bury, by session: the handler's signal aborts. */
  readonly leasesLost: readonly {
    readonly session: SessionId;
    readonly queue: string;
    readonly id: string;
    readonly fence: number;
    readonly why: 'put' | 'ttr' | 'session';
  }[];
  readonly sessionsEnded: readonly SessionId[];
  /** Of every session named above: whose it was, and who its gateway was, when the entry was applied. */
  readonly holders: ReadonlyMap<SessionId, { readonly client: ClientId; readonly gateway: NodeId }>;
}

/** What the group's log says that it owns. Ranges are ascending and disjoint, as few as there can be. */
export interface OwnershipView {
  /** The newest map it was told of; undefined for a group that was never told of one: it serves every key, and no sharded client. */
  readonly map: MapName | undefined;
  /** The shard that this group is; undefined until it owned something. */
  readonly shard: string | undefined;
  readonly owned: readonly EpochRange[];
  readonly ceded: readonly (EpochRange & { readonly owner: string })[];
  /** Buckets that hold a task or a remembered answer: those cannot move. */
  readonly occupied: readonly BucketRange[];
}
