import { generateKeyPairSync, randomBytes } from 'node:crypto';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import Provider, { type ClientMetadata, type KoaContextWithOIDC } from 'oidc-provider';
import { fingerprint, type Granted, type JournalEvent } from './journal.ts';
import { providers, type Settings } from './settings.ts';
import { tokenId } from './shard-plan.ts';
import { memoryStore } from './token-adapter.ts';

/**
 * A real authorisation server on loopback, and its journal: what it granted, rotated, answered and revoked. It knows nothing of
 * raftsman. Grants are made through the provider's own models, as if a person had consented in a browser.
 */
export interface AuthorizationServer {
  readonly issuer: string;
  /** `GET ?from=N` answers the journal from event N on. `POST /grants` makes the grants of the run. */
  readonly journalUrl: string;
  readonly clientSecret: string;
  readonly journal: readonly JournalEvent[];
  grant(count: number): Promise<readonly Granted[]>;
  /** Calls that are open at this moment, by worker. */
  outstanding(worker: string): number;
  /** Calls back at the first moment at which the worker has this many calls open. */
  whenOutstanding(worker: string, calls: number, callback: () => void): void;
  close(): Promise<void>;
}

const scope = 'api offline_access';
const day = 86_400;

export async function startAuthorizationServer(
  settings: Settings,
  clientSecret: string,
): Promise<AuthorizationServer> {
  const server = new DemoAuthorizationServer(settings, clientSecret);
  await server.listen();
  return server;
}

class DemoAuthorizationServer implements AuthorizationServer {
  readonly journal: JournalEvent[] = [];
  readonly clientSecret: string;
  issuer = '';
  journalUrl = '';
  readonly #settings: Settings;
  readonly #web: Server = createServer();
  readonly #control: Server = createServer((request, response) => this.#answerControl(request, response));
  readonly #openCalls = new Map<string, number>();
  readonly #watches: { readonly worker: string; readonly calls: number; readonly callback: () => void }[] =
    [];
  /** The call that a request is; requests are the provider's own objects. */
  readonly #callOf = new WeakMap<
    IncomingMessage,
    { readonly call: number; readonly worker: string; readonly at: number }
  >();
  readonly #familyOf = new Map<string, string>();
  readonly #store = memoryStore((family) => this.#record({ type: 'revoked', at: Date.now(), family }));
  #provider: Provider | undefined;
  #calls = 0;

  constructor(settings: Settings, clientSecret: string) {
    this.#settings = settings;
    this.clientSecret = clientSecret;
  }

  async listen(): Promise<void> {
    this.issuer = await listenOnLoopback(this.#web);
    this.journalUrl = await listenOnLoopback(this.#control);
    const provider = new Provider(this.issuer, {
      adapter: this.#store.adapterFor,
      clients: providers.map((name) => this.#client(name)),
      jwks: { keys: [signingKey()] },
      cookies: { keys: [randomBytes(32).toString('hex')] },
      scopes: scope.split(' '),
      rotateRefreshToken: (context) => context.oidc.client?.clientId === 'rotating',
      ttl: {
        AccessToken: this.#settings.lifetimeSeconds,
        RefreshToken: day,
        Grant: day,
        IdToken: day,
        Interaction: day,
        Session: day,
      },
      features: { devInteractions: { enabled: false } },
      findAccount: (_context, accountId) => ({ accountId, claims: () => ({ sub: accountId }) }),
    });
    provider.on('grant.success', (context) => this.#issued(context));
    provider.on('grant.error', (context, error) => this.#refused(context, error.error));
    provider.use(async (_context, next) => {
      await pause(this.#settings.latencyMs / 2);
      await next();
      await pause(this.#settings.latencyMs / 2);
    });
    const answer = provider.callback();
    this.#web.on('request', (request, response) => {
      this.#opened(request, response);
      answer(request, response);
    });
    this.#provider = provider;
  }

  async grant(count: number): Promise<readonly Granted[]> {
    return Promise.all(Array.from({ length: count }, (_, index) => this.#grantOne(index, count)));
  }

  outstanding(worker: string): number {
    return this.#openCalls.get(worker) ?? 0;
  }

  whenOutstanding(worker: string, calls: number, callback: () => void): void {
    this.#watches.push({ worker, calls, callback });
    this.#checkWatches();
  }

  async close(): Promise<void> {
    for (const server of [this.#web, this.#control]) {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    }
  }

  #client(name: string): ClientMetadata {
    return {
      client_id: name,
      client_secret: this.clientSecret,
      grant_types: ['authorization_code', 'refresh_token'],
      response_types: ['code'],
      redirect_uris: ['https://service.example/callback'],
      token_endpoint_auth_method: 'client_secret_post',
      id_token_signed_response_alg: 'ES256',
    };
  }

  /** First expiries are spread evenly from the lead to the whole lifetime: the first refreshes then come evenly too. */
  async #grantOne(index: number, count: number): Promise<Granted> {
    const provider = this.#provider;
    if (provider === undefined) throw new Error('not listening yet');
    const name = providers[index % providers.length] ?? providers[0];
    const client = await provider.Client.find(name);
    if (client === undefined) throw new Error(`no client ${name}`);
    const id = tokenId(index);
    const leadSeconds = this.#settings.leadMs / 1_000;
    const expiresIn = Math.ceil(
      leadSeconds + ((this.#settings.lifetimeSeconds - leadSeconds) * (index + 1)) / count,
    );
    const grant = new provider.Grant({ accountId: id, clientId: name });
    grant.addOIDCScope(scope);
    const grantId = await grant.save();
    const common = { accountId: id, client, grantId, scope, gty: 'authorization_code' };
    const refreshToken = await new provider.RefreshToken(common).save();
    const access = new provider.AccessToken({ ...common, expiresIn });
    const accessToken = await access.save();
    const expiresAt = this.#store.expiresAt(accessToken);
    this.#familyOf.set(fingerprint(refreshToken), id);
    this.#record({
      type: 'granted',
      at: Date.now(),
      family: id,
      client: name,
      refresh: fingerprint(refreshToken),
      access: fingerprint(accessToken),
      expiresAt,
    });
    return { id, client: name, accessToken, refreshToken, expiresAt };
  }

  #opened(request: IncomingMessage, response: ServerResponse): void {
    const worker = String(request.headers['x-worker'] ?? 'unknown');
    const call = ++this.#calls;
    this.#callOf.set(request, { call, worker, at: Date.now() });
    this.#openCalls.set(worker, this.outstanding(worker) + 1);
    this.#checkWatches();
    response.on('close', () => {
      this.#openCalls.set(worker, this.outstanding(worker) - 1);
      this.#record({ type: 'answered', at: Date.now(), call, finished: response.writableFinished });
    });
  }

  #issued(context: KoaContextWithOIDC): void {
    const { RefreshToken, RotatedRefreshToken } = context.oidc.entities;
    const about = this.#about(context);
    if (about === undefined || RefreshToken === undefined) return;
    const accessToken = answered(context.body, 'access_token');
    const refresh = fingerprint(answered(context.body, 'refresh_token'));
    this.#familyOf.set(refresh, about.family);
    this.#record({
      type: 'issued',
      at: Date.now(),
      ...about,
      client: RefreshToken.clientId ?? '',
      refresh,
      access: fingerprint(accessToken),
      expiresAt: this.#store.expiresAt(accessToken),
      rotated: RotatedRefreshToken !== undefined,
    });
  }

  #refused(context: KoaContextWithOIDC, error: string): void {
    const about = this.#about(context);
    if (about !== undefined) this.#record({ type: 'refused', at: Date.now(), ...about, error });
  }

  /** The provider has parsed the request: records which token came, and of which family it is. */
  #about(
    context: KoaContextWithOIDC,
  ): { readonly call: number; readonly worker: string; readonly family: string } | undefined {
    const known = this.#callOf.get(context.req);
    if (known === undefined) return undefined;
    const presented = fingerprint(String(context.oidc.params?.refresh_token ?? ''));
    const family = this.#familyOf.get(presented) ?? 'unknown';
    this.#record({
      type: 'called',
      at: known.at,
      call: known.call,
      worker: known.worker,
      family,
      refresh: presented,
    });
    return { call: known.call, worker: known.worker, family };
  }

  #record(event: JournalEvent): void {
    this.journal.push(event);
  }

  #checkWatches(): void {
    for (const watch of [...this.#watches]) {
      if (this.outstanding(watch.worker) < watch.calls) continue;
      this.#watches.splice(this.#watches.indexOf(watch), 1);
      watch.callback();
    }
  }

  #answerControl(request: IncomingMessage, response: ServerResponse): void {
    const url = new URL(request.url ?? '/', 'http://127.0.0.1');
    response.setHeader('content-type', 'application/json');
    if (request.method === 'POST' && url.pathname === '/grants') {
      this.grant(this.#settings.tokens).then(
        (grants) => response.end(JSON.stringify(grants)),
        (error: unknown) => response.writeHead(500).end(JSON.stringify(String(error))),
      );
      return;
    }
    response.end(JSON.stringify(this.journal.slice(Number(url.searchParams.get('from') ?? 0))));
  }
}

/** A field of the token response, as it is about to be sent. */
function answered(body: unknown, field: string): string {
  return String(Object.entries(body ?? {}).find(([name]) => name === field)?.[1] ?? '');
}

async function listenOnLoopback(server: Server): Promise<string> {
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(0, '127.0.0.1', resolve);
  });
  const address = server.address();
  return `http://127.0.0.1:${typeof address === 'object' && address !== null ? address.port : 0}`;
}

function signingKey(): object {
  const key = generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey.export({ format: 'jwk' });
  return { ...key, alg: 'ES256', use: 'sig' };
}

const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));
