import { startProxy } from '../../src/proxy/index.ts';
import { meetParent } from './child.ts';

/** One proxy: it keeps nothing, and is all that the front end and the updaters know. */
const { parent, start } = await meetParent();
const { deployment, role } = start;
const { secrets } = deployment;

const viewMs = 250;

const proxy = await startProxy({
  name: role.name,
  shards: { file: deployment.shardFile },
  listen: { host: '127.0.0.1', port: deployment.proxies[role.name] ?? 0 },
  secret: secrets.proxy,
  clients: {
    updater: { secret: secrets.updater, may: ['take', 'get'] },
    frontEnd: { secret: secrets.frontEnd, may: ['put', 'get', 'admin'] },
  },
});
proxy.on('reload', ({ version }) => parent.send({ type: 'reloaded', proxy: role.name, version }));
proxy.on('reloadError', ({ code, message }) =>
  parent.send({ type: 'reloadRefused', proxy: role.name, code, message }),
);
proxy.on('problem', (problem) => console.error(problem.message));
parent.onMessage = (message) => {
  if (message.type === 'stop') proxy.close().then(() => process.exit(0));
};

/** Ready is who reaches a leader of each shard, and has seen that the groups own what the file says. */
while (!isReady()) await new Promise((resolve) => setTimeout(resolve, 20));
parent.send({ type: 'ready', address: proxy.address, journalUrl: '' });
tell();
setInterval(tell, viewMs);

function isReady(): boolean {
  const { claimed, shards } = proxy.status();
  return claimed && shards.every(({ nodes }) => nodes.every(({ connected }) => connected));
}

function tell(): void {
  const { mapVersion, clients, underWay, shards } = proxy.status();
  const held = shards.reduce((sum, shard) => sum + shard.held, 0);
  parent.send({ type: 'proxyView', name: role.name, mapVersion, clients, underWay, held });
}
