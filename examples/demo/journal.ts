import { createHash } from 'node:crypto';

/** What the authorisation server did, in its order. Times are Unix ms of its clock; tokens appear as fingerprints only. */
export type JournalEvent =
  /** A person consented: a new family of refresh tokens. */
  | {
      readonly type: 'granted';
      readonly at: number;
      readonly family: string;
      readonly client: string;
      readonly refresh: string;
      readonly access: string;
      readonly expiresAt: number;
    }
  /** A refresh token was presented. `worker` is the process that did. */
  | {
      readonly type: 'called';
      readonly at: number;
      readonly call: number;
      readonly worker: string;
      readonly family: string;
      readonly refresh: string;
    }
  /** New tokens exist from here on, whether or not anybody hears of them. */
  | {
      readonly type: 'issued';
      readonly at: number;
      readonly call: number;
      readonly worker: string;
      readonly family: string;
      readonly client: string;
      readonly refresh: string;
      readonly access: string;
      readonly expiresAt: number;
      readonly rotated: boolean;
    }
  | {
      readonly type: 'refused';
      readonly at: number;
      readonly call: number;
      readonly worker: string;
      readonly family: string;
      readonly error: string;
    }
  /** The connection took the whole answer, or was gone before. */
  | { readonly type: 'answered'; readonly at: number; readonly call: number; readonly finished: boolean }
  /** A spent refresh token came back: the family is dead until the person consents again. */
  | { readonly type: 'revoked'; readonly at: number; readonly family: string };

/** Names a token without giving it away. */
export function fingerprint(token: string): string {
  return createHash('sha256').update(token).digest('base64url').slice(0, 16);
}

/** A grant as the front end gets it when a person has logged in. */
export interface Granted {
  readonly id: string;
  readonly client: string;
  readonly accessToken: string;
  readonly refreshToken: string;
  readonly expiresAt: number;
}
