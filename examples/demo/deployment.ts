import { randomBytes } from 'node:crypto';
import { createServer } from 'node:net';

/** Three nodes that elect one leader. */
export interface Cluster {
  readonly name: string;
  /** Address of each node by its id; no two clusters share an id. */
  readonly peers: Readonly<Record<string, string>>;
  readonly ports: Readonly<Record<string, number>>;
  readonly peerSecret: string;
}

/** Where everything is and who may speak to whom. */
export interface Deployment {
  /** One, or one for each shard. */
  readonly clusters: readonly Cluster[];
  /** Port of each proxy by name; none without shards. */
  readonly proxies: Readonly<Record<string, number>>;
  /** What the proxies read; nobody reads it without shards. */
  readonly shardFile: string;
  /** What the front end and the updaters dial, and all they know: the nodes, or with shards the proxies. */
  readonly endpoints: readonly string[];
  /** Client secrets of raftsman, and that of both clients at the authorisation server. */
  readonly secrets: Readonly<Record<Account, string>>;
}

export type Account = 'updater' | 'frontEnd' | 'judge' | 'proxy' | 'provider';

const clusterNames = { 1: ['demo'], 2: ['one', 'two'] } as const;
const nodesOf = [
  ['a', 'b', 'c'],
  ['d', 'e', 'f'],
] as const;
const proxyNames = ['proxy-1', 'proxy-2'] as const;

/** Draws secrets, and ports from the operating system. */
export async function makeDeployment(shards: number, shardFile: string): Promise<Deployment> {
  const names = shards === 1 ? clusterNames[1] : clusterNames[2];
  const proxies = shards === 1 ? [] : proxyNames;
  const free = await freePorts(names.length * 3 + proxies.length);
  const port = (): number => free.pop() ?? 0;
  const clusters = names.map((name, index) => makeCluster(name, nodesOf[index] ?? [], port));
  const proxyPorts = Object.fromEntries(proxies.map((name) => [name, port()]));
  const addresses = Object.values(proxyPorts).map(addressOf);
  return {
    clusters,
    proxies: proxyPorts,
    shardFile,
    endpoints: addresses.length > 0 ? addresses : clusters.flatMap(({ peers }) => Object.values(peers)),
    secrets: {
      updater: secret(),
      frontEnd: secret(),
      judge: secret(),
      proxy: secret(),
      provider: secret(),
    },
  };
}

/** @returns the cluster of a node, and its place among the clusters. */
export function clusterOf(deployment: Deployment, nodeId: string): readonly [Cluster, number] {
  const index = deployment.clusters.findIndex(({ peers }) => nodeId in peers);
  const cluster = deployment.clusters[index];
  if (cluster === undefined) throw new Error(`no cluster has a node ${nodeId}`);
  return [cluster, index];
}

/** @returns the ids of all nodes, cluster by cluster. */
export function nodeIdsOf(deployment: Deployment): readonly string[] {
  return deployment.clusters.flatMap(({ peers }) => Object.keys(peers));
}

function makeCluster(name: string, ids: readonly string[], port: () => number): Cluster {
  const ports = Object.fromEntries(ids.map((id) => [id, port()]));
  const peers = Object.fromEntries(ids.map((id) => [id, addressOf(ports[id] ?? 0)]));
  return { name, peers, ports, peerSecret: secret() };
}

const secret = (): string => randomBytes(32).toString('hex');

const addressOf = (port: number): string => `ws://127.0.0.1:${port}`;

/** All are held open until all are known, so that they differ. */
async function freePorts(count: number): Promise<number[]> {
  const servers = Array.from({ length: count }, () => createServer());
  const ports = await Promise.all(
    servers.map(
      (server) =>
        new Promise<number>((resolve, reject) => {
          server.on('error', reject);
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
