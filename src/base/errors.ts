/**
 * What is known of the request that failed: `refused` means it was certainly not applied, `unknown` means it may have been
 * or may yet be. An unknown outcome is never reported as refused.
 */
export type Outcome = 'refused' | 'unknown';

/** The base of every failure a caller can meet. Codes are API, wording is not; each code has a paragraph in docs/reference/errors.md. */
export abstract class RaftsmanError extends Error {
  abstract readonly code: string;
  /** True if the same call may succeed later without a change on the caller's side. */
  readonly retryable: boolean = false;
  readonly outcome: Outcome = 'refused';
}

/** @returns true for any error of this library, also across two copies of it in one process. */
export function isRaftsmanError(error: unknown): error is RaftsmanError {
  return error instanceof Error && 'code' in error && 'retryable' in error && 'outcome' in error;
}

/** A broken invariant of our own: a defect of raftsman. The node that meets it goes to `failed`. */
export class InvariantError extends RaftsmanError {
  override readonly name = 'InvariantError';
  readonly code = 'INVARIANT';
  override readonly outcome = 'unknown';
}

/** An option is missing, out of range, or contradicts another. */
export class InvalidOptionError extends RaftsmanError {
  override readonly name = 'InvalidOptionError';
  readonly code = 'INVALID_OPTION';
}

/** The call needs the leader and this node is not it. */
export class NotLeaderError extends RaftsmanError {
  override readonly name = 'NotLeaderError';
  readonly code = 'NOT_LEADER';
  override readonly retryable = true;
  readonly leaderId: string | undefined;

  constructor(leaderId?: string, options?: ErrorOptions) {
    super(leaderId === undefined ? 'no leader is known; try again' : `ask ${leaderId}, the leader`, options);
    this.leaderId = leaderId;
  }
}

/** The leadership that the work was done under is over: stop, and do not act on its behalf. */
export class LeadershipLostError extends RaftsmanError {
  override readonly name = 'LeadershipLostError';
  readonly code = 'LEADERSHIP_LOST';
  readonly term: number;

  constructor(term: number, why: string) {
    super(`leadership of term ${term} is over: ${why}`);
    this.term = term;
  }
}

/** A leadership transfer did not complete; the old leader goes on, or another node took over. */
export class TransferFailedError extends RaftsmanError {
  override readonly name = 'TransferFailedError';
  readonly code = 'TRANSFER_FAILED';
  override readonly retryable = true;
}

/** The request was sent and its answer never came: it may have been applied. */
export class UnknownOutcomeError extends RaftsmanError {
  override readonly name = 'UnknownOutcomeError';
  readonly code = 'UNKNOWN_OUTCOME';
  override readonly retryable = true;
  override readonly outcome = 'unknown';
  /** For `client.resolve`, which asks later what became of it; undefined where nothing remembers the request. */
  readonly requestId: string | undefined;

  constructor(message: string, requestId?: string, options?: ErrorOptions) {
    super(message, options);
    this.requestId = requestId;
  }
}

/** A bound was reached (inbox, in-flight bytes, waiting requests); nothing of this request was applied. */
export class BusyError extends RaftsmanError {
  override readonly name = 'BusyError';
  readonly code = 'BUSY';
  override readonly retryable = true;
  readonly retryAfterMs: number;

  constructor(message: string, retryAfterMs: number) {
    super(message);
    this.retryAfterMs = retryAfterMs;
  }
}

/** The log has reached its bound; writes are refused until it is compacted. */
export class LogFullError extends RaftsmanError {
  override readonly name = 'LogFullError';
  readonly code = 'LOG_FULL';
}

/** The deadline passed before the request was appended. */
export class DeadlineExceededError extends RaftsmanError {
  override readonly name = 'DeadlineExceededError';
  readonly code = 'DEADLINE_EXCEEDED';
  override readonly retryable = true;
}

/** A payload, id or list is over its documented bound. */
export class TooLargeError extends RaftsmanError {
  override readonly name = 'TooLargeError';
  readonly code = 'TOO_LARGE';
}

/** The argument of a call is malformed or out of range. */
export class InvalidArgumentError extends RaftsmanError {
  override readonly name = 'InvalidArgumentError';
  readonly code = 'INVALID_ARGUMENT';
}

/** The node, connection or handle was closed. */
export class ClosedError extends RaftsmanError {
  override readonly name = 'ClosedError';
  readonly code = 'CLOSED';
}

/** The node met a failure it cannot survive (disk, damaged log, broken invariant); `cause` says which. */
export class NodeFailedError extends RaftsmanError {
  override readonly name = 'NodeFailedError';
  readonly code = 'NODE_FAILED';
}

/** The disk refused a write or a sync; it is never retried. */
export class StorageFailedError extends RaftsmanError {
  override readonly name = 'StorageFailedError';
  readonly code = 'STORAGE_FAILED';
}

/** The log is damaged before the end that was known to be synced. Files are kept; the node does not vote. */
export class LogCorruptError extends RaftsmanError {
  override readonly name = 'LogCorruptError';
  readonly code = 'LOG_CORRUPT';
}

/** Another live process has this data directory open. */
export class DirectoryLockedError extends RaftsmanError {
  override readonly name = 'DirectoryLockedError';
  readonly code = 'DIRECTORY_LOCKED';
}

/** The data directory belongs to another node or cluster. */
export class DirectoryMismatchError extends RaftsmanError {
  override readonly name = 'DirectoryMismatchError';
  readonly code = 'DIRECTORY_MISMATCH';
}

/** Bytes that are not a frame of this protocol; the link that sent them is closed. */
export class ProtocolError extends RaftsmanError {
  override readonly name = 'ProtocolError';
  readonly code = 'PROTOCOL';
}

/** The other side refused the handshake; `reason` is one of the codes in docs/reference/wire.md. */
export class HandshakeRefusedError extends RaftsmanError {
  override readonly name = 'HandshakeRefusedError';
  readonly code = 'HANDSHAKE_REFUSED';
  readonly reason: string;

  constructor(reason: string, message: string) {
    super(message);
    this.reason = reason;
  }
}

/** The client's secret does not allow this operation. */
export class ForbiddenError extends RaftsmanError {
  override readonly name = 'ForbiddenError';
  readonly code = 'FORBIDDEN';
}

/** The lease is over: its fence is not the task's current one. Nothing was changed. */
export class StaleLeaseError extends RaftsmanError {
  override readonly name = 'StaleLeaseError';
  readonly code = 'STALE_LEASE';
}

/** The task does not exist. */
export class TaskNotFoundError extends RaftsmanError {
  override readonly name = 'TaskNotFoundError';
  readonly code = 'TASK_NOT_FOUND';
}

/** `ifAbsent` or `ifVersion` did not hold. Nothing was changed. */
export class ConditionFailedError extends RaftsmanError {
  override readonly name = 'ConditionFailedError';
  readonly code = 'CONDITION_FAILED';
}

/** A request id came a second time with another body. */
export class RequestIdReusedError extends RaftsmanError {
  override readonly name = 'RequestIdReusedError';
  readonly code = 'REQUEST_ID_REUSED';
}

/** The request is at or below the stream's `settledUpTo`: its answer was already taken and forgotten. */
export class RequestSettledError extends RaftsmanError {
  override readonly name = 'RequestSettledError';
  readonly code = 'REQUEST_SETTLED';
  override readonly outcome = 'unknown';
}

/** The cluster no longer remembers this client; nothing was executed. */
export class ClientExpiredError extends RaftsmanError {
  override readonly name = 'ClientExpiredError';
  readonly code = 'CLIENT_EXPIRED';
}

/** The node that was asked does not own the key's bucket, and no router stood between to find the one that does. */
export class WrongShardError extends RaftsmanError {
  override readonly name = 'WrongShardError';
  readonly code = 'WRONG_SHARD';
  /** The name of the shard that owns the bucket, as far as the node's own log says. */
  readonly owner: string | undefined;
  /** The map version by which that log says so. */
  readonly version: number;

  constructor(owner: string | undefined, version: number) {
    super(`the key belongs to ${owner ?? 'another shard'} by map version ${version}`);
    this.owner = owner;
    this.version = version;
  }
}

/** The key's bucket is between two owners: nobody serves it at this moment. */
export class FrozenError extends RaftsmanError {
  override readonly name = 'FrozenError';
  readonly code = 'FROZEN';
  override readonly retryable = true;
}

/** The node or proxy has no group or shard of that number. */
export class UnknownGroupError extends RaftsmanError {
  override readonly name = 'UnknownGroupError';
  readonly code = 'UNKNOWN_GROUP';
}

/** The request was passed on too often: proxies point at each other. */
export class TooManyHopsError extends RaftsmanError {
  override readonly name = 'TooManyHopsError';
  readonly code = 'TOO_MANY_HOPS';
}

/** The bucket holds a task or a remembered answer: it cannot change its owner. Nothing was changed. */
export class BucketInUseError extends RaftsmanError {
  override readonly name = 'BucketInUseError';
  readonly code = 'BUCKET_IN_USE';
  override readonly retryable = true;
}

/** The group's log has another map of this version, or belongs to another namespace, partition or shard. Nothing was changed. */
export class ConflictingMapError extends RaftsmanError {
  override readonly name = 'ConflictingMapError';
  readonly code = 'CONFLICTING_MAP';
}

/** The group's log has a newer map. Nothing was changed. */
export class LowerVersionError extends RaftsmanError {
  override readonly name = 'LowerVersionError';
  readonly code = 'LOWER_VERSION';
}

/** The request was asked about before it was applied: it was not, and never will be. */
export class NeverAppliedError extends RaftsmanError {
  override readonly name = 'NeverAppliedError';
  readonly code = 'NEVER_APPLIED';
}

/** A later put of the same client on the same task was carried out before this one came: it was not applied, and never will be. */
export class OvertakenError extends RaftsmanError {
  override readonly name = 'OvertakenError';
  readonly code = 'OVERTAKEN';
}

/** Something in the shard file that is wrong, and where. */
export interface ShardFileProblem {
  /** Path in the file, as `namespaces.tokens.shards.tokens-1.number`; empty for the file as a whole. */
  readonly path: string;
  readonly message: string;
}

/** The shard file cannot be used; `problems` has everything that is wrong with it. The map in force stays. */
export class ShardFileError extends RaftsmanError {
  override readonly name = 'ShardFileError';
  readonly code = 'SHARD_FILE';
  readonly problems: readonly ShardFileProblem[];

  constructor(problems: readonly ShardFileProblem[]) {
    super(problems.map(({ path, message }) => (path === '' ? message : `${path}: ${message}`)).join('; '));
    this.problems = problems;
  }
}

/** A reload of the shard file is under way already; this one changed nothing. */
export class ReloadInProgressError extends RaftsmanError {
  override readonly name = 'ReloadInProgressError';
  readonly code = 'RELOAD_IN_PROGRESS';
  override readonly retryable = true;
}
