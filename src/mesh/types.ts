import type { BootId, ClientId, ClusterId, GroupId, Incarnation, NodeId } from '../base/ids.ts';
import type { ClosedBy, CloseReason } from '../ports/transport.ts';
import type { Message } from '../raft/types.ts';

/** Every permission an account may have. */
export const permissions = ['put', 'get', 'take', 'admin', 'proxy'] as const;
/**
 * What a client secret allows. `get` covers reads, `take` covers take, ack, release and bury, `admin` covers providers, policy and
 * the ownership of buckets; `proxy` lets a router speak for clients that connected to it.
 */
export type Permission = (typeof permissions)[number];

/** A link whose other end proved a client secret. Frames are those of the client protocol (wire/client-frame.ts). */
export interface ClientLink {
  /** The name of the entry in `clients` whose secret was proved. */
  readonly account: string;
  readonly may: ReadonlySet<Permission>;
  /** What the client calls itself, for reports; not proved. */
  readonly name: string;
  readonly clientId: ClientId;
  /** It does its own routing: see ClientIdentity. */
  readonly router: boolean;
  readonly remoteAddress: string;
  send(frame: Uint8Array): void;
  queuedBytes(): number;
  pause(paused: boolean): void;
  close(reason?: CloseReason): void;
  /** Set by the receiver of `clientUp` in the same turn. */
  onFrame: ((frame: Uint8Array) => void) | undefined;
  onClose: ((by: ClosedBy) => void) | undefined;
}

/** What this node knows of one group. */
export interface LocalGroup {
  readonly hosted: boolean;
  /** The directory holds a record of the group, or one is on its way there. */
  readonly recorded: boolean;
  readonly leaderId: NodeId | undefined;
}

/** What this node says of itself in a hello, kept current by the driver. Cluster id, term and leader are those of `main`. */
export interface LocalHello {
  readonly clusterId: ClusterId | undefined;
  /** Those it hosts, and those of which its directory holds records. */
  readonly groups: ReadonlyMap<GroupId, LocalGroup>;
  readonly term: number;
  readonly leaderId: NodeId | undefined;
}

/** What the other member said of one group of this node. */
export interface PeerGroup {
  readonly hosted: boolean;
  readonly recorded: boolean;
  /** It knows a leader, and not this node. */
  readonly knowsLeader: boolean;
}

/** The member behind a link, when the handshake has passed. */
export interface MeshPeer {
  readonly id: NodeId;
  readonly incarnation: Incarnation;
  readonly bootId: BootId;
  /** One for each group of this node. */
  readonly groups: ReadonlyMap<GroupId, PeerGroup>;
}

/** Something a person should know about a link; counted, and reported once per peer and kind until it is over. */
export interface MeshProblem {
  readonly kind:
    | 'wrongSecret'
    | 'wrongCluster'
    | 'wrongPeers'
    | 'unknownPeer'
    | 'wrongNode'
    | 'duplicateNode'
    | 'awaitingAdmission'
    | 'versionMismatch'
    | 'badFrame'
    | 'selfDial'
    | 'slowPeer';
  readonly peer: NodeId | undefined;
  readonly address: string;
  readonly message: string;
}

/** All are called from the loop, never inside a call into the mesh. */
export interface MeshEvents {
  /** The first authenticated link of the pair stands, or stands again. */
  peerUp(peer: MeshPeer): void;
  /** The last link of the pair closed. */
  peerClosed(peer: NodeId): void;
  /** The last link was closed by the peer's side and the re-dial is refused, closes before the hello, is silent for a heartbeat, or meets another boot id. */
  peerGone(peer: NodeId): void;
  message(group: GroupId, from: NodeId, message: Message): void;
  /** A client-protocol frame that another node forwards, or answers. */
  service(from: NodeId, frame: Uint8Array): void;
  clientUp(link: ClientLink): void;
  problem(problem: MeshProblem): void;
}

/** One peer as the mesh sees it. */
export interface PeerView {
  readonly id: NodeId;
  readonly connected: boolean;
  readonly queuedBytes: number;
  readonly lastError: string | undefined;
}

/** Links to authenticated peers and clients: one link per pair whoever dialled, one frame per peer per turn for all groups. */
export interface Mesh {
  /** Listens (if there is a listener) and starts to dial. Resolves when the port listens. */
  start(events: MeshEvents): Promise<void>;
  /** Queues a message; all of one turn leave in one frame. Dropped when the pair has no link. */
  send(group: GroupId, to: NodeId, message: Message): void;
  /** Queues a client-protocol frame for another node's service; same frame, same order. Returns false when the pair has no link. */
  sendService(to: NodeId, frame: Uint8Array): boolean;
  /** Sends what was queued in this turn now; called by the driver at the end of a turn. */
  flush(): void;
  setLocal(hello: LocalHello): void;
  /** Incarnations that entry 1 admits; a hello of a named id with another incarnation is refused. Undefined while there is no entry 1. */
  setMembers(members: ReadonlyMap<NodeId, Incarnation> | undefined): void;
  peers(): readonly PeerView[];
  /** The address that others can dial, known after `start`. */
  address(): string | undefined;
  close(): Promise<void>;
}
