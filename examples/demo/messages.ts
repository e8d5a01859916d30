import type { CallJournal } from './call-log.ts';
import type { Deployment } from './deployment.ts';
import type { Settings } from './settings.ts';
import type { Kill, Verdict } from './verdict.ts';

/** What the orchestrator tells its processes. Secrets go this way and never on a command line. */
export type ToChild =
  | {
      readonly type: 'start';
      readonly settings: Settings;
      readonly deployment: Deployment;
      readonly role: Role;
    }
  /** Authorisation server: say `outstanding` once the worker has this many calls open. */
  | { readonly type: 'watch'; readonly worker: string; readonly calls: number }
  /** Judge: what was killed, by the clock of this machine. */
  | { readonly type: 'killed'; readonly kill: Kill }
  /** Front end and judge: the timed part begins, or is over. The front end then stores the probes. */
  | { readonly type: 'run' }
  | { readonly type: 'finish'; readonly probes: readonly string[] }
  /** Judge: what the front end and the updaters say, to be believed only where it holds; and where the probes belong. */
  | { readonly type: 'claims'; readonly testimony: Testimony }
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
  | {
      readonly type: 'proxyView';
      readonly name: string;
      readonly mapVersion: number;
      readonly clients: number;
      readonly underWay: number;
      readonly held: number;
    }
  | { readonly type: 'reloaded'; readonly proxy: string; readonly version: number }
  | {
      readonly type: 'reloadRefused';
      readonly proxy: string;
      readonly code: string;
      readonly message: string;
    }
  /** Updater: its calls since the last such message, and the tasks whose answer it was not allowed to store. */
  | {
      readonly type: 'calls';
      readonly name: string;
      readonly calls: CallJournal;
      readonly unstored: readonly string[];
    }
  /** Front end: all tokens are stored. */
  | { readonly type: 'stored'; readonly at: number }
  | { readonly type: 'claims'; readonly claims: Claims }
  | { readonly type: 'verdict'; readonly verdict: Verdict };

/** What the front end saw. Times are Unix ms. */
export interface Claims {
  /** The version that each acknowledged put was given, by token id. */
  readonly puts: Readonly<Record<string, number>>;
  readonly marks: readonly MarkClaims[];
  /** Probes whose put was acknowledged. */
  readonly probed: readonly string[];
  readonly reads: number;
  readonly calls: CallJournal;
}

/** One key that the front end wrote all the time, one write after the other. */
export interface MarkClaims {
  readonly id: string;
  /** When each write was acknowledged. */
  readonly ackedAt: readonly number[];
  /** Writes that rejected: applied once, or not at all. */
  readonly failed: number;
}

/** All that was said to the judge. */
export interface Testimony {
  readonly claims: Claims;
  readonly updaterCalls: CallJournal;
  /** Tasks of which an updater was told that an answer was not stored, once for each time. */
  readonly unstored: readonly string[];
  /** The cluster that must hold each probe. */
  readonly probes: Readonly<Record<string, number>>;
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
