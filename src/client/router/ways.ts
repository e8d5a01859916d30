import type { Buffer } from 'node:buffer';
import type { ClusterId } from '../../base/ids.ts';
import type { ShardDirectory } from '../../sharding/shard-directory.ts';
import type { Shard } from '../../sharding/types.ts';
import { readLeader } from '../../wire/client-frame.ts';
import { bodyOf, frameKinds } from '../../wire/client-header.ts';
import type { NodeIdentity } from '../../wire/handshake.ts';
import { correlationOf, groupOf, returnFrame } from './frame-fields.ts';
import type { Lane } from './lane.ts';
import { type LinkProblem, NodeLink, type NodeLinkDeps } from './node-link.ts';
import { ProblemList } from './problem-list.ts';
import type { RouterEvents } from './types.ts';
import { Way } from './way.ts';

/** The links of a router to all nodes of all its shards, one per node however many of its groups are shards. */
export class Ways {
  readonly #deps: Omit<NodeLinkDeps, 'events'>;
  readonly #events: RouterEvents;
  readonly #problems: ProblemList;
  readonly #ways = new Map<Lane, Way>();
  readonly #links = new Map<string, NodeLink>();
  /** By link, then by the code of the group. */
  readonly #waysOn = new Map<NodeLink, Map<number, Way>>();
  /** The id of each cluster by its configured name, while one of its nodes is connected. */
  readonly #clusterIds = new Map<string, ClusterId>();

  constructor(deps: Omit<NodeLinkDeps, 'events'>, events: RouterEvents) {
    this.#deps = deps;
    this.#events = events;
    this.#problems = new ProblemList(events);
  }

  of(lane: Lane): Way {
    return this.#ways.get(lane)!;
  }

  /**
   * Links to the nodes of exactly these shards: what is new is dialled, what is gone is left. While a reload is under way `next` is the
   * map it is to: an address that it corrects is needed before the old one can go.
   */
  sync(lanes: Iterable<Lane>, next?: ShardDirectory): void {
    const wanted = new Map<string, Map<number, Way>>();
    const known = new Map(this.#ways);
    this.#ways.clear();
    const started: NodeLink[] = [];
    for (const lane of lanes) {
      const way = known.get(lane) ?? new Way(lane);
      this.#ways.set(lane, way);
      way.links = addressesOf(lane.shard, next).map(([nodeId, address]) => {
        const key = `${lane.shard.cluster} ${nodeId} ${address}`;
        const ways = wanted.get(key) ?? new Map<number, Way>();
        wanted.set(key, ways.set(lane.groupCode, way));
        return this.#links.get(key) ?? this.#newLink(key, way, nodeId, address, started);
      });
    }
    for (const [key, link] of [...this.#links]) {
      const ways = wanted.get(key);
      if (ways !== undefined) this.#waysOn.set(link, ways);
      else this.#leave(key, link);
    }
    for (const link of started) link.start();
    for (const way of this.#ways.values()) this.#refresh(way);
  }

  close(): void {
    for (const link of this.#links.values()) link.close(false);
    this.#links.clear();
  }

  #newLink(key: string, way: Way, nodeId: string, address: string, started: NodeLink[]): NodeLink {
    const events = {
      judge: (link: NodeLink, node: NodeIdentity) => this.#judge(link, node),
      opened: (link: NodeLink) => this.#opened(link),
      closed: (link: NodeLink) => this.#closed(link),
      frame: (link: NodeLink, kind: number, frame: Buffer) => this.#onFrame(link, kind, frame),
      ready: (link: NodeLink) => this.#forEachOn(link, ({ lane }) => lane.linkReady(link)),
      failed: (link: NodeLink, problem: LinkProblem | undefined) => this.#failed(link, problem),
    };
    const link = new NodeLink(way.lane.shard, nodeId, address, { ...this.#deps, events });
    this.#links.set(key, link);
    started.push(link);
    return link;
  }

  #leave(key: string, link: NodeLink): void {
    this.#links.delete(key);
    this.#problems.over(link.shard.name, link.address);
    link.close(true);
    this.#waysOn.delete(link);
  }

  #judge(link: NodeLink, node: NodeIdentity): LinkProblem | undefined {
    const { cluster } = link.shard;
    const known = this.#clusterIds.get(cluster);
    if (node.role !== 'node')
      return {
        kind: 'notANode',
        message: `${link.address} is a proxy; a shard needs the addresses of nodes`,
      };
    if (node.cluster !== cluster || node.id !== link.nodeId) {
      const message = `${link.address} is ${node.id} of cluster ${node.cluster}, not ${link.nodeId} of ${cluster}`;
      return { kind: 'wrongCluster', message };
    }
    if (node.clusterId === undefined || known === undefined || node.clusterId === known) return undefined;
    return {
      kind: 'wrongCluster',
      message: `${link.address} belongs to another cluster that is called ${cluster} too: its id is ${node.clusterId}, not ${known}`,
    };
  }

  #opened(link: NodeLink): void {
    const { cluster } = link.shard;
    const id = link.node?.clusterId;
    if (id !== undefined) this.#clusterIds.set(cluster, id);
    this.#problems.over(link.shard.name, link.address);
    this.#forEachOn(link, (way) => {
      this.#problems.over(way.lane.shard.name, undefined);
      way.lane.linkOpened();
    });
  }

  #closed(link: NodeLink): void {
    const { cluster } = link.shard;
    const isAlone = [...this.#links.values()].every((each) => each.shard.cluster !== cluster || !each.isOpen);
    if (isAlone) this.#clusterIds.delete(cluster);
    this.#forEachOn(link, (way) => {
      // While its address changes, a node is reached at both: what it said of itself at the new one stands.
      const isReached = way.links.some((each) => each.nodeId === link.nodeId && each.isOpen);
      if (!isReached) way.leaders.forget(link.nodeId);
      if (way.links.every((each) => !each.isOpen)) way.leaders.clear();
      way.lane.linkClosed(link);
      this.#refresh(way);
    });
  }

  #failed(link: NodeLink, problem: LinkProblem | undefined): void {
    if (problem !== undefined)
      this.#problems.report({ ...problem, shard: link.shard.name, address: link.address });
    this.#forEachOn(link, (way) => {
      if (!way.isDown) return;
      const { name } = way.lane.shard;
      const message = `no node of shard ${name} is reached: ${way.describe()}`;
      this.#problems.report({ kind: 'noMember', shard: name, address: undefined, message });
    });
  }

  #onFrame(link: NodeLink, kind: number, frame: Buffer): void {
    const way = this.#waysOn.get(link)?.get(groupOf(frame));
    if (way === undefined) return;
    switch (kind) {
      case frameKinds.leader:
        this.#learn(way, link, frame);
        break;
      case frameKinds.notLeader:
        way.lane.onAnswer(link, correlationOf(frame), kind, frame);
        this.#learn(way, link, frame);
        break;
      case frameKinds.leaseLost:
      case frameKinds.sessionEnded:
        returnFrame(frame, 0, way.lane.shard.number);
        this.#events.push(frame);
        break;
      default:
        way.lane.onAnswer(link, correlationOf(frame), kind, frame);
        break;
    }
  }

  #learn(way: Way, link: NodeLink, frame: Buffer): void {
    const { leaderId, term } = readLeader(bodyOf(frame));
    way.leaders.learn(link.nodeId, leaderId, term);
    this.#refresh(way);
  }

  #refresh(way: Way): void {
    if (way.refresh()) this.#events.leader(way.lane.shard);
  }

  #forEachOn(link: NodeLink, visit: (way: Way) => void): void {
    for (const way of this.#waysOn.get(link)?.values() ?? []) visit(way);
  }
}

function addressesOf(shard: Shard, next: ShardDirectory | undefined): readonly (readonly [string, string])[] {
  const coming = [...(next?.shardNumbered(shard.number)?.nodes ?? [])];
  return [...shard.nodes, ...coming.filter(([nodeId, address]) => shard.nodes.get(nodeId) !== address)];
}
