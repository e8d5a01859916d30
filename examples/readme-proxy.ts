import { once } from 'node:events';
import { startProxy } from '../src/proxy/index.ts'; // in your own program: from 'raftsman/proxy'

const { PROXY_SECRET = '', APP_SECRET = '' } = process.env; // at least 32 bytes each
await using proxy = await startProxy({
  name: 'edge-1',
  listen: { host: '127.0.0.1', port: 7100 },
  shards: { file: 'shards.json' }, // which shard owns what, and where its nodes are; watched
  secret: PROXY_SECRET, // of an account at the nodes that may 'proxy'
  clients: { app: { secret: APP_SECRET, may: ['put', 'get', 'take'] } },
});
console.log(`${proxy.name} listens at ${proxy.address}`);
await once(process, 'SIGTERM');
