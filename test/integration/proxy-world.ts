import { mkdtempSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { json } from '../../src/client/codec.ts';
import type { Codec, Queue, QueueClient } from '../../src/client/types.ts';
import { connect } from '../../src/connect.ts';
import type { Permission } from '../../src/mesh/types.ts';
import type { Logger } from '../../src/ports/logger.ts';
import type { RaftsmanProxy } from '../../src/proxy/proxy.ts';
import type { RaftsmanNode } from '../../src/service/assemble-node.ts';
import { startNode } from '../../src/start-node.ts';
import { type StartProxyOptions, startProxy } from '../../src/start-proxy.ts';
import { freePorts } from './node-process.ts';

export const secrets = {
  members: 'the secret of the members of a cluster',
  proxy: 'the secret of the proxies at the nodes, long',
  router: 'the secret of a router without the proxy right',
  plain: 'the secret of a proxy that may not tell what is owned',
  app: 'the secret of an application at the proxies',
};
export const codec: Codec<string> = json<string>();
export const everything: readonly Permission[] = ['put', 'get', 'take', 'admin'];
export const soon = (): number => Date.now() + 30_000;

/** Two clusters of one node each, one shard each, and proxies before them; all in this process, over sockets. */
export class ProxyWorld {
  readonly directory: string = mkdtempSync(join(tmpdir(), 'raftsman-proxy-'));
  readonly file: string = join(this.directory, 'shards.json');
  readonly said: string[] = [];
  readonly nodes: Map<string, RaftsmanNode> = new Map();
  /** Of the nodes. */
  readonly ports: readonly number[];
  readonly #proxies: RaftsmanProxy[] = [];
  readonly #clients: QueueClient[] = [];

  private constructor(ports: readonly number[]) {
    this.ports = ports;
  }

  static async start(): Promise<ProxyWorld> {
    const world = new ProxyWorld(await freePorts(2));
    await Promise.all([world.startNode('one'), world.startNode('two')]);
    world.write(world.map(1));
    return world;
  }

  get logger(): Logger {
    const note = (data: object, message: string): void => {
      this.said.push(`${message} ${JSON.stringify(data)}`);
    };
    return { debug: () => {}, info: () => {}, warn: note, error: note };
  }

  addressOf(cluster: string): string {
    return `ws://127.0.0.1:${this.ports[cluster === 'one' ? 0 : 1]}`;
  }

  /** The only member of its cluster. */
  async startNode(cluster: string): Promise<RaftsmanNode> {
    const node = await startNode({
      id: 'a',
      cluster,
      dataDir: join(this.directory, cluster),
      listen: { host: '127.0.0.1', port: this.ports[cluster === 'one' ? 0 : 1]! },
      peers: { a: this.addressOf(cluster) },
      secret: secrets.members,
      clients: {
        proxy: { secret: secrets.proxy, may: [...everything, 'proxy'] },
        router: { secret: secrets.router, may: everything },
        plain: { secret: secrets.plain, may: ['put', 'get', 'take', 'proxy'] },
      },
      logger: this.logger,
    });
    this.nodes.set(cluster, node);
    await node.waitForLeader({ timeoutMs: 5_000 });
    return node;
  }

  /** A shard file: `split` is the first bucket of the second shard. */
  map(version: number, split = 8_192, addressOfTwo: string = this.addressOf('two')): object {
    const shard = (number: number, cluster: string, address: string, buckets: string) => ({
      number,
      cluster,
      nodes: { a: address },
      buckets: [buckets],
    });
    return {
      version,
      namespaces: {
        default: {
          shards: {
            one: shard(1, 'one', this.addressOf('one'), `0-${split - 1}`),
            two: shard(2, 'two', addressOfTwo, `${split}-16383`),
          },
        },
      },
    };
  }

  /** Puts another file in the place of the shard file, as a careful person does. */
  write(content: object | string): void {
    const next = `${this.file}.next`;
    writeFileSync(next, typeof content === 'string' ? content : JSON.stringify(content));
    renameSync(next, this.file);
  }

  async proxy(options: Partial<StartProxyOptions> = {}): Promise<RaftsmanProxy> {
    const proxy = await startProxy({
      name: 'edge',
      shards: { file: this.file },
      listen: { host: '127.0.0.1', port: 0 },
      secret: secrets.proxy,
      clients: { app: { secret: secrets.app, may: everything } },
      watch: false,
      logger: this.logger,
      ...options,
    });
    this.#proxies.push(proxy);
    return proxy;
  }

  async client(...proxies: readonly RaftsmanProxy[]): Promise<QueueClient> {
    const endpoints = proxies.map(({ address }) => address);
    const client = await connect({ endpoints, name: 'app', secret: secrets.app });
    this.#clients.push(client);
    return client;
  }

  /** Links to a port of this machine that stand now, as the system counts them. */
  async socketsAt(port: number): Promise<number> {
    const established = '01';
    const suffix = `:${port.toString(16).toUpperCase().padStart(4, '0')}`;
    const lines = readFileSync('/proc/net/tcp', 'utf8').split('\n').slice(1);
    return lines.filter((line) => {
      const [, local = '', , state] = line.trim().split(/\s+/);
      return local.endsWith(suffix) && state === established;
    }).length;
  }

  async stop(): Promise<void> {
    await Promise.all(this.#clients.map((client) => client.close()));
    await Promise.all(this.#proxies.map((proxy) => proxy.close()));
    await Promise.all([...this.nodes.values()].map((node) => node.close()));
    rmSync(this.directory, { recursive: true, force: true });
  }
}

export function tokensOf(client: QueueClient): Queue<string> {
  return client.queue('tokens', { codec });
}

/** Resolves when it holds; rejects when it does not come to that. */
export async function until(holds: () => boolean, withinMs = 5_000): Promise<void> {
  const endMs = Date.now() + withinMs;
  while (!holds()) {
    if (Date.now() > endMs) throw new Error(`it did not come about within ${withinMs} ms: ${holds}`);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}
