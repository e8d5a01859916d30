import { connect, type QueueClient } from '../src/client/index.ts';
import { BenchCluster, newSecret, proxySecret } from './cluster.ts';
import { type BenchProcess, startProcess } from './processes.ts';

const bucketCount = 16_384;

/** A map that deals the buckets to these clusters, one shard each; with more of them its version is higher. */
export function shardMapOf(clusters: readonly BenchCluster[]): object {
  const cut = (at: number) => Math.floor((at * bucketCount) / clusters.length);
  const shards = clusters.map(({ name, nodes }, at) => {
    return [name, { number: at + 1, cluster: name, nodes, buckets: [`${cut(at)}-${cut(at + 1) - 1}`] }];
  });
  return { version: clusters.length, namespaces: { default: { shards: Object.fromEntries(shards) } } };
}

/** @param secret - of the account `app`, for clients. */
export function startProxyProcess(
  name: string,
  clusters: readonly BenchCluster[],
  secret: string = newSecret(),
): BenchProcess {
  return startProcess('./proxy-process.ts', {
    shards: { map: shardMapOf(clusters) },
    name,
    secret: proxySecret,
    listen: { host: '127.0.0.1', port: 0 },
    clients: { app: { secret, may: ['put', 'get', 'take'] } },
  });
}

/** One shard of three, and every way to it: plain clients of each node, a client with a router, and one through a proxy process. */
export class ProxyPlace {
  readonly cluster: BenchCluster;
  readonly router: QueueClient;
  readonly proxy: QueueClient;
  readonly #process: BenchProcess;
  readonly #direct: ReadonlyMap<string, QueueClient>;

  private constructor(
    cluster: BenchCluster,
    process: BenchProcess,
    direct: ReadonlyMap<string, QueueClient>,
    [router, proxy]: readonly [QueueClient, QueueClient],
  ) {
    this.cluster = cluster;
    this.#process = process;
    this.#direct = direct;
    this.router = router;
    this.proxy = proxy;
  }

  static async start(): Promise<ProxyPlace> {
    const cluster = await BenchCluster.start();
    const secret = newSecret();
    const process = startProxyProcess('proxy', [cluster], secret);
    const endpoints = [await process.ready];
    const map = shardMapOf([cluster]);
    const direct = await Promise.all(
      cluster.ids.map(async (id) => [id, await cluster.client([cluster.address(id)])] as const),
    );
    const rest = await Promise.all([
      connect({ shards: { map }, name: 'bench', secret: cluster.secret }),
      connect({ endpoints, name: 'app', secret }),
    ]);
    return new ProxyPlace(cluster, process, new Map(direct), rest);
  }

  /** A plain client of that node. */
  direct(id: string): QueueClient {
    const client = this.#direct.get(id);
    if (client === undefined) throw new Error(`no node is called ${id}`);
    return client;
  }

  /** What the proxy's process has used of a processor, in microseconds. */
  proxyCpuUs(): Promise<number> {
    return new Promise((resolve) => {
      this.#process.onMessage = (message) => {
        if (message.type === 'usage') resolve(message.cpuUs);
      };
      this.#process.send({ type: 'usage' });
    });
  }

  async close(): Promise<void> {
    await Promise.all([this.router.close(), this.proxy.close()]);
    this.#process.send({ type: 'stop' });
    await this.#process.exited;
    await this.cluster.close();
  }
}
