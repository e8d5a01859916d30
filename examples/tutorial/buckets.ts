import { connect } from '../../src/client/index.ts'; // in your own program: from 'raftsman/client'
import { endpoints, secretFrom } from './cluster.ts';

/** Says which bucket and shard each user's token belongs to. node --import tsx examples/tutorial/buckets.ts USER... */
await using client = await connect({ endpoints, name: 'web', secret: secretFrom('WEB_SECRET') });

for (const user of process.argv.slice(2)) {
  const { bucket, shard, mapVersion } = await client.explain('tokens', user);
  console.log(`${user}: bucket ${bucket}, shard ${shard}, map ${mapVersion}`);
}
