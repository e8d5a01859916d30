import { join } from 'node:path';
import { startNode } from '../../src/index.ts';
import { meetParent } from './child.ts';

/** One node of the cluster: what a host application embeds, and nothing else. */
const { parent, start } = await meetParent();
const { cluster, role } = start;
const id = role.name;

const node = await startNode({
  id,
  cluster: cluster.name,
  dataDir: join(role.directory, id),
  listen: { host: '127.0.0.1', port: cluster.ports[id] ?? 0 },
  peers: cluster.peers,
  secret: cluster.peerSecret,
  clients: {
    updater: { secret: cluster.secrets.updater, may: ['take'] },
    frontEnd: { secret: cluster.secrets.frontEnd, may: ['put', 'get', 'admin'] },
    judge: { secret: cluster.secrets.judge, may: ['get'] },
  },
});
parent.onMessage = (message) => {
  if (message.type === 'stop') node.close().then(() => process.exit(0));
};
parent.send({ type: 'ready', address: cluster.peers[id] ?? '', journalUrl: '' });

for await (const { state, role: raftRole, term, leaderId } of node.observe()) {
  parent.send({ type: 'view', nodeId: id, state, role: raftRole, term, leaderId });
}
