import type { Link } from '../ports/transport.ts';
import { type Refusal, refusalOf } from '../wire/close-codes.ts';
import type { NodeIdentity, PeerIdentity } from '../wire/handshake.ts';
import { type Accepted, Acceptor } from './acceptor.ts';
import type { HandshakePorts } from './handshake.ts';
import type { ClientKeyring } from './keyring.ts';
import { LiveLink } from './live-link.ts';

/** What accepting a link needs of the mesh. */
export interface AcceptOwner extends HandshakePorts {
  readonly keyring: ClientKeyring;
  judge(identity: PeerIdentity, live: LiveLink): Refusal | undefined;
  /** Why no more clients are taken. */
  judgeClient(): Refusal | undefined;
  identityFor(peer: PeerIdentity): PeerIdentity;
  nodeIdentity(): NodeIdentity;
  passed(accepted: Accepted, live: LiveLink): void;
  /** `peer` is known once its secret was proved. */
  failed(failure: AcceptFailure, live: LiveLink): void;
}

export interface AcceptFailure {
  readonly peer: PeerIdentity | undefined;
  readonly refusal: Refusal | undefined;
  readonly by: 'local' | 'remote';
}

/** @returns the link, whose handshake is under way, and its end. */
export function acceptLink(
  link: Link,
  owner: AcceptOwner,
): { readonly live: LiveLink; readonly handshake: Acceptor } {
  const live = new LiveLink(link, owner.clock.monotonicMs());
  let peer: PeerIdentity | undefined;
  const handshake = new Acceptor(live, owner, owner.keyring, {
    judge: (identity) => {
      peer = identity;
      return owner.judge(identity, live);
    },
    judgeClient: () => owner.judgeClient(),
    identityFor: (identity) => owner.identityFor(identity),
    nodeIdentity: () => owner.nodeIdentity(),
    passed: (accepted) => owner.passed(accepted, live),
    failed: (refusal, code) => {
      const by = refusal === undefined ? 'remote' : 'local';
      owner.failed({ peer, refusal: refusal ?? refusalOf(code), by }, live);
    },
  });
  return { live, handshake };
}
