import { createHmac, timingSafeEqual } from 'node:crypto';
import { InvalidOptionError } from '../base/errors.ts';
import { keyIdBytes, type LinkKind } from '../wire/handshake.ts';
import type { Permission } from './types.ts';

/** Shortest secret, in bytes of UTF-8. */
export const secretBytesMin = 32;

/** One entry of `clients`. */
export interface ClientAccount {
  readonly account: string;
  /** All are accepted. */
  readonly secrets: readonly string[];
  readonly may: ReadonlySet<Permission>;
}

/** A secret that the other side may name, and what it makes of it. */
export type KeyHolder =
  | { readonly kind: 'peer'; readonly secret: string }
  | { readonly kind: 'client'; readonly secret: string; readonly account: ClientAccount };

/**
 * The secrets of clients by key id. A key id is the first 8 bytes of an HMAC of a fixed text: it names a secret without telling
 * it, so that no trial is needed while two are valid. A secret belongs to one holder, so a client's can never make a member.
 */
export class ClientKeyring {
  readonly #holders = new Map<string, KeyHolder>();

  /** @throws InvalidOptionError when a secret is short or has two holders. */
  constructor(accounts: readonly ClientAccount[], peerSecrets: readonly string[] = []) {
    for (const secret of peerSecrets) this.#add({ kind: 'peer', secret }, 'secret');
    for (const account of accounts) {
      for (const secret of account.secrets) {
        this.#add({ kind: 'client', secret, account }, `clients.${account.account}.secret`);
      }
    }
  }

  /** @returns the holder if the key id names a secret of that kind of link. */
  find(kind: LinkKind, keyId: Uint8Array): KeyHolder | undefined {
    const holder = this.#holders.get(hex(keyId));
    return holder?.kind === kind ? holder : undefined;
  }

  #add(holder: KeyHolder, option: string): void {
    checkSecret(holder.secret, option);
    const id = hex(keyIdOf(holder.secret));
    if (this.#holders.has(id))
      throw new InvalidOptionError(`\`${option}\` is already in use for another purpose`);
    this.#holders.set(id, holder);
  }
}

/** Those of a node, which has members beside clients. */
export class Keyring extends ClientKeyring {
  /** The secret that this node sends to other members. */
  readonly sent: string;

  /** @throws InvalidOptionError when a secret is short or has two holders. */
  constructor(peerSecrets: readonly string[], accounts: readonly ClientAccount[]) {
    super(accounts, peerSecrets);
    const [first] = peerSecrets;
    if (first === undefined) throw new InvalidOptionError('`secret` must hold at least one secret');
    this.sent = first;
  }
}

/** @throws InvalidOptionError when the secret is too short. */
export function checkSecret(secret: string, option: string): void {
  if (new TextEncoder().encode(secret).length < secretBytesMin) {
    throw new InvalidOptionError(`\`${option}\` must be at least ${secretBytesMin} bytes long`);
  }
}

export function keyIdOf(secret: string): Uint8Array {
  return createHmac('sha256', secret).update('raftsman key id').digest().subarray(0, keyIdBytes);
}

/** HMAC-SHA-256 over a label and parts; each part is preceded by its length, so that no two lists give the same bytes. */
export function proofOf(secret: string, label: string, parts: readonly Uint8Array[]): Uint8Array {
  const hmac = createHmac('sha256', secret).update(label);
  for (const part of parts) {
    const length = new Uint8Array(4);
    new DataView(length.buffer).setUint32(0, part.length);
    hmac.update(length).update(part);
  }
  return hmac.digest();
}

/** Compares in constant time. */
export function isSameProof(one: Uint8Array, two: Uint8Array): boolean {
  return one.length === two.length && timingSafeEqual(one, two);
}

function hex(bytes: Uint8Array): string {
  let text = '';
  for (const byte of bytes) text += byte.toString(16).padStart(2, '0');
  return text;
}
