import type { ShardDirectory } from '../../sharding/shard-directory.ts';
import { BucketHolds } from './bucket-holds.ts';
import { Lane } from './lane.ts';
import type { LaneHost } from './lane-host.ts';
import { NamespaceRoutes } from './routes.ts';

/** The map in force and what hangs on it: a lane per shard, the routes of each namespace. */
export class RouteTable {
  readonly #host: LaneHost;
  #directory: ShardDirectory;
  #lanes = new Map<number, Lane>();
  /** Those of the map that was tried last: they are asked before it is in force. */
  #staged: readonly Lane[] = [];
  readonly #routes = new Map<string, NamespaceRoutes>();

  constructor(directory: ShardDirectory, host: LaneHost) {
    this.#host = host;
    this.#directory = directory;
    for (const shard of directory.shards) this.#lanes.set(shard.number, new Lane(shard, host));
    this.#addRoutes(directory);
  }

  get directory(): ShardDirectory {
    return this.#directory;
  }

  lanes(): Iterable<Lane> {
    return this.#lanes.values();
  }

  laneNumbered(number: number): Lane | undefined {
    return this.#lanes.get(number);
  }

  /** Of a namespace of the map in force. */
  routesOf(namespace: string): NamespaceRoutes {
    return this.#routes.get(namespace)!;
  }

  /** The lanes that `next` will have: those of now, at their new addresses, and new ones. Nothing is routed to these yet. */
  stage(next: ShardDirectory): readonly Lane[] {
    this.#staged = next.shards.map((shard) => this.#lanes.get(shard.number) ?? new Lane(shard, this.#host));
    return this.#staged;
  }

  /** @param movesAreDone - the groups were seen to own what the new map gives them. */
  swap(next: ShardDirectory, staged: readonly Lane[], movesAreDone: boolean): void {
    this.#directory = next;
    this.#lanes = new Map(staged.map((lane) => [lane.shard.number, lane]));
    for (const shard of next.shards) this.#laneOf(shard.number).shard = shard;
    for (const map of next.namespaces.values())
      this.#routes.get(map.namespace)?.replace(map, (number) => this.#laneOf(number), movesAreDone);
    this.#addRoutes(next);
    this.#hold();
  }

  close(): void {
    for (const routes of this.#routes.values()) routes.holds.close();
    for (const lane of new Set([...this.#lanes.values(), ...this.#staged])) lane.close();
  }

  #addRoutes(directory: ShardDirectory): void {
    for (const map of directory.namespaces.values()) {
      if (this.#routes.has(map.namespace)) continue;
      const holdsOf = (routes: NamespaceRoutes) =>
        new BucketHolds(routes, this.#host.clock, (name) => this.#laneNamed(name));
      const routes = new NamespaceRoutes(map, (number) => this.#laneOf(number), holdsOf);
      this.#routes.set(map.namespace, routes);
    }
  }

  /** What is on its way to another shard than the new map's comes first: the rest of its bucket waits for it. */
  #hold(): void {
    for (const lane of this.#lanes.values()) {
      const routes = this.routesOf(lane.shard.namespace);
      for (const entry of [...lane.entries]) {
        if (entry.holds === undefined || entry.isHeld) continue;
        const target = routes.laneOf(entry.bucket);
        if (target !== undefined && target !== lane) entry.holds.moved(entry, target);
      }
    }
    for (const routes of this.#routes.values()) routes.holds.retarget();
  }

  #laneOf(number: number): Lane {
    return this.#lanes.get(number)!;
  }

  #laneNamed(name: string): Lane | undefined {
    const shard = this.#directory.shardNamed(name);
    return shard === undefined ? undefined : this.#lanes.get(shard.number);
  }
}
