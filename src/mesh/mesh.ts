import { ProtocolError } from '../base/errors.ts';
import type { GroupId, Incarnation, NodeId } from '../base/ids.ts';
import type { Link, Listener } from '../ports/transport.ts';
import type { Message } from '../raft/types.ts';
import type { Refusal } from '../wire/close-codes.ts';
import type { NodeIdentity, PeerIdentity } from '../wire/handshake.ts';
import { decodePeerFrame, type PeerItem } from '../wire/peer-frame.ts';
import { type AcceptFailure, type AcceptOwner, acceptLink } from './accept-link.ts';
import type { Accepted, Acceptor } from './acceptor.ts';
import { type AdmissionView, hashOfPeers, judgePeer } from './admission.ts';
import { AcceptedClientLink } from './client-link.ts';
import { groupsOfHello, helloOfGroups } from './group-hellos.ts';
import { Keyring } from './keyring.ts';
import { clientLinksMax, handshakesMax } from './limits.ts';
import { type LiveLink, Sweeper } from './live-link.ts';
import type { MeshOptions } from './options.ts';
import { Pair, type PairOwner } from './pair.ts';
import { ProblemReports, problemMessages, problemOf } from './problem-reports.ts';
import type { LocalHello, Mesh, MeshEvents, MeshProblem, PeerView } from './types.ts';

/** @throws InvalidOptionError when a secret is short or used twice. */
export function createMesh(options: MeshOptions): Mesh {
  return new LinkMesh(options);
}

class LinkMesh implements Mesh {
  readonly #options: MeshOptions;
  readonly #keyring: Keyring;
  readonly #peersHash: Uint8Array;
  readonly #pairs = new Map<NodeId, Pair>();
  readonly #handshakes = new Map<LiveLink, Acceptor>();
  readonly #clients = new Set<LiveLink>();
  readonly #sweeper: Sweeper;
  readonly #reports: ProblemReports;
  #local: LocalHello = { clusterId: undefined, groups: new Map(), term: 0, leaderId: undefined };
  #members: ReadonlyMap<NodeId, Incarnation> | undefined;
  #events: MeshEvents | undefined;
  #listener: Listener | undefined;
  #closing: Promise<void> | undefined;

  constructor(options: MeshOptions) {
    this.#options = options;
    this.#keyring = new Keyring(options.secrets, options.clients);
    this.#peersHash = hashOfPeers(options.peers.keys());
    this.#sweeper = new Sweeper(options.clock, (nowMs) => this.#sweep(nowMs));
    this.#reports = new ProblemReports(options.logger, (problem) => this.#events?.problem(problem));
    for (const [id, address] of options.peers) {
      if (id !== options.id) this.#pairs.set(id, new Pair(id, address, this.#pairOwner()));
    }
  }

  async start(events: MeshEvents): Promise<void> {
    this.#events = events;
    const listener = await this.#options.transport.listen((link) => this.#onLink(link));
    if (this.#closing !== undefined) return listener.close();
    this.#listener = listener;
    this.#sweeper.start();
    for (const pair of this.#pairs.values()) pair.dial();
  }

  send(group: GroupId, to: NodeId, message: Message): void {
    this.#pairs.get(to)?.queue({ type: 'message', group, message });
  }

  sendService(to: NodeId, frame: Uint8Array): boolean {
    return this.#pairs.get(to)?.queue({ type: 'service', frame }) ?? false;
  }

  flush(): void {
    for (const pair of this.#pairs.values()) pair.flush();
  }

  setLocal(hello: LocalHello): void {
    this.#local = hello;
  }

  setMembers(members: ReadonlyMap<NodeId, Incarnation> | undefined): void {
    this.#members = members;
    if (members === undefined) return;
    for (const pair of this.#pairs.values()) {
      if (pair.peer !== undefined && members.get(pair.id) !== pair.peer.incarnation)
        pair.endLink('notMember');
    }
  }

  peers(): readonly PeerView[] {
    return [...this.#pairs.values()].map((pair) => pair.view());
  }

  address(): string | undefined {
    return this.#listener?.address;
  }

  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    this.#events = undefined;
    this.#sweeper.stop();
    for (const handshake of this.#handshakes.values()) handshake.stop();
    for (const pair of this.#pairs.values()) pair.close();
    for (const live of this.#clients) live.end('closing');
    await this.#listener?.close();
  }

  #onLink(link: Link): void {
    const handshake = acceptLink(link, this.#acceptOwner());
    if (this.#closing !== undefined) handshake.handshake.stop();
    else if (this.#handshakes.size >= handshakesMax) handshake.handshake.abandon('tooManyLinks');
    else this.#handshakes.set(handshake.live, handshake.handshake);
  }

  #acceptOwner(): AcceptOwner {
    return {
      clock: this.#options.clock,
      random: this.#options.random,
      keyring: this.#keyring,
      judge: (identity, live) => this.#admit(identity, live),
      judgeClient: () => (this.#clients.size >= clientLinksMax ? 'tooManyLinks' : undefined),
      identityFor: ({ id }) => this.#identityFor(id),
      nodeIdentity: () => this.#nodeIdentity(),
      passed: (accepted, live) => this.#onAccepted(accepted, live),
      failed: (failure, live) => this.#onAcceptFailed(failure, live),
    };
  }

  #admit(identity: PeerIdentity, live: LiveLink): Refusal | undefined {
    const refusal = judgePeer(this.#admissionView(), identity);
    if (refusal !== undefined) return refusal;
    return this.#pairWith(identity.id).claim(live, identity) ? undefined : 'duplicateLink';
  }

  /** A member of the log that the address book does not name is taken when it dials. */
  #pairWith(id: NodeId): Pair {
    const known = this.#pairs.get(id);
    if (known !== undefined) return known;
    const pair = new Pair(id, undefined, this.#pairOwner());
    this.#pairs.set(id, pair);
    return pair;
  }

  #admissionView(): AdmissionView {
    const { id, cluster, peers } = this.#options;
    return {
      id,
      cluster,
      clusterId: this.#local.clusterId,
      peersHash: this.#peersHash,
      isConfigured: (peer) => peers.has(peer),
      members: this.#members,
      linked: (peer) => this.#pairs.get(peer)?.peer?.incarnation,
    };
  }

  #identityFor(to: NodeId): PeerIdentity {
    const { cluster, id, incarnation, bootId } = this.#options;
    const groups = helloOfGroups(this.#local.groups, to);
    return { cluster, id, incarnation, bootId, peersHash: this.#peersHash, ...this.#local, groups, to };
  }

  #nodeIdentity(): NodeIdentity {
    const { cluster, id, bootId } = this.#options;
    const { clusterId, term, leaderId } = this.#local;
    return { role: 'node', cluster, clusterId, id, bootId, term, leaderId };
  }

  #onAccepted(accepted: Accepted, live: LiveLink): void {
    this.#handshakes.delete(live);
    if (this.#closing !== undefined) live.end('closing');
    else if (accepted.kind === 'peer') this.#pairWith(accepted.identity.id).up(live, accepted.identity);
    else this.#onClient(accepted, live);
  }

  #onClient(accepted: Accepted & { kind: 'client' }, live: LiveLink): void {
    const { account, may } = accepted.holder.account;
    const link = new AcceptedClientLink(live, { account, may, ...accepted.identity }, () => {
      this.#clients.delete(live);
    });
    this.#clients.add(live);
    this.#events?.clientUp(link);
  }

  #onAcceptFailed({ peer, refusal, by }: AcceptFailure, live: LiveLink): void {
    this.#handshakes.delete(live);
    if (peer !== undefined) this.#pairs.get(peer.id)?.release(live);
    if (refusal !== undefined) this.#onRefused(peer?.id, refusal, live.remoteAddress, by);
  }

  #pairOwner(): PairOwner {
    const { transport, clock, random, heartbeatMs, id: localId } = this.#options;
    return {
      clock,
      random,
      heartbeatMs,
      localId,
      secret: this.#keyring.sent,
      dial: (address, signal) => transport.dial(address, { signal }),
      identityFor: (to) => this.#identityFor(to),
      judge: (identity, dialled) => {
        if (identity.id !== dialled && identity.id !== localId) return 'wrongNode';
        return judgePeer(this.#admissionView(), identity);
      },
      onUp: (peer) => this.#onUp(peer),
      onClosed: (peer) => this.#events?.peerClosed(peer),
      onGone: (peer) => this.#events?.peerGone(peer),
      onFrame: (from, frame) => this.#onFrame(from, frame),
      onRefused: (peer, refusal, address, by) => this.#onRefused(peer, refusal, address, by),
      onSlow: (peer, address) => this.#report('slowPeer', peer, address),
    };
  }

  #onUp({ id, incarnation, bootId, groups }: PeerIdentity): void {
    this.#reports.clear(id);
    this.#events?.peerUp({ id, incarnation, bootId, groups: groupsOfHello(this.#local.groups, groups) });
  }

  #onFrame(from: Pair, frame: Uint8Array): void {
    let items: readonly PeerItem[];
    try {
      items = decodePeerFrame(frame);
    } catch (error) {
      if (!(error instanceof ProtocolError)) throw error;
      this.#report('badFrame', from.id, from.remoteAddress, error.message);
      from.endLink('badFrame');
      return;
    }
    for (const item of items) {
      if (item.type === 'message') this.#events?.message(item.group, from.id, item.message);
      else this.#events?.service(from.id, item.frame);
    }
  }

  #onRefused(peer: NodeId | undefined, refusal: Refusal, address: string, by: 'local' | 'remote'): void {
    const kind = problemOf(refusal);
    if (kind === undefined) return;
    const isAboutTheOther = by === 'local' && kind === 'awaitingAdmission' && peer !== undefined;
    if (isAboutTheOther) this.#reports.note(peer, refusal, address, this.#options.clock.monotonicMs());
    else this.#report(kind, peer, address);
  }

  #report(kind: MeshProblem['kind'], peer: NodeId | undefined, address: string, detail = ''): void {
    const message = detail === '' ? problemMessages[kind] : `${problemMessages[kind]}: ${detail}`;
    const problem = { kind, peer, address, message };
    this.#reports.report(problem, this.#options.clock.monotonicMs());
  }

  #sweep(nowMs: number): void {
    for (const pair of this.#pairs.values()) pair.sweep(nowMs);
    for (const live of this.#clients) live.sweep(nowMs);
  }
}
