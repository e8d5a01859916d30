import { randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { connect, type QueueClient } from '../src/client/index.ts';
import { pause } from './measure.ts';
import { type BenchMessage, type BenchProcess, startProcess } from './processes.ts';

export interface HolderOptions {
  readonly endpoints: readonly string[];
  readonly secret: string;
  readonly queue: string;
}

/** The accounts of a node: `proxy` may also speak for the clients of a router. */
type Account = 'bench' | 'proxy';
type View = Extract<BenchMessage, { type: 'view' }>;

const ids: readonly string[] = ['a', 'b', 'c'];
/** Proxies have one secret for the nodes of all shards. */
export const proxySecret: string = randomBytes(32).toString('hex');
const settleLimitMs = 20_000;

/** Three node processes with default settings, and what they last said. */
export class BenchCluster {
  readonly name: string;
  readonly endpoints: readonly string[];
  readonly secret: string = newSecret();
  /** Called when a node's exclusive scope opened. */
  onScope: ((id: string, term: number) => void) | undefined;
  readonly #peerSecret = newSecret();
  readonly #ports: readonly number[];
  readonly #directory = mkdtempSync(join(tmpdir(), 'raftsman-bench-'));
  readonly #nodes = new Map<string, BenchProcess>();
  readonly #views = new Map<string, View>();
  readonly #clients: QueueClient[] = [];

  private constructor(name: string, ports: readonly number[]) {
    this.name = name;
    this.#ports = ports;
    this.endpoints = ports.map((port) => `ws://127.0.0.1:${port}`);
  }

  static async start(name = 'bench'): Promise<BenchCluster> {
    const cluster = new BenchCluster(name, await freePorts(ids.length));
    await Promise.all(ids.map((id) => cluster.startNode(id)));
    await cluster.settled();
    return cluster;
  }

  async startNode(id: string): Promise<void> {
    const index = ids.indexOf(id);
    const account = (secret: string, ...more: readonly string[]) => {
      return { secret, may: ['put', 'get', 'take', 'admin', ...more] };
    };
    const clients: Record<Account, object> = {
      bench: account(this.secret),
      proxy: account(proxySecret, 'proxy'),
    };
    const node = startProcess('./node-process.ts', {
      id,
      cluster: this.name,
      dataDir: join(this.#directory, id),
      listen: { host: '127.0.0.1', port: this.#ports[index] },
      peers: Object.fromEntries(ids.map((peer, at) => [peer, this.endpoints[at]])),
      secret: this.#peerSecret,
      clients,
    });
    this.#nodes.set(id, node);
    node.onMessage = (message) => {
      if (message.type === 'view') this.#views.set(id, message);
      if (message.type === 'scope') this.onScope?.(id, message.term);
    };
    await node.ready;
  }

  /** SIGKILL. The node is forgotten until it is started again. */
  kill(id: string): void {
    this.#nodes.get(id)?.kill();
    this.#views.delete(id);
  }

  async exited(id: string): Promise<void> {
    await this.#nodes.get(id)?.exited;
  }

  transfer(id: string): void {
    this.#nodes.get(id)?.send({ type: 'transfer' });
  }

  /** The leader that a node itself says it is; the newest term counts. */
  leader(): string | undefined {
    return [...this.#views]
      .filter(([, view]) => view.role === 'leader')
      .sort(([, one], [, other]) => other.term - one.term)[0]?.[0];
  }

  get ids(): readonly string[] {
    return ids;
  }

  get processIds(): readonly number[] {
    return [...this.#nodes.values()].map((node) => node.processId);
  }

  /** What a shard file says of this cluster's nodes. */
  get nodes(): Readonly<Record<string, string>> {
    return Object.fromEntries(ids.map((id) => [id, this.address(id)]));
  }

  address(id: string): string {
    return this.endpoints[ids.indexOf(id)] ?? '';
  }

  /** Resolves when all three are up and agree on a leader. */
  async settled(): Promise<string> {
    const giveUpAt = performance.now() + settleLimitMs;
    for (;;) {
      const leader = this.leader();
      const views = [...this.#views.values()];
      if (
        leader !== undefined &&
        views.length === ids.length &&
        views.every((view) => view.leaderId === leader)
      )
        return leader;
      if (performance.now() > giveUpAt) throw new Error('the three nodes do not agree on a leader');
      await pause(5);
    }
  }

  async client(endpoints: readonly string[] = this.endpoints): Promise<QueueClient> {
    const client = await connect({ endpoints, name: 'bench', secret: this.secret });
    this.#clients.push(client);
    return client;
  }

  async close(): Promise<void> {
    await Promise.all(this.#clients.map((client) => client.close()));
    for (const node of this.#nodes.values()) node.send({ type: 'stop' });
    const limit = setTimeout(() => {
      for (const node of this.#nodes.values()) node.kill();
    }, 5_000);
    await Promise.all([...this.#nodes.values()].map((node) => node.exited));
    clearTimeout(limit);
    rmSync(this.#directory, { recursive: true, force: true });
  }
}

export function newSecret(): string {
  return randomBytes(32).toString('hex');
}

async function freePorts(count: number): Promise<readonly number[]> {
  const servers = Array.from({ length: count }, () => createServer());
  const ports = await Promise.all(
    servers.map(
      (server) =>
        new Promise<number>((resolve) => {
          server.listen(0, '127.0.0.1', () => {
            const address = server.address();
            resolve(typeof address === 'object' && address !== null ? address.port : 0);
          });
        }),
    ),
  );
  await Promise.all(servers.map((server) => new Promise((resolve) => server.close(resolve))));
  return ports;
}
