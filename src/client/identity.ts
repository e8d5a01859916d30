import { type ClientId, clientId, type SessionId, sessionId } from '../base/ids.ts';
import type { Random } from '../ports/random.ts';

/** Who the client is to the cluster: the owner of request ids and of leases. */
export interface Identity {
  readonly client: ClientId;
  readonly session: SessionId;
}

export function mintIdentity(random: Random): Identity {
  return { client: clientId(hex(random.bytes(16))), session: sessionId(hex(random.bytes(16))) };
}

function hex(bytes: Uint8Array): string {
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('');
}
