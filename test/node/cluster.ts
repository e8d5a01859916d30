import { type NodeId, nodeId } from '../../src/base/ids.ts';
import { groupsOf } from '../../src/node/group-names.ts';
import type { Node } from '../../src/node/node.ts';
import type { Clock, Scheduled } from '../../src/ports/clock.ts';
import type { Logger } from '../../src/ports/logger.ts';
import type { Random } from '../../src/ports/random.ts';
import type { StorageWrite } from '../../src/ports/storage.ts';
import type { Link, Transport } from '../../src/ports/transport.ts';
import { type AssembledNode, assembleNode, type NodeNumbers } from '../../src/service/assemble-node.ts';
import { MemoryDisk } from '../../src/storage/memory/memory-disk.ts';
import { MemoryStorage } from '../../src/storage/memory/memory-storage.ts';
import { MemoryNetwork } from '../../src/transport/memory/memory-network.ts';
import { quiet } from './fakes.ts';
import { VirtualClock } from './virtual-clock.ts';

export const secret = 'a secret of at least thirty-two bytes';

/** Whole nodes over memory and virtual time: everything but sockets, files and the real clock. */
export class Cluster {
  readonly clock: VirtualClock = new VirtualClock();
  readonly network: MemoryNetwork = new MemoryNetwork(this.clock);
  readonly disks: Map<string, MemoryDisk> = new Map();
  readonly running: Map<string, AssembledNode> = new Map();
  /** Every batch that was handed to a disk, and every frame that left over a link, since the list was last emptied. */
  appends: { readonly id: string; readonly batch: readonly StorageWrite[] }[] = [];
  frames: { readonly id: string; readonly link: Link; readonly frame: Uint8Array }[] = [];
  readonly warnings: string[] = [];
  readonly #processes = new Map<string, ProcessClock>();
  readonly #ids: readonly string[];
  readonly #numbers: NodeNumbers;
  readonly #groups: readonly string[];
  #startCount = 0;

  constructor(size: number, numbers: NodeNumbers = {}, groups: readonly string[] = []) {
    this.#groups = groups;
    this.#ids = ['a', 'b', 'c', 'd', 'e'].slice(0, size);
    this.#numbers = numbers;
    for (const id of this.#ids) this.disks.set(id, new MemoryDisk());
  }

  static async started(size: number, numbers?: NodeNumbers, groups?: readonly string[]): Promise<Cluster> {
    const cluster = new Cluster(size, numbers, groups);
    for (const id of cluster.#ids) await cluster.start(id);
    await cluster.clock.advance(500);
    return cluster;
  }

  /** Lets virtual time pass until the promise settles; rejects if it takes longer than `ms`. */
  async settled<T>(promise: Promise<T>, ms = 5_000): Promise<T> {
    let over = false;
    const mark = (): void => {
      over = true;
    };
    promise.then(mark, mark);
    await this.clock.settle();
    for (let passed = 0; !over && passed < ms; passed += 10) await this.clock.advance(10);
    if (!over) throw new Error(`not settled after ${ms} ms`);
    return promise;
  }

  async start(
    id: string,
    { wallOffsetMs = 0, writeMs = 0, peerIds = this.#ids, groups = this.#groups }: ProcessOptions = {},
  ): Promise<Node> {
    const process = new ProcessClock(this.clock, wallOffsetMs);
    this.#processes.set(id, process);
    const peers: ReadonlyMap<NodeId, string> = new Map(
      peerIds.map((peer) => [nodeId(peer), `memory:${peer}`]),
    );
    const config = {
      id: nodeId(id),
      cluster: 'test',
      peers,
      groups: groupsOf(groups),
      secrets: [secret],
      clients: [],
      numbers: this.#numbers,
    };
    const storage = new MemoryStorage({
      disk: this.disks.get(id)!,
      schedule: (run) => void (writeMs > 0 ? process.after(writeMs, run) : process.soon(run)),
    });
    const append = storage.append.bind(storage);
    storage.append = (batch, done) => {
      this.appends.push({ id, batch });
      append(batch, done);
    };
    const logger: Logger = { ...quiet, warn: (_data, message) => this.warnings.push(`${id}: ${message}`) };
    const starting = assembleNode(config, {
      transport: this.#watched(id),
      storage,
      clock: process,
      random: seeded(id, this.#startCount++),
      logger,
    });
    const assembled = await this.settled(starting);
    this.running.set(id, assembled);
    return assembled.node;
  }

  /** A transport whose frames are counted; signs of life are not. */
  #watched(id: string): Transport {
    const inner = this.network.transport(id);
    const watch = (link: Link): Link => {
      const send = link.send.bind(link);
      link.send = (frame) => {
        if (frame.length > 0) this.frames.push({ id, link, frame });
        send(frame);
      };
      return link;
    };
    return {
      listen: (onLink) => inner.listen((link) => onLink(watch(link))),
      dial: async (address, options) => watch(await inner.dial(address, options)),
    };
  }

  /** The node that leads a group. */
  leaderOf(group: string): Node {
    const leaders = [...this.running.values()].filter(({ node }) =>
      node.groups().some((one) => one.id === group && one.view().role === 'leader'),
    );
    if (leaders.length !== 1) throw new Error(`${leaders.length} leaders of ${group}`);
    return leaders[0]!.node;
  }

  node(id: string): Node {
    return this.running.get(id)!.node;
  }

  /** The one node that leads. */
  leader(): Node {
    const leaders = [...this.running.values()].filter(({ node }) => node.view().role === 'leader');
    if (leaders.length !== 1) throw new Error(`${leaders.length} leaders`);
    return leaders[0]!.node;
  }

  followers(): readonly Node[] {
    return [...this.running.values()].map(({ node }) => node).filter((node) => node.view().role !== 'leader');
  }

  /** The process dies: nothing of it runs again, its connections break, its disk keeps what was synced. */
  kill(id: string): void {
    this.#processes.get(id)?.die();
    this.running.delete(id);
    this.network.kill(id);
    this.disks.get(id)!.crash();
  }

  async close(): Promise<void> {
    const closing = [...this.running.values()].map(({ node }) => node.close());
    for (let i = 0; i < 50; i++) await this.clock.advance(200);
    await Promise.all(closing);
  }
}

interface ProcessOptions {
  readonly wallOffsetMs?: number;
  /** How long each write takes. */
  readonly writeMs?: number;
  readonly peerIds?: readonly string[];
  readonly groups?: readonly string[];
}

/** The clock of one process: dies with it. */
class ProcessClock implements Clock {
  readonly #clock: VirtualClock;
  readonly #wallOffsetMs: number;
  #dead = false;

  constructor(clock: VirtualClock, wallOffsetMs: number) {
    this.#clock = clock;
    this.#wallOffsetMs = wallOffsetMs;
  }

  die(): void {
    this.#dead = true;
  }
  monotonicMs(): number {
    return this.#clock.monotonicMs();
  }
  bootMs(): number {
    return this.#clock.bootMs();
  }
  wallMs(): number {
    return this.#clock.wallMs() + this.#wallOffsetMs;
  }
  after(delayMs: number, callback: () => void): Scheduled {
    return this.#clock.after(delayMs, () => this.#dead || callback());
  }
  soon(callback: () => void): Scheduled {
    return this.#clock.soon(() => this.#dead || callback());
  }
}

/** Other numbers at every start: a wiped disk has another life. */
function seeded(name: string, start: number): Random {
  let state = name.charCodeAt(0) * 7_919 + start * 104_729;
  const next = (): number => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state / 2 ** 32;
  };
  return { next, bytes: (count) => Uint8Array.from({ length: count }, () => Math.floor(next() * 256)) };
}
