import type { StartNodeOptions } from '../../src/start-node.ts';
import type { StartProxyOptions } from '../../src/start-proxy.ts';

/** How one client of the load reaches the service. */
export interface LoadClient {
  /** Unique; the keys of this client begin with it, so that each key has one writer. */
  readonly name: string;
  readonly account: string;
  readonly secret: string;
  /** Of proxies; undefined for a client that does its own routing. */
  readonly endpoints: readonly string[] | undefined;
  readonly shards: { readonly map: object } | undefined;
}

export interface LoadOptions {
  readonly clients: readonly LoadClient[];
  readonly queue: string;
  /** Requests a second of this process. */
  readonly rate: number;
  readonly keysPerClient: number;
  readonly timeoutMs: number;
  readonly journal: string;
}

/** What the script tells its processes. Secrets go this way and never on a command line. */
export type ToChild =
  | { readonly type: 'node'; readonly options: StartNodeOptions }
  | { readonly type: 'proxy'; readonly options: StartProxyOptions }
  | { readonly type: 'load'; readonly options: LoadOptions }
  | { readonly type: 'run' }
  | { readonly type: 'finish' }
  | { readonly type: 'stop' };

export type FromChild =
  | { readonly type: 'ready'; readonly address: string }
  | NodePulse
  | ProxyPulse
  | LoadPulse
  /** The load has an outcome for every call, and its journal is on disk. */
  | { readonly type: 'finished' };

export interface NodePulse {
  readonly type: 'node';
  readonly role: string;
  readonly term: number;
  readonly leaderId: string | null;
  readonly appliedIndex: number;
}

export interface ProxyPulse {
  readonly type: 'proxy';
  /** Every shard has a leader, nothing is held, every node is linked, and the groups own what the map says. */
  readonly isWell: boolean;
  /** What is not so, in words. */
  readonly lacks: string;
}

export interface LoadPulse {
  readonly type: 'load';
  readonly sent: number;
  readonly answered: number;
  readonly failed: number;
  /** Not sent because every key had a call under way. */
  readonly withheld: number;
  /** How long the oldest call under way has waited, in ms. */
  readonly oldestMs: number;
  readonly connected: boolean;
}
