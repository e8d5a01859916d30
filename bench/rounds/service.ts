import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import type { StartNodeOptions } from '../../src/start-node.ts';
import { type Child, startChild } from './child.ts';
import type { FromChild, NodePulse, ProxyPulse } from './messages.ts';
import { Wire } from './wire.ts';

export const shardNumbers: readonly number[] = [1, 2];
export const nodeIds: readonly string[] = ['a', 'b', 'c'];
export const queueName = 'tokens';
const proxyNumbers: readonly number[] = [1, 2];
/** Who dials nodes as a router: both proxies, and the clients that route for themselves. */
const routers: readonly string[] = ['proxy-1', 'proxy-2', 'client'];
/** A pulse older than this says nothing any more. */
const freshMs = 1_000;

const newSecret = (): string => randomBytes(32).toString('hex');

/** One process of the service, its last word, and the wires that lead to it. */
export class Member<Pulse> {
  readonly name: string;
  readonly wiresTo: Wire[] = [];
  readonly #start: (onMessage: (message: FromChild) => void) => Child;
  readonly #isPulse: (message: FromChild) => message is FromChild & Pulse;
  #child: Child | undefined;
  #last: { readonly pulse: Pulse; readonly at: number } | undefined;
  #onEnd: (how: string) => void = () => {};
  #isWanted = false;

  constructor(
    name: string,
    isPulse: (message: FromChild) => message is FromChild & Pulse,
    start: (onMessage: (message: FromChild) => void) => Child,
  ) {
    this.name = name;
    this.#isPulse = isPulse;
    this.#start = start;
  }

  /** Called when it ends although nobody ended it. */
  set onEnd(onEnd: (how: string) => void) {
    this.#onEnd = onEnd;
  }

  get pulse(): Pulse | undefined {
    const last = this.#last;
    return last === undefined || performance.now() - last.at > freshMs ? undefined : last.pulse;
  }

  async start(): Promise<void> {
    const child = this.#start((message) => {
      if (this.#isPulse(message)) this.#last = { pulse: message, at: performance.now() };
    });
    this.#child = child;
    this.#isWanted = true;
    child.exited.then((how) => {
      if (this.#isWanted && this.#child === child) this.#onEnd(how);
    });
    const port = Number(new URL(await child.ready).port);
    for (const wire of this.wiresTo) wire.targetPort = port;
  }

  async kill(): Promise<void> {
    this.#isWanted = false;
    this.signal('SIGKILL');
    await this.#child?.exited;
    this.#last = undefined;
    for (const wire of this.wiresTo) wire.targetPort = 0;
  }

  signal(signal: NodeJS.Signals): boolean {
    return this.#child?.signal(signal) ?? false;
  }

  async stop(withinMs: number): Promise<void> {
    this.#isWanted = false;
    this.#child?.send({ type: 'stop' });
    const timer = setTimeout(() => this.signal('SIGKILL'), withinMs);
    await this.#child?.exited;
    clearTimeout(timer);
  }
}

/** Two shards of three nodes and two proxies, each a process; every link of theirs goes through a wire. */
export class Service {
  readonly nodes: Map<string, Member<NodePulse>> = new Map<string, Member<NodePulse>>();
  readonly proxies: readonly Member<ProxyPulse>[];
  readonly clientSecret: string = newSecret();
  readonly routerSecret: string = newSecret();
  readonly #directory: string;
  readonly #wires = new Map<string, Wire>();
  readonly #proxySecret = newSecret();
  readonly #peerSecret = newSecret();

  constructor(directory: string) {
    this.#directory = directory;
    for (const shard of shardNumbers)
      for (const id of nodeIds) this.nodes.set(`${shard}${id}`, this.#node(shard, id));
    this.proxies = proxyNumbers.map((number) => this.#proxy(number));
  }

  async start(): Promise<void> {
    await Promise.all([...this.#wires.values()].map((wire) => wire.listen()));
    await Promise.all([...this.nodes.values()].map((node) => node.start()));
    await Promise.all(this.proxies.map((proxy) => proxy.start()));
  }

  member(shard: number, id: string): Member<NodePulse> {
    const node = this.nodes.get(`${shard}${id}`);
    if (node === undefined) throw new Error(`there is no node ${shard}${id}`);
    return node;
  }

  /** The leader that a node itself says it is; the newest term counts. */
  leaderOf(shard: number): string | undefined {
    let leader: string | undefined;
    let newest = -1;
    for (const id of nodeIds) {
      const pulse = this.member(shard, id).pulse;
      if (pulse?.role !== 'leader' || pulse.term <= newest) continue;
      newest = pulse.term;
      leader = id;
    }
    return leader;
  }

  /** @returns what is not well, in words; empty when all is. */
  complaint(): string {
    for (const [name, node] of this.nodes) if (node.pulse === undefined) return `${name} says nothing`;
    for (const shard of shardNumbers) {
      const pulses = nodeIds.map((id) => this.member(shard, id).pulse);
      const leader = this.leaderOf(shard);
      if (leader === undefined) return `shard ${shard} has no leader`;
      if (pulses.some((pulse) => pulse?.leaderId !== leader)) return `shard ${shard} does not agree`;
      const applied = pulses.map((pulse) => pulse?.appliedIndex ?? 0);
      if (Math.max(...applied) - Math.min(...applied) > 1_000) return `a node of shard ${shard} lags behind`;
    }
    for (const { name, pulse } of this.proxies) {
      if (pulse === undefined) return `${name} says nothing`;
      if (!pulse.isWell) return `${name}: ${pulse.lacks}`;
    }
    return '';
  }

  /** A shard file for one dialler: each has wires of its own. */
  mapFor(router: string): object {
    const shards = shardNumbers.map((shard) => [
      `shard-${shard}`,
      {
        number: shard,
        cluster: `cluster-${shard}`,
        nodes: Object.fromEntries(nodeIds.map((id) => [id, this.routerWire(router, shard, id).address])),
        buckets: [shard === 1 ? '0-8191' : '8192-16383'],
      },
    ]);
    return { version: 1, namespaces: { [queueName]: { shards: Object.fromEntries(shards) } } };
  }

  peerWire(shard: number, from: string, to: string): Wire {
    return this.#wire(`${shard}${from}-${shard}${to}`);
  }

  routerWire(router: string, shard: number, id: string): Wire {
    return this.#wire(`${router}-${shard}${id}`);
  }

  routerWires(where: {
    readonly router?: string;
    readonly shard?: number;
    readonly id?: string;
  }): readonly Wire[] {
    const any = <Value>(wanted: Value | undefined, all: readonly Value[]): readonly Value[] =>
      wanted === undefined ? all : [wanted];
    return any(where.router, routers).flatMap((router) =>
      any(where.shard, shardNumbers).flatMap((shard) =>
        any(where.id, nodeIds).map((id) => this.routerWire(router, shard, id)),
      ),
    );
  }

  clientWire(proxy: number): Wire {
    return this.#wire(`client-proxy-${proxy}`);
  }

  get wires(): readonly Wire[] {
    return [...this.#wires.values()];
  }

  async stop(): Promise<void> {
    const members = [...this.proxies, ...this.nodes.values()];
    await Promise.all(members.map((member) => member.stop(5_000)));
    for (const wire of this.#wires.values()) wire.close();
  }

  #node(shard: number, id: string): Member<NodePulse> {
    const name = `${shard}${id}`;
    const start = (onMessage: (message: FromChild) => void): Child => {
      const may = ['put', 'get', 'take', 'admin'] as const;
      const options: StartNodeOptions = {
        id,
        cluster: `cluster-${shard}`,
        dataDir: join(this.#directory, name),
        peers: Object.fromEntries(nodeIds.map((peer) => [peer, this.peerWire(shard, id, peer).address])),
        secret: this.#peerSecret,
        clients: {
          proxy: { secret: this.#proxySecret, may: [...may, 'proxy'] },
          router: { secret: this.routerSecret, may: ['put', 'get', 'take'] },
        },
      };
      return startChild('./node-process.ts', name, this.#log(name), { type: 'node', options }, onMessage);
    };
    const node = new Member<NodePulse>(name, (message) => message.type === 'node', start);
    for (const peer of nodeIds) node.wiresTo.push(this.peerWire(shard, peer, id));
    for (const router of routers) node.wiresTo.push(this.routerWire(router, shard, id));
    return node;
  }

  #proxy(number: number): Member<ProxyPulse> {
    const name = `proxy-${number}`;
    const start = (onMessage: (message: FromChild) => void): Child => {
      const options = {
        name,
        shards: { map: this.mapFor(name) },
        listen: { host: '127.0.0.1', port: 0 },
        secret: this.#proxySecret,
        clients: { app: { secret: this.clientSecret, may: ['put', 'get', 'take'] as const } },
      };
      return startChild('./proxy-process.ts', name, this.#log(name), { type: 'proxy', options }, onMessage);
    };
    const proxy = new Member<ProxyPulse>(name, (message) => message.type === 'proxy', start);
    proxy.wiresTo.push(this.clientWire(number));
    return proxy;
  }

  #wire(name: string): Wire {
    const known = this.#wires.get(name);
    if (known !== undefined) return known;
    const wire = new Wire(name);
    this.#wires.set(name, wire);
    return wire;
  }

  #log(name: string): string {
    return join(this.#directory, `${name}.log`);
  }
}
