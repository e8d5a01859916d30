import * as oauth from 'oauth4webapi';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { fingerprint, type Granted } from '../../examples/demo/journal.ts';
import { type AuthorizationServer, startAuthorizationServer } from '../../examples/demo/oauth-provider.ts';
import { parseOptions, settingsFor } from '../../examples/demo/settings.ts';

const secret = 'a secret of the test, thirty-two bytes';
const settings = { ...settingsFor(parseOptions(['--seconds', '30'])), latencyMs: 0 };
let server: AuthorizationServer;
let granted: readonly Granted[];

beforeAll(async () => {
  server = await startAuthorizationServer(settings, secret);
  granted = await server.grant(10);
});
afterAll(() => server.close());

/** Refreshes as an updater does. */
async function refresh(
  client: string,
  refreshToken: string,
  worker = 'test:1',
): Promise<oauth.TokenEndpointResponse> {
  const as: oauth.AuthorizationServer = { issuer: server.issuer, token_endpoint: `${server.issuer}/token` };
  const application = { client_id: client };
  const response = await oauth.refreshTokenGrantRequest(
    as,
    application,
    oauth.ClientSecretPost(secret),
    refreshToken,
    {
      [oauth.allowInsecureRequests]: true,
      headers: { 'x-worker': worker },
    },
  );
  return oauth.processRefreshTokenResponse(as, application, response);
}

function grantOf(client: string, skip = 0): Granted {
  const grant = granted.filter((candidate) => candidate.client === client)[skip];
  if (grant === undefined) throw new Error(`nothing was granted to ${client}`);
  return grant;
}

describe('the authorisation server of the demo', () => {
  it('spreads the first expiries from the lead to the lifetime', () => {
    const inSeconds = granted.map((grant) => Math.round((grant.expiresAt - Date.now()) / 1_000));
    expect(Math.min(...inSeconds)).toBeGreaterThanOrEqual(settings.leadMs / 1_000 - 1);
    expect(Math.max(...inSeconds)).toBeLessThanOrEqual(settings.lifetimeSeconds);
    expect(new Set(inSeconds).size).toBeGreaterThanOrEqual(5);
  });

  it('keeps the refresh token of the steady client', async () => {
    const grant = grantOf('steady');
    const answer = await refresh('steady', grant.refreshToken);
    expect(answer.refresh_token).toBe(grant.refreshToken);
    expect(answer.access_token).not.toBe(grant.accessToken);
    expect(answer.expires_in).toBe(settings.lifetimeSeconds);
  });

  it('rotates, and revokes the family when a spent refresh token comes back', async () => {
    const { id, refreshToken } = grantOf('rotating');
    const answer = await refresh('rotating', refreshToken);
    expect(answer.refresh_token).not.toBe(refreshToken);
    await expect(refresh('rotating', refreshToken)).rejects.toMatchObject({ error: 'invalid_grant' });
    await expect(refresh('rotating', answer.refresh_token ?? '')).rejects.toMatchObject({
      error: 'invalid_grant',
    });
    expect(server.journal.filter((event) => event.type === 'revoked')).toMatchObject([{ family: id }]);
  });

  it('writes down what it issued to whom, and that the answer was taken', async () => {
    const { id, refreshToken } = grantOf('rotating', 1);
    const answer = await refresh('rotating', refreshToken, 'test:2');
    await expect.poll(() => server.journal.at(-1)?.type).toBe('answered');
    const [called, issued, answered] = server.journal.slice(-3);
    expect(called).toMatchObject({
      type: 'called',
      family: id,
      worker: 'test:2',
      refresh: fingerprint(refreshToken),
    });
    expect(issued).toMatchObject({
      type: 'issued',
      family: id,
      rotated: true,
      refresh: fingerprint(answer.refresh_token ?? ''),
    });
    expect(answered).toMatchObject({ type: 'answered', finished: true });
    const lifetimeMs = issued?.type === 'issued' ? issued.expiresAt - issued.at : 0;
    expect(lifetimeMs).toBeGreaterThan((settings.lifetimeSeconds - 1) * 1_000 - 100);
    expect(lifetimeMs).toBeLessThanOrEqual(settings.lifetimeSeconds * 1_000);
  });

  it('gives its journal without a single token in it', async () => {
    const text = await (await fetch(server.journalUrl)).text();
    expect(JSON.parse(text)).toHaveLength(server.journal.length);
    for (const grant of granted) expect(text).not.toContain(grant.refreshToken);
  });
});
