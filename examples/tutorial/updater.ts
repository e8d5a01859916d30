import { connect, json } from '../../src/client/index.ts'; // in your own program: from 'raftsman/client'
import { endpoints, secretFrom } from './cluster.ts';

/** An updater: takes tokens from the leader, refreshes them, writes them back. node --import tsx examples/tutorial/updater.ts one */
interface Token {
  readonly refreshToken: string;
  readonly accessToken: string;
}

const workerId = process.argv[2] ?? 'one';
const stop = new AbortController();
process.once('SIGINT', () => stop.abort());
process.once('SIGTERM', () => stop.abort());

await using client = await connect({
  endpoints,
  name: 'updater',
  secret: secretFrom('UPDATER_SECRET'),
  escrowDir: `${process.env.RAFTSMAN_DATA ?? './data'}/updater-${workerId}`,
});
const tokens = client.queue<Token>('tokens', { codec: json<Token>() });

let count = 0;
await tokens.work(
  async ({ task, attempt }) => {
    // Your provider's token endpoint is called here; this one answers at once and rotates the refresh token.
    count += 1;
    console.log(`${workerId}: ${task.id}, attempt ${attempt}`);
    const accessToken = `access-${workerId}-${count}`;
    return {
      payload: { refreshToken: `${task.payload.refreshToken}'`, accessToken },
      expiresAt: Date.now() + 6_000,
    };
  },
  {
    workerId,
    concurrency: 10,
    timeoutMs: 10_000,
    signal: stop.signal,
    onError: (error) => console.error(error),
  },
);
console.log(`${workerId}: stopped`);
