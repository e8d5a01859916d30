import { startProxy } from '../../src/proxy/index.ts'; // in your own program: from 'raftsman/proxy'
import { secretFrom } from './cluster.ts';

/** Says which buckets are in use and cannot move, by a proxy that takes no clients. node --import tsx examples/tutorial/occupied.ts FILE */
await using proxy = await startProxy({
  name: 'occupied',
  listen: false,
  shards: { file: process.argv[2] ?? './data/shards.json' },
  secret: secretFrom('PROXY_SECRET'),
  clients: { web: { secret: secretFrom('WEB_SECRET'), may: [] } },
});
for (const { name, occupied } of await proxy.ownership()) {
  const buckets = occupied.map(({ from, to }) => (from === to ? `${from}` : `${from}-${to}`));
  console.log(`${name}: in use ${buckets.join(', ') || 'nothing'}`);
}
