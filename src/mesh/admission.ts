import { createHash } from 'node:crypto';
import type { ClusterId, Incarnation, NodeId } from '../base/ids.ts';
import type { Refusal } from '../wire/close-codes.ts';
import type { PeerIdentity } from '../wire/handshake.ts';
import { isSameProof } from './keyring.ts';

/** What this node knows when it judges another member's identity. */
export interface AdmissionView {
  readonly id: NodeId;
  readonly cluster: string;
  readonly clusterId: ClusterId | undefined;
  readonly peersHash: Uint8Array;
  /** The address book. */
  readonly isConfigured: (id: NodeId) => boolean;
  /** Incarnations that entry 1 admits; undefined while there is none. */
  readonly members: ReadonlyMap<NodeId, Incarnation> | undefined;
  /** The incarnation behind the pair's link that stands now. */
  readonly linked: (id: NodeId) => Incarnation | undefined;
}

/** @returns why the identity, which is proved, must not become a member's link; undefined if it may. */
export function judgePeer(view: AdmissionView, peer: PeerIdentity): Refusal | undefined {
  if (peer.cluster !== view.cluster) return 'wrongCluster';
  if (peer.id === view.id) return 'selfDial';
  if (peer.to !== view.id) return 'wrongNode';
  if (peer.clusterId !== undefined && view.clusterId !== undefined && peer.clusterId !== view.clusterId) {
    return 'wrongCluster';
  }
  const linked = view.linked(peer.id);
  if (linked !== undefined && linked !== peer.incarnation) return 'duplicateNode';
  if (view.members !== undefined) return judgeByMembers(view.members, peer);
  if (!view.isConfigured(peer.id)) return 'unknownPeer';
  const isFirstMeeting = peer.clusterId === undefined && view.clusterId === undefined;
  return isFirstMeeting && !isSameProof(peer.peersHash, view.peersHash) ? 'wrongPeers' : undefined;
}

function judgeByMembers(members: ReadonlyMap<NodeId, Incarnation>, peer: PeerIdentity): Refusal | undefined {
  const admitted = members.get(peer.id);
  if (admitted === undefined) return 'unknownPeer';
  return admitted === peer.incarnation ? undefined : 'awaitingAdmission';
}

/** SHA-256 over the ids of the configured members in ascending order. Addresses may differ from node to node. */
export function hashOfPeers(ids: Iterable<NodeId>): Uint8Array {
  return createHash('sha256')
    .update(JSON.stringify([...ids].sort()))
    .digest();
}
