import type { Policy, Provider, QueueStats, TaskState } from '../queue/types.ts';

/** Turns values into payload bytes and back. Runs in the handle only: nodes see bytes. */
export interface Codec<T> {
  encode(value: T): Uint8Array;
  decode(bytes: Uint8Array): T;
}

/** What every call takes. */
export interface CallOptions {
  /** Aborts the wait; the call rejects with `signal.reason`. What was already sent may still be applied. */
  readonly signal?: AbortSignal | undefined;
  /**
   * How long the answer may take, in ms; the client's `timeoutMs` unless given. After it the call rejects with
   * DeadlineExceededError if nothing was sent, and with UnknownOutcomeError otherwise.
   */
  readonly timeoutMs?: number | undefined;
}

/** A task as it is put. Times are Unix ms. */
export interface NewTask<T> {
  /** 1 to 256 bytes of UTF-8; a put on an id that exists replaces its payload. */
  readonly id: string;
  /** At most 64 KiB once encoded. A secret: it appears in no log and no error. */
  readonly payload: T;
  readonly expiresAt: number;
  /** `default` unless given. A provider nobody configured is `rotating`. */
  readonly provider?: string | undefined;
  /** 0 (default) to 1,000,000; higher first among expired tasks. */
  readonly weight?: number | undefined;
  /** When the next refresh may start; the policy's lead before `expiresAt` unless given. */
  readonly refreshAt?: number | undefined;
}

/** When a put may take place; without a condition it always does. */
export interface PutOptions extends CallOptions {
  /** Refuse with ConditionFailedError if the task exists. */
  readonly ifAbsent?: boolean | undefined;
  /** Refuse with ConditionFailedError unless the task's version is this one. */
  readonly ifVersion?: number | undefined;
}

/** What a put did: the task's new version, and whether it was created. */
export interface PutResult {
  readonly version: number;
  readonly created: boolean;
}

/** How many tasks a take asks for, and how long it waits for the first. */
export interface TakeOptions extends CallOptions {
  /** 1 (default) to 1,000 tasks. */
  readonly limit?: number | undefined;
  /** How long to wait for a first task, in ms; 0 (default) answers at once, with an empty list if nothing is ready. */
  readonly waitMs?: number | undefined;
  /** Time to run: the lease ends so long after it was given; 60,000 unless given. */
  readonly ttrMs?: number | undefined;
  /** How long the call to the provider may take: a task whose outcome is unknown is retried no earlier. `ttrMs` unless given. */
  readonly callMs?: number | undefined;
}

/** The task of a lease. */
export interface Task<T> {
  readonly id: string;
  readonly payload: T;
  /** Unix ms. */
  readonly expiresAt: number;
  readonly provider: string;
  readonly weight: number;
  readonly version: number;
}

/** The answer that a worker stores: the new payload and when it expires, or `done` to remove the task. */
export type Ack<T> = { readonly payload: T; readonly expiresAt: number } | { readonly done: true };

/** How a lease is given back. */
export interface ReleaseOptions extends CallOptions {
  /** Not given again before so long; 0 unless given. */
  readonly delayMs?: number | undefined;
  /** `provider`: all tasks of the provider wait, for the whole cluster; `task` unless given. */
  readonly scope?: 'task' | 'provider' | undefined;
  /**
   * False if the provider certainly did not spend the refresh token: the task is ready again. True (unless given) makes a task
   * of a rotating provider suspect: it goes to nobody for `suspectMs`.
   */
  readonly callMade?: boolean | undefined;
}

/**
 * The right to refresh one task, until it is acked, released or buried, its time to run ends, the session ends or the task is
 * put again. Judged by (task, fence): a call on a lease that is over rejects with StaleLeaseError and changes nothing.
 */
export interface Lease<T> {
  readonly task: Task<T>;
  /** How often the task was taken since its last success, this time included. */
  readonly attempt: number;
  /** Only grows; hand it to whatever the refresh writes to. */
  readonly fence: number;
  /** Aborts when the cluster says that the lease is over. A hint: the fence decides. */
  readonly signal: AbortSignal;
  /** Stores the answer and schedules the next refresh in one entry. */
  ack(answer: Ack<T>, options?: CallOptions): Promise<void>;
  release(options?: ReleaseOptions): Promise<void>;
  /** Puts the task aside with a reason that `get` shows; only a put brings it back. */
  bury(reason: string, options?: CallOptions): Promise<void>;
}

/** Where a task is read, and how old the answer may be. */
export interface GetOptions extends CallOptions {
  /** `leader` (default): holds every write that was acknowledged before the call. `any`: the replica that is connected. */
  readonly read?: 'leader' | 'any' | undefined;
  /** With `any`: a replica older than this asks the leader instead; no bound unless given. */
  readonly maxAgeMs?: number | undefined;
}

/** A task as it is read. */
export interface TaskRecord<T> {
  readonly id: string;
  readonly payload: T;
  /** Unix ms. */
  readonly expiresAt: number;
  readonly provider: string;
  readonly version: number;
  readonly state: TaskState;
  readonly buriedReason: string | undefined;
  /** How old the answer may be, in ms; 0 from the leader. */
  readonly ageMs: number;
}

/** What a handler gets. */
export interface Work<T> {
  readonly task: Task<T>;
  readonly attempt: number;
  readonly fence: number;
  /** Aborts when the lease is lost or `timeoutMs` has passed. */
  readonly signal: AbortSignal;
}

/** What a handler answers. */
export type WorkResult<T> =
  | Ack<T>
  /** The provider asked to come back later (429, 5xx) and did not spend the refresh token; `provider` backs off for the whole cluster. */
  | { readonly retryAfterMs: number; readonly scope?: 'task' | 'provider' | undefined }
  /** The refresh token is of no use any more (`invalid_grant`). */
  | { readonly bury: string };

/** Refreshes one task; what it returns is stored, and what it throws goes to `onError`. */
export type WorkHandler<T> = (work: Work<T>) => WorkResult<T> | Promise<WorkResult<T>>;

/** How the updater loop works. */
export interface WorkOptions {
  /** Names the worker and its escrow file: the same after a restart. 1 to 64 characters of `A-Z a-z 0-9 . _ -`. */
  readonly workerId: string;
  /** Handlers at a time, 1 (default) to 1,000. Only what starts at once is taken. */
  readonly concurrency?: number | undefined;
  /** The handler's time; the lease lasts 5 s longer. 30,000 unless given. */
  readonly timeoutMs?: number | undefined;
  /** Ends the loop: it returns when the handlers that run have settled. */
  readonly signal?: AbortSignal | undefined;
  /**
   * A handler threw, or its answer was refused. The lease is released; a task of a rotating provider becomes suspect unless
   * the error has `callMade: false`. Never gets a payload. A throw here ends the loop.
   */
  readonly onError?:
    | ((error: unknown, task: { readonly id: string; readonly fence: number }) => void)
    | undefined;
}

/** A provider's settings; what is left out has its default (`rotating`, 0, 60,000, `retry`). */
export type ProviderSettings = { readonly [Key in keyof Provider]?: Provider[Key] | undefined };

/** A policy's settings; what is left out has its default. All durations in ms. */
export type PolicySettings = {
  readonly [Key in Exclude<keyof Policy, 'name' | 'version'>]?: Policy[Key] | undefined;
};

/** A queue of tasks, each refreshed before it expires. Every change is replicated before the call resolves. */
export interface Queue<T> {
  readonly name: string;
  /** Creates or replaces a task; a task that is taken loses its lease. */
  put(task: NewTask<T>, options?: PutOptions): Promise<PutResult>;
  take(options?: TakeOptions): Promise<Lease<T>[]>;
  /** @returns undefined if there is no such task. */
  get(id: string, options?: GetOptions): Promise<TaskRecord<T> | undefined>;
  /** The updater loop. Resolves when `signal` has aborted and all handlers have settled. */
  work(handler: WorkHandler<T>, options: WorkOptions): Promise<void>;
  stats(options?: CallOptions): Promise<QueueStats>;
  /** For operators (`may: ['admin']`): how a provider's refresh tokens behave. */
  setProvider(provider: string, settings: ProviderSettings, options?: CallOptions): Promise<void>;
  /** For operators (`may: ['admin']`): which tasks come first and how sessions end. */
  setPolicy(settings: PolicySettings, options?: CallOptions): Promise<void>;
}

/** What became of a request whose outcome was unknown. */
export type ResolvedRequest =
  /** `result` is what the call would have resolved with: of a put its version; undefined for anything else. */
  | { readonly outcome: 'applied'; readonly result: PutResult | undefined }
  /** It was not applied, and from now on it never will be. */
  | { readonly outcome: 'neverApplied' };

/** Where the calls on a key go, and why. Without shards only `via`, `connected` and `summary` say anything. */
export interface KeyExplanation {
  readonly namespace: string | undefined;
  readonly shard: string | undefined;
  readonly bucket: number | undefined;
  /** 0 without shards. */
  readonly mapVersion: number;
  /** Whom this client speaks to: a node, a proxy, or the router in this process. */
  readonly via: 'node' | 'proxy' | 'router';
  /** The client's session is attached to the shard. */
  readonly connected: boolean;
  /** The rest is known to a router in this process only. The epoch that the shard's own log has for the bucket. */
  readonly epoch?: number | undefined;
  readonly leaderId?: string | undefined;
  readonly term?: number | undefined;
  readonly state?: 'open' | 'draining' | 'holding' | undefined;
  /** Requests that wait to be sent to the shard, and those that were sent and are not answered. */
  readonly held?: number | undefined;
  readonly inFlight?: number | undefined;
  /** The same in words, one sentence. */
  readonly summary: string;
}

/** The shards of a client that does its own routing: a shard file by path, or its content as text or as an object. */
export type ShardsOption = { readonly file: string } | { readonly map: string | object };

/** A client of a cluster, or of shards: one identity, one link at a time, a session on each shard it uses. */
export interface QueueClient extends AsyncDisposable {
  queue(name: string): Queue<Uint8Array>;
  queue<T>(name: string, options: { readonly codec: Codec<T> }): Queue<T>;
  /** True while an authenticated link stands and the session is attached: with shards, to one of those in use at least. */
  readonly connected: boolean;
  /**
   * Asks what became of the request that an UnknownOutcomeError named. Resolves when that is known for good; rejects with the
   * error of the request itself if the cluster refused it, with RequestSettledError if nobody remembers it, and with
   * UnknownOutcomeError or DeadlineExceededError if there was no answer: ask again.
   */
  resolve(requestId: string, options?: CallOptions): Promise<ResolvedRequest>;
  /** Says where the calls on a key go. Waits until the client knows. */
  explain(queue: string, key: string, options?: CallOptions): Promise<KeyExplanation>;
  /**
   * For a client that was given `shards`: reads its file again, or takes the map given here. Rejects with ShardFileError and
   * changes nothing if that cannot follow the map in force.
   */
  reload(map?: string | object): Promise<{ readonly version: number }>;
  /** Ends the session at once: its leases go to others. Calls that wait reject with ClosedError (nothing sent) or UnknownOutcomeError. */
  close(): Promise<void>;
}

/** How a process that hosts no node reaches the cluster. One of `endpoints` and `shards` must be given. */
export interface ConnectOptions {
  /** Addresses of any nodes of a cluster, or of any proxies; tried in an order of the client's own. */
  readonly endpoints?: readonly string[] | undefined;
  /** The client does its own routing: it keeps a link to every node of every shard. */
  readonly shards?: ShardsOption | undefined;
  /** The entry of `clients` on the nodes that this secret belongs to. */
  readonly name: string;
  readonly secret: string;
  /** How long an answer may take, in ms; 10,000 unless given. */
  readonly timeoutMs?: number | undefined;
  /** Where `work` keeps answers of providers until the cluster has them. Without it an answer dies with the process. */
  readonly escrowDir?: string | undefined;
  /** Ends the attempt to connect. */
  readonly signal?: AbortSignal | undefined;
}
