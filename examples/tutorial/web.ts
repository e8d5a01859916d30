import { connect, json } from '../../src/client/index.ts'; // in your own program: from 'raftsman/client'
import { endpoints, secretFrom } from './cluster.ts';

/** The front end: stores tokens and watches the first being refreshed. node --import tsx examples/tutorial/web.ts [SECONDS [USER...]] */
interface Token {
  readonly refreshToken: string;
  readonly accessToken: string;
}

const [seconds = '10', ...named] = process.argv.slice(2);
const users = named.length > 0 ? named : ['anna', 'boris'];
const [first = ''] = users;

await using client = await connect({ endpoints, name: 'web', secret: secretFrom('WEB_SECRET') });
const tokens = client.queue<Token>('tokens', { codec: json<Token>() });

for (const user of users) {
  const payload = { refreshToken: `refresh-of-${user}`, accessToken: 'none yet' };
  await tokens.put({ id: user, payload, expiresAt: Date.now() + 2_000, provider: 'acme' });
  console.log(`${user}: stored`);
}

for (let second = 0; second < Number(seconds); second += 1) {
  await new Promise((resolve) => setTimeout(resolve, 1_000));
  const token = await tokens.get(first);
  console.log(
    `${first}: ${token?.payload.accessToken}, ${Math.round(((token?.expiresAt ?? 0) - Date.now()) / 1_000)} s left`,
  );
}
