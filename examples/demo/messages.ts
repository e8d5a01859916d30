import type { Cluster, Settings } from './settings.ts';

/** What the orchestrator tells its processes. Secrets go this way and never on a command line. */
export type ToChild =
  | { readonly type: 'start'; readonly settings: Settings; readonly cluster: Cluster; readonly role: Role }
  /** Authorisation server: say `outstanding` once the worker has this many calls open. */
  | { readonly type: 'watch'; readonly worker: string; readonly calls: number }
  /** Judge: what was killed, by the clock of this machine. */
  | {
      readonly type: 'killed';
      readonly what: 'leader' | 'updater';
      readonly name: string;
      readonly worker: string;
      readonly at: number;
    }
  /** Front end and judge: the timed part begins, or is over. */
  | { readonly type: 'run' }
  | { readonly type: 'finish' }
  /** Judge: the front end's claims, to be believed only where they hold. */
  | { readonly type: 'claims'; readonly claims: Claims }
  | { readonly type: 'stop' };

/** What a process is to be. */
export interface Role {
  readonly name: string;
  /** Working files of this process: log, escrow. */
  readonly directory: string;
  /** The authorisation server's token endpoint and journal; empty for the authorisation server itself. */
  readonly tokenEndpoint: string;
  readonly journalUrl: string;
}

export type FromChild =
  | { readonly type: 'ready'; readonly address: string; readonly journalUrl: string }
  | { readonly type: 'outstanding'; readonly worker: string; readonly calls: number }
  | {
      readonly type: 'view';
      readonly nodeId: string;
      readonly state: string;
      readonly role: string;
      readonly term: number;
      readonly leaderId: string | null;
    }
  | { readonly type: 'progress'; readonly progress: Progress }
  /** Front end: all tokens are stored. */
  | { readonly type: 'stored'; readonly at: number }
  | { readonly type: 'claims'; readonly claims: Claims }
  | { readonly type: 'verdict'; readonly verdict: Verdict };

/** What the front end saw. Times are Unix ms. */
export interface Claims {
  /** The version that each acknowledged put was given, by token id. */
  readonly puts: Readonly<Record<string, number>>;
  readonly reads: number;
  readonly failedOps: number;
  readonly failures: readonly string[];
  /** The longest that one read took, in ms. */
  readonly slowestMs: number;
  /** When each of the small writes that the front end sends all the time was acknowledged. */
  readonly writesAckedAt: readonly number[];
}

/** For the live view. */
export interface Progress {
  readonly bands: Readonly<Record<'urgent' | 'expired' | 'ahead', number>>;
  readonly states: Readonly<Record<'ready' | 'delayed' | 'taken' | 'suspect' | 'buried', number>>;
  readonly providerCalls: number;
  readonly refreshed: number;
  readonly lapsed: number;
  readonly revokedFamilies: number;
}

/** What the judge found; the last line of `--json`, but for what only the orchestrator knows. */
export interface Verdict {
  readonly refreshed: number;
  readonly refreshedAtLeast: number;
  readonly providerCalls: number;
  readonly lapsed: number;
  readonly suspects: number;
  readonly lostAnswers: number;
  readonly needsConsent: number;
  readonly revokedFamilies: number;
  readonly lostAcks: number;
  readonly doubleAcks: number;
  readonly leaderGapsMs: readonly number[];
  readonly releaseMs: number | null;
  /** A sentence for each thing that is not as promised; at most twenty. */
  readonly remarks: readonly string[];
}
