export {
  BucketInUseError,
  ClosedError,
  ConflictingMapError,
  InvalidArgumentError,
  InvalidOptionError,
  isRaftsmanError,
  type Outcome,
  RaftsmanError,
  ReloadInProgressError,
  ShardFileError,
  type ShardFileProblem,
} from '../base/errors.ts';
export type {
  NodeLinkStatus,
  RouteExplanation,
  RouterProblem,
  ShardOwnership,
  ShardStatus,
} from '../client/router/types.ts';
export type { ShardsOption } from '../client/types.ts';
export type { ClientOptions } from '../mesh/account-options.ts';
export type { Permission } from '../mesh/types.ts';
export type { Clock, Logger, Random, Transport } from '../ports/index.ts';
export type { ListenOptions } from '../start-node.ts';
export { type StartProxyOptions, startProxy } from '../start-proxy.ts';
export type { ProxyListener } from './announcer.ts';
export type { RaftsmanProxy } from './proxy.ts';
export type { ProxyEvents, ProxyReload, ProxyReloadError, ProxyStatus } from './types.ts';
