import { bootId, clientId, type NodeId, nodeId } from '../base/ids.ts';
import { createRouting, type RoutingPair } from '../client/router/front-routing.ts';
import type { ShardsOption } from '../client/types.ts';
import { ClientListener } from '../mesh/accept-clients.ts';
import { type ClientAccount, ClientKeyring } from '../mesh/keyring.ts';
import type { Clock } from '../ports/clock.ts';
import type { Logger } from '../ports/logger.ts';
import type { Random } from '../ports/random.ts';
import type { Transport } from '../ports/transport.ts';
import type { ShardDirectory } from '../sharding/shard-directory.ts';
import type { NodeIdentity } from '../wire/handshake.ts';
import { Announcer } from './announcer.ts';
import { type OfferUpgrade, RaftsmanProxy } from './proxy.ts';
import { type ReadText, Reloads, readShards, type WatchFile } from './reloads.ts';

/** What a proxy serves and as whom; validated. */
export interface ProxyConfig {
  readonly name: string;
  readonly shards: ShardsOption;
  /** Its secret at the nodes. */
  readonly secret: string;
  readonly clients: readonly ClientAccount[];
  /** What a map must be beside valid. @throws ShardFileError */
  readonly checkMap?: ((directory: ShardDirectory) => void) | undefined;
}

/** The world outside. */
export interface ProxyPorts {
  /** Listens for clients. */
  readonly transport: Transport;
  /** Dials nodes; `transport` unless given. */
  readonly nodes?: Transport | undefined;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  /** Needed for maps in files. */
  readonly readText?: ReadText | undefined;
  /** Without it files are read at a reload alone. */
  readonly watchFile?: WatchFile | undefined;
  /** Given by transports that take sockets of the application's server. */
  readonly offerUpgrade?: OfferUpgrade | undefined;
}

/**
 * Builds and starts one proxy over given ports: the same for production and simulation. Resolves when the map is read and the
 * transport listens; does not wait for a node.
 *
 * @throws ShardFileError; what reading the file throws, and `Transport.listen`. Nothing stays open then.
 */
export async function assembleProxy(config: ProxyConfig, ports: ProxyPorts): Promise<RaftsmanProxy> {
  const { transport, nodes = transport, clock, random, logger, readText = noFiles } = ports;
  const { name, secret, shards } = config;
  const keyring = new ClientKeyring(config.clients);
  const reader = { readText, check: config.checkMap };
  const directory = await readShards(shards, reader);
  const announcer = new Announcer(logger);
  const routing = createRouting({
    directory,
    transport: nodes,
    secret,
    name,
    clock,
    random,
    logger,
    onProblem: (problem) => announcer.emit('problem', problem),
  });
  const identity = identityOf(nodeId(name), random);
  const listener = new ClientListener({
    transport,
    clock,
    random,
    logger,
    keyring,
    identity: () => identity,
    clientUp: (link) => pair.front.clientUp(link),
  });
  const pair: RoutingPair = routing.open(clientId(hex(random.bytes(16))));
  try {
    await listener.start();
  } catch (error) {
    routing.close();
    throw error;
  }
  const reloads = new Reloads(shards, {
    ...reader,
    watchFile: ports.watchFile,
    clock,
    current: () => routing.directory,
    apply: (next) => routing.reload(next),
    onReload: (reload) => {
      logger.info({ ...reload }, 'another map of shards is in force');
      announcer.emit('reload', reload);
    },
    onError: (error) => {
      logger.error({ ...error }, 'the map of shards was not reloaded; the one before it stays in force');
      announcer.emit('reloadError', error);
    },
    onCured: ({ version }) => logger.info({ version }, 'the map of shards is as it is in force again'),
  });
  reloads.watch();
  const { offerUpgrade } = ports;
  return new RaftsmanProxy({ name, routing, pair, listener, reloads, announcer, offerUpgrade });
}

function identityOf(id: NodeId, random: Random): NodeIdentity {
  const life = { clusterId: undefined, term: 0, leaderId: undefined };
  return { role: 'proxy', cluster: id, id, bootId: bootId(hex(random.bytes(8))), ...life };
}

async function noFiles(path: string): Promise<string> {
  throw new Error(`${path} cannot be read here: this proxy was given no way to read files`);
}

function hex(bytes: Uint8Array): string {
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('');
}
