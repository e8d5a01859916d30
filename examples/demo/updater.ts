import * as oauth from 'oauth4webapi';
import { connect, type WorkResult } from '../../src/client/index.ts';
import { meetParent } from './child.ts';
import { queueName } from './settings.ts';
import { type Token, tokenCodec } from './token.ts';

/** Takes tokens that are about to expire, refreshes them over HTTP and stores the answers. */
const { parent, start } = await meetParent();
const { settings, cluster, role } = start;
const stop = new AbortController();
const worker = `${role.name}:${process.pid}`;
const server: oauth.AuthorizationServer = {
  issuer: new URL(role.tokenEndpoint).origin,
  token_endpoint: role.tokenEndpoint,
};
const authenticate = oauth.ClientSecretPost(cluster.secrets.provider);

const client = await connect({
  endpoints: Object.values(cluster.peers),
  name: 'updater',
  secret: cluster.secrets.updater,
  escrowDir: role.directory,
});
const tokens = client.queue<Token>(queueName, { codec: tokenCodec });

parent.onMessage = (message) => {
  if (message.type === 'stop') stop.abort();
};
parent.send({ type: 'ready', address: '', journalUrl: '' });

await tokens.work(({ task, signal }) => refresh(task.provider, task.payload, signal), {
  workerId: role.name,
  concurrency: settings.concurrency,
  timeoutMs: settings.callMs,
  signal: stop.signal,
  onError: (error, task) => console.error(`${task.id} (fence ${task.fence}):`, error),
});
await client.close();
process.exit(0);

async function refresh(provider: string, token: Token, signal: AbortSignal): Promise<WorkResult<Token>> {
  const sentAt = Date.now();
  const application = { client_id: provider };
  try {
    const response = await oauth.refreshTokenGrantRequest(
      server,
      application,
      authenticate,
      token.refreshToken,
      {
        [oauth.allowInsecureRequests]: true, // loopback
        headers: { 'x-worker': worker },
        signal,
      },
    );
    const answer = await oauth.processRefreshTokenResponse(server, application, response);
    // `expires_in` counts from the start of the server's second: up to one second of it had passed before we asked.
    const expiresAt = sentAt + (answer.expires_in ?? settings.lifetimeSeconds) * 1_000 - 1_000;
    return {
      payload: { accessToken: answer.access_token, refreshToken: answer.refresh_token ?? token.refreshToken },
      expiresAt,
    };
  } catch (error) {
    if (error instanceof oauth.ResponseBodyError && error.error === 'invalid_grant')
      return { bury: 'invalid_grant' };
    if (error instanceof oauth.ResponseBodyError && (error.status === 429 || error.status >= 500)) {
      return { retryAfterMs: settings.backOffMs, scope: 'provider' };
    }
    if (neverReached(error)) return { retryAfterMs: settings.backOffMs };
    throw error; // the refresh token may be spent: the cluster treats the token as suspect
  }
}

/** Nobody listened, so nobody spent the refresh token. */
function neverReached(error: unknown): boolean {
  const cause = error instanceof Error ? error.cause : undefined;
  return typeof cause === 'object' && cause !== null && 'code' in cause && cause.code === 'ECONNREFUSED';
}
