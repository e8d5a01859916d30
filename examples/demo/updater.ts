import * as oauth from 'oauth4webapi';
import { connect, isRaftsmanError, type WorkResult } from '../../src/client/index.ts';
import { CallLog } from './call-log.ts';
import { meetParent } from './child.ts';
import { queueNames } from './settings.ts';
import { homeOf, tokenId } from './shard-plan.ts';
import { type Token, tokenCodec } from './token.ts';

/** Takes tokens that are about to expire, refreshes them over HTTP and stores the answers. */
const { parent, start } = await meetParent();
const { settings, deployment, role } = start;
const stop = new AbortController();
const worker = `${role.name}:${process.pid}`;
const server: oauth.AuthorizationServer = {
  issuer: new URL(role.tokenEndpoint).origin,
  token_endpoint: role.tokenEndpoint,
};
const authenticate = oauth.ClientSecretPost(deployment.secrets.provider);

const client = await connect({
  endpoints: deployment.endpoints,
  name: 'updater',
  secret: deployment.secrets.updater,
  escrowDir: role.directory,
});
const tokens = client.queue<Token>(queueNames.tokens, { codec: tokenCodec });
const log = new CallLog();
/** Tasks whose answer this process knows it could not store. */
let unstored: string[] = [];
const lookMs = 50;
const tellMs = 500;

parent.onMessage = (message) => {
  if (message.type === 'stop') stop.abort();
};
parent.send({ type: 'ready', address: '', journalUrl: '' });
const telling = setInterval(tell, tellMs);
const looking =
  settings.shards === 1 ? [] : Array.from({ length: settings.shards }, (_, home) => keepLooking(home));

await tokens.work(({ task, signal }) => refresh(task.provider, task.payload, signal), {
  workerId: role.name,
  concurrency: settings.concurrency,
  timeoutMs: settings.callMs,
  signal: stop.signal,
  onError: (error, task) => {
    console.error(`${task.id} (fence ${task.fence}):`, error);
    unstored.push(task.id);
    if (isFailedCall(error)) log.fail(`${worker}: ${task.id}: ${error}`);
  },
});
await Promise.all(looking);
clearInterval(telling);
tell();
await client.close();
process.exit(0);

function tell(): void {
  parent.send({ type: 'calls', name: role.name, calls: log.take(), unstored });
  unstored = [];
}

/** With shards: a read of each all the time, so that this process, too, can say how long it had to wait. */
async function keepLooking(home: number): Promise<void> {
  for (let index = 0; !stop.signal.aborted; index++) {
    const id = tokenId(index % settings.tokens);
    if (homeOf(id, settings.shards) !== home) continue;
    await log.timed(`${worker}: get ${id}`, home, () => tokens.get(id));
    await new Promise((resolve) => setTimeout(resolve, lookMs));
  }
}

/** A lease that ended with an earlier life of this worker is an answer; what a handler threw is no call of the cluster. */
function isFailedCall(error: unknown): boolean {
  return isRaftsmanError(error) && error.code !== 'STALE_LEASE';
}

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
