export {
  BusyError,
  ClientExpiredError,
  ClosedError,
  ConditionFailedError,
  DeadlineExceededError,
  DirectoryLockedError,
  DirectoryMismatchError,
  ForbiddenError,
  FrozenError,
  HandshakeRefusedError,
  InvalidArgumentError,
  InvalidOptionError,
  InvariantError,
  isRaftsmanError,
  LeadershipLostError,
  LogCorruptError,
  LogFullError,
  NeverAppliedError,
  NodeFailedError,
  NotLeaderError,
  type Outcome,
  OvertakenError,
  ProtocolError,
  RaftsmanError,
  RequestIdReusedError,
  RequestSettledError,
  StaleLeaseError,
  StorageFailedError,
  TaskNotFoundError,
  TooLargeError,
  TooManyHopsError,
  TransferFailedError,
  UnknownGroupError,
  UnknownOutcomeError,
  WrongShardError,
} from './base/errors.ts';
export { json } from './client/codec.ts';
export type {
  Ack,
  CallOptions,
  Codec,
  ConnectOptions,
  GetOptions,
  Lease,
  NewTask,
  PolicySettings,
  ProviderSettings,
  PutOptions,
  PutResult,
  Queue,
  QueueClient,
  ReleaseOptions,
  TakeOptions,
  Task,
  TaskRecord,
  Work,
  WorkHandler,
  WorkOptions,
  WorkResult,
} from './client/types.ts';
export { connect } from './connect.ts';
export type { ClientOptions } from './mesh/account-options.ts';
export type { Permission } from './mesh/types.ts';
export type { Explanation } from './node/explain.ts';
export type { TransferResult } from './node/handover.ts';
export type { Health, NodeState, Warning } from './node/health.ts';
export type { LeaderCallback, Leadership, RunWhileLeaderOptions } from './node/leadership.ts';
export type {
  GroupStatus,
  MemberStatus,
  NodeEvents,
  NodeProblem,
  NodeStatus,
  NodeView,
  ScopeErrorEvent,
} from './node/node-events.ts';
export type { GroupHandle, ProposeResult } from './node/types.ts';
export type {
  Clock,
  ClosedBy,
  CloseReason,
  Link,
  Listener,
  Logger,
  Random,
  Scheduled,
  Storage,
  Transport,
} from './ports/index.ts';
export type { QueueStats, TaskState } from './queue/types.ts';
export type { Role } from './raft/types.ts';
export type { RaftsmanNode } from './service/assemble-node.ts';
export { type ListenOptions, type StartNodeOptions, startNode } from './start-node.ts';
