import { join } from 'node:path';
import { type ClientOptions, startNode } from '../../src/index.ts';
import { meetParent } from './child.ts';
import { clusterOf } from './deployment.ts';

/** One node of a cluster: what a host application embeds, and nothing else. */
const { parent, start } = await meetParent();
const { deployment, settings, role } = start;
const { secrets } = deployment;
const id = role.name;
const [cluster] = clusterOf(deployment, id);

const everybody: Readonly<Record<string, ClientOptions>> = {
  updater: { secret: secrets.updater, may: ['take'] },
  frontEnd: { secret: secrets.frontEnd, may: ['put', 'get', 'admin'] },
};
/** With shards nobody but the judge comes in another way. */
const proxies: Readonly<Record<string, ClientOptions>> = {
  proxy: { secret: secrets.proxy, may: ['take', 'put', 'get', 'admin', 'proxy'] },
};

const node = await startNode({
  id,
  cluster: cluster.name,
  dataDir: join(role.directory, id),
  listen: { host: '127.0.0.1', port: cluster.ports[id] ?? 0 },
  peers: cluster.peers,
  secret: cluster.peerSecret,
  clients: {
    ...(settings.shards === 1 ? everybody : proxies),
    judge: { secret: secrets.judge, may: ['get'] },
  },
});
parent.onMessage = (message) => {
  if (message.type === 'stop') node.close().then(() => process.exit(0));
};
parent.send({ type: 'ready', address: cluster.peers[id] ?? '', journalUrl: '' });

for await (const { state, role: raftRole, term, leaderId } of node.observe()) {
  parent.send({ type: 'view', nodeId: id, state, role: raftRole, term, leaderId });
}
