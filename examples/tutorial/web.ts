import { connect, json } from '../../src/client/index.ts'; // in your own program: from 'raftsman/client'
import { endpoints, secretFrom } from './cluster.ts';

/** The front end: stores two tokens and watches them being refreshed. node --import tsx examples/tutorial/web.ts [SECONDS] */
interface Token {
  readonly refreshToken: string;
  readonly accessToken: string;
}

await using client = await connect({ endpoints, name: 'web', secret: secretFrom('WEB_SECRET') });
const tokens = client.queue<Token>('tokens', { codec: json<Token>() });

for (const user of ['anna', 'boris']) {
  const payload = { refreshToken: `refresh-of-${user}`, accessToken: 'none yet' };
  await tokens.put({ id: user, payload, expiresAt: Date.now() + 2_000, provider: 'acme' });
  console.log(`${user}: stored`);
}

for (let second = 0; second < Number(process.argv[2] ?? 10); second += 1) {
  await new Promise((resolve) => setTimeout(resolve, 1_000));
  const token = await tokens.get('anna');
  console.log(
    `anna: ${token?.payload.accessToken}, ${Math.round(((token?.expiresAt ?? 0) - Date.now()) / 1_000)} s left`,
  );
}
