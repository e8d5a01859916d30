import type { NodeId } from '../base/ids.ts';
import type { MemberIdentity, PeerHello } from './types.ts';

interface Peer {
  readonly hello: PeerHello;
  readonly connected: boolean;
}

/** What the links say about the other members. */
export class Peers {
  readonly #peers = new Map<NodeId, Peer>();
  readonly #gone = new Set<NodeId>();

  /** @returns true if another process than before is behind the link: the earlier one is gone. */
  up(hello: PeerHello): boolean {
    const before = this.#peers.get(hello.id);
    const replaced = before !== undefined && before.hello.bootId !== hello.bootId;
    this.#peers.set(hello.id, { hello, connected: true });
    if (replaced) this.#gone.add(hello.id);
    else this.#gone.delete(hello.id);
    return replaced;
  }

  closed(id: NodeId): void {
    const peer = this.#peers.get(id);
    if (peer !== undefined) this.#peers.set(id, { hello: peer.hello, connected: false });
  }

  gone(id: NodeId): void {
    this.closed(id);
    this.#gone.add(id);
  }

  /** A message proves that it is there after all. */
  heard(id: NodeId): void {
    this.#gone.delete(id);
  }

  isGone(id: NodeId): boolean {
    return this.#gone.has(id);
  }

  hello(id: NodeId): PeerHello | undefined {
    return this.#peers.get(id)?.hello;
  }

  /** True if all are connected and none knows a leader but perhaps the earlier process of this node. */
  noneKnowsLeader(ids: readonly NodeId[]): boolean {
    return ids.every((id) => {
      const peer = this.#peers.get(id);
      return peer?.connected === true && !peer.hello.knowsLeader;
    });
  }

  /** The first membership that these links show, or undefined while some peer is away or not pristine. */
  pristineSet(ids: readonly NodeId[], self: MemberIdentity): readonly MemberIdentity[] | undefined {
    const set: MemberIdentity[] = [self];
    for (const id of ids) {
      const peer = this.#peers.get(id);
      if (peer === undefined || !peer.connected || !peer.hello.pristine) return undefined;
      set.push({ id, incarnation: peer.hello.incarnation });
    }
    return set.sort((a, b) => (a.id < b.id ? -1 : 1));
  }
}
