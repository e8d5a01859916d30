import { setTimeout as sleep } from 'node:timers/promises';
import { startNode } from '../../src/index.ts'; // in your own program: from 'raftsman'
import { cluster, peers, secretFrom } from './cluster.ts';

/** A member of the cluster: node --import tsx examples/tutorial/node.ts a */
const id = process.argv[2] ?? 'a';
const { PROXY_SECRET } = process.env; // the second tutorial sets it
const node = await startNode({
  id,
  cluster,
  dataDir: `${process.env.RAFTSMAN_DATA ?? './data'}/${id}`,
  listen: { host: '127.0.0.1', port: Number(new URL(peers[id] ?? '').port) },
  peers,
  secret: secretFrom('RAFTSMAN_SECRET'),
  clients: {
    web: { secret: secretFrom('WEB_SECRET'), may: ['put', 'get'] },
    updater: { secret: secretFrom('UPDATER_SECRET'), may: ['take'] },
    ...(PROXY_SECRET && {
      proxy: { secret: PROXY_SECRET, may: ['put', 'get', 'take', 'admin', 'proxy'] },
    }),
  },
});
process.once('SIGINT', () => node.close());
process.once('SIGTERM', () => node.close());

node.on('leaderChange', ({ leaderId, term }) => console.log(`${id}: leader ${leaderId}, term ${term}`));

await node.runWhileLeader(async (leadership) => {
  console.log(`${id}: my watch begins, fencing token ${leadership.fencingToken}`);
  while (leadership.held) {
    await sleep(1_000, undefined, { signal: leadership.signal });
    leadership.assertHeld(); // the loop may have been blocked: ask the clock before each effect
    console.log(`${id}: ${node.status().reason}`);
  }
});
console.log(`${id}: closed`);
