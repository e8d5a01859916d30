import { connect, json } from '../src/client/index.ts'; // in your own program: from 'raftsman/client'

const { APP_SECRET = '' } = process.env;
const proxies = ['ws://127.0.0.1:7100', 'ws://127.0.0.1:7101']; // one of them may be away
await using client = await connect({ endpoints: proxies, name: 'app', secret: APP_SECRET });
const tokens = client.queue<string>('tokens', { codec: json<string>() });

await tokens.put({ id: 'anna', payload: 'a token', expiresAt: Date.now() + 60_000 });
const { shard, bucket } = await client.explain('tokens', 'anna');
console.log(`anna: bucket ${bucket}, on shard ${shard}`);
