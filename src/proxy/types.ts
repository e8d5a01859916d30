import type { RouterProblem, ShardStatus } from '../client/router/types.ts';

/** What a reload did. */
export interface ProxyReload {
  /** The version in force now. */
  readonly version: number;
  /** False when the map was in force already. */
  readonly changed: boolean;
}

/** A reload that was refused: the map before it is still in force. */
export interface ProxyReloadError {
  /** As in the class of the error; `READ_FAILED` when the file could not be read. */
  readonly code: string;
  readonly message: string;
  /** Unix time, ms. */
  readonly atMs: number;
}

/** Plain data: what an operator asks of one proxy. Holds no secret and no payload. */
export interface ProxyStatus {
  readonly name: string;
  /** The address that clients can dial; null when this proxy does not listen itself. */
  readonly address: string | null;
  readonly mapVersion: number;
  /** The file that the map came from; null for a map in memory. */
  readonly shardsFile: string | null;
  /** True while a reload is under way. */
  readonly reloading: boolean;
  /** Maps that were put in force since the start, the first not counted. */
  readonly reloadCount: number;
  /** Why the last reload was refused; null when it was not. */
  readonly lastReloadError: ProxyReloadError | null;
  /** True once the groups were seen to own what the map says. */
  readonly claimed: boolean;
  /** Links of clients. */
  readonly clients: number;
  /** Sessions attached through this proxy, counted at each shard. */
  readonly sessions: number;
  /** Requests that were taken from clients and are not answered. */
  readonly underWay: number;
  readonly shards: readonly ShardStatus[];
}

/** What a proxy emits, by name, with the arguments of each listener. */
export interface ProxyEvents {
  /** Something a person should know, once until it is over; also logged. */
  problem: [problem: RouterProblem];
  /** Another map is in force. */
  reload: [reload: ProxyReload];
  /** A reload was refused and changed nothing; also logged. */
  reloadError: [error: ProxyReloadError];
}
