import {
  BucketInUseError,
  BusyError,
  ClientExpiredError,
  ClosedError,
  ConditionFailedError,
  ConflictingMapError,
  DeadlineExceededError,
  ForbiddenError,
  InvalidArgumentError,
  LogFullError,
  LowerVersionError,
  NeverAppliedError,
  OvertakenError,
  ProtocolError,
  type RaftsmanError,
  RequestIdReusedError,
  RequestSettledError,
  StaleLeaseError,
  TaskNotFoundError,
  TooLargeError,
  TooManyHopsError,
  UnknownGroupError,
} from '../base/errors.ts';
import type { RefusalCode } from '../queue/types.ts';
import type { RefusedBody, ServiceRefusal } from '../wire/client-frame.ts';

/** What the state machine said. */
export function refusalError(code: RefusalCode, message: string): RaftsmanError {
  return byStateMachine[code](message);
}

/** What a node said before the state machine was asked. */
export function serviceError(refused: RefusedBody): RaftsmanError {
  return byService[refused.code](refused.message, refused.retryAfterMs);
}

/** When to come back if the state machine is full. */
const fullRetryMs = 100;

const byStateMachine: { readonly [Code in RefusalCode]: (message: string) => RaftsmanError } = {
  STALE_LEASE: (message) => new StaleLeaseError(message),
  TASK_NOT_FOUND: (message) => new TaskNotFoundError(message),
  CONDITION_FAILED: (message) => new ConditionFailedError(message),
  INVALID_ARGUMENT: (message) => new InvalidArgumentError(message),
  TOO_LARGE: (message) => new TooLargeError(message),
  BUSY: (message) => new BusyError(message, fullRetryMs),
  REQUEST_ID_REUSED: (message) => new RequestIdReusedError(message),
  REQUEST_SETTLED: (message) => new RequestSettledError(message),
  CLIENT_EXPIRED: (message) => new ClientExpiredError(message),
  BUCKET_IN_USE: (message) => new BucketInUseError(message),
  CONFLICTING_MAP: (message) => new ConflictingMapError(message),
  LOWER_VERSION: (message) => new LowerVersionError(message),
  NEVER_APPLIED: (message) => new NeverAppliedError(message),
  OVERTAKEN: (message) => new OvertakenError(message),
};

const byService: {
  readonly [Code in ServiceRefusal]: (message: string, retryAfterMs: number) => RaftsmanError;
} = {
  FORBIDDEN: (message) => new ForbiddenError(message),
  BUSY: (message, retryAfterMs) => new BusyError(message, retryAfterMs),
  DEADLINE_EXCEEDED: (message) => new DeadlineExceededError(message),
  LOG_FULL: (message) => new LogFullError(message),
  TOO_LARGE: (message) => new TooLargeError(message),
  PROTOCOL: (message) => new ProtocolError(message),
  CLOSED: (message) => new ClosedError(message),
  UNKNOWN_GROUP: (message) => new UnknownGroupError(message),
  TOO_MANY_HOPS: (message) => new TooManyHopsError(message),
};
