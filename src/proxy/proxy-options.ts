import { InvalidOptionError, ShardFileError } from '../base/errors.ts';
import {
  checkExposure,
  checkListenPath,
  exposedAddress,
  exposedHost,
  type trustedNetwork,
} from '../base/exposure.ts';
import { checkKeys, requireThat, textOf } from '../base/option-checks.ts';
import type { ShardsOption } from '../client/types.ts';
import { type ClientOptions, checkLogger, clientsOf, nameOf, secretsOf } from '../mesh/account-options.ts';
import { type ClientAccount, ClientKeyring } from '../mesh/keyring.ts';
import type { Clock } from '../ports/clock.ts';
import type { Logger } from '../ports/logger.ts';
import type { Random } from '../ports/random.ts';
import type { Transport } from '../ports/transport.ts';
import type { ShardDirectory } from '../sharding/shard-directory.ts';
import type { ProxyConfig } from './assemble-proxy.ts';

/** Everything a proxy is started with but the way to listen, which names types of Node; docs/reference/proxy.md has the table. */
export interface CommonProxyOptions {
  /** The map of shards. A file is read again at a reload. */
  readonly shards: ShardsOption;
  /** What the proxy calls itself to clients and nodes. */
  readonly name: string;
  /** Its secret at the nodes: of an account that may `proxy`, and whatever its clients may; `admin` lets it tell groups what they own. */
  readonly secret: string;
  /** Who may connect, by account name. */
  readonly clients: Readonly<Record<string, ClientOptions>>;
  /** Reload when the file changes; true unless given. */
  readonly watch?: boolean | undefined;
  /** Beyond loopback links are not encrypted yet: the handshake proves who connects, an active man in the middle reads and changes the rest. */
  readonly plaintext?: typeof trustedNetwork | undefined;
  readonly transport?: Transport | undefined;
  readonly clock?: Clock | undefined;
  readonly random?: Random | undefined;
  readonly logger?: Logger | undefined;
}

/** Where links are accepted, as far as checks go. */
export type ProxyListenOption =
  | { readonly host: string; readonly port: number }
  | { readonly server: object; readonly path: string }
  | false;

const optionNames: readonly string[] = [
  'shards',
  'name',
  'secret',
  'clients',
  'listen',
  'watch',
  'plaintext',
  'transport',
  'clock',
  'random',
  'logger',
];

/**
 * Checks everything that can be checked before anything is opened.
 *
 * @throws InvalidOptionError naming the option, never a secret.
 */
export function resolveProxyOptions(
  options: CommonProxyOptions & { readonly listen?: ProxyListenOption | undefined },
): ProxyConfig {
  requireThat(typeof options === 'object' && options !== null, 'startProxy takes one object of options');
  checkKeys('', options, optionNames);
  const { name, shards, secret, checkMap } = resolveAccess(options);
  const clients = clientsOf(options.clients ?? {});
  checkAccounts(clients, secret);
  const { watch, plaintext, transport } = options;
  requireThat(watch === undefined || typeof watch === 'boolean', 'watch must be true or false');
  if (transport === undefined) checkExposure(exposedByListen(options.listen), plaintext);
  checkLogger(options.logger);
  return { name, shards, secret, clients, checkMap: transport === undefined ? checkMap : undefined };
}

/** The part that says which nodes there are, and who speaks to them. */
export type AccessOptions = Pick<CommonProxyOptions, 'name' | 'shards' | 'secret' | 'plaintext'>;

/** @throws InvalidOptionError naming the option, never a secret. */
export function resolveAccess(options: AccessOptions): Omit<ProxyConfig, 'clients'> {
  const name = nameOf('name', options.name);
  const shards = shardsOf(options.shards);
  const [secret = ''] = secretsOf('secret', textOf('secret', options.secret));
  return { name, shards, secret, checkMap: mapCheck(options.plaintext) };
}

/** @throws InvalidOptionError */
export function shardsOf(value: unknown): ShardsOption {
  const known = 'shards must be { file } or { map }';
  requireThat(value !== undefined, `shards is missing: { file } or { map }`);
  requireThat(typeof value === 'object' && value !== null, known);
  checkKeys('shards.', value, ['file', 'map']);
  requireThat('file' in value !== 'map' in value, known);
  if ('file' in value) return { file: textOf('shards.file', value.file) };
  const map = 'map' in value ? value.map : undefined;
  if (typeof map === 'string') return { map };
  requireThat(
    typeof map === 'object' && map !== null,
    'shards.map must be the text or the value of a shard file',
  );
  return { map };
}

/** Whoever knows the proxy's secret may speak for all of its clients: a client must not be given it. */
function checkAccounts(clients: readonly ClientAccount[], secret: string): void {
  requireThat(clients.length > 0, 'clients is empty: nobody could connect');
  new ClientKeyring(clients);
  const same = clients.find(({ secrets }) => secrets.includes(secret));
  requireThat(same === undefined, `clients.${same?.account}.secret is the secret of the proxy at the nodes`);
}

function exposedByListen(listen: ProxyListenOption | undefined): readonly string[] {
  const known = '{ host, port }, { server, path } or false';
  requireThat(listen !== undefined, `listen is missing: ${known}`);
  if (listen === false) return [];
  requireThat(typeof listen === 'object' && listen !== null, `listen must be ${known}`);
  if ('server' in listen) {
    checkKeys('listen.', listen, ['server', 'path']);
    checkListenPath(listen.path);
    return [];
  }
  checkKeys('listen.', listen, ['host', 'port']);
  const host = textOf('listen.host', listen.host);
  const { port } = listen;
  const isPort = Number.isInteger(port) && port >= 0 && port <= 65_535;
  requireThat(isPort, `listen.port must be a whole number from 0 to 65535, got ${port}`);
  return exposedHost('listen.host', host);
}

/** Nodes beyond loopback are dialled in plain text only where that was asked for, also those of a later map. */
function mapCheck(plaintext: string | undefined): (directory: ShardDirectory) => void {
  return ({ shards }) => {
    const exposed = shards.flatMap(({ name, nodes }) =>
      [...nodes].flatMap(([id, address]) => exposedAddress(`${name}.nodes.${id}`, address)),
    );
    try {
      checkExposure(exposed, plaintext);
    } catch (error) {
      if (!(error instanceof InvalidOptionError)) throw error;
      throw new ShardFileError([{ path: '', message: error.message }]);
    }
  };
}
