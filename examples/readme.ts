import { once } from 'node:events';
import { startNode } from '../src/index.ts'; // in your own program: from 'raftsman'

const [id = 'a', port = '7001'] = process.argv.slice(2);
const node = await startNode({
  id,
  cluster: 'hello',
  dataDir: `./data/${id}`,
  listen: { host: '127.0.0.1', port: Number(port) },
  peers: { a: 'ws://127.0.0.1:7001', b: 'ws://127.0.0.1:7002', c: 'ws://127.0.0.1:7003' },
  secret: process.env.RAFTSMAN_SECRET, // at least 32 bytes, the same for all three
});
process.once('SIGINT', () => node.close());

await node.runWhileLeader(async ({ signal, fencingToken }) => {
  console.log(`${id} leads, fencing token ${fencingToken}`);
  await once(signal, 'abort');
});
