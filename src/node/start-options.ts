import { InvalidOptionError } from '../base/errors.ts';
import { clusterId, type GroupId, incarnation, type NodeId, nodeId } from '../base/ids.ts';
import { checkKeys, requireThat, textOf } from '../base/option-checks.ts';
import { type ClientOptions, checkLogger, clientsOf, nameOf, secretsOf } from '../mesh/account-options.ts';
import { type ClientAccount, Keyring } from '../mesh/keyring.ts';
import type { Clock } from '../ports/clock.ts';
import type { Logger } from '../ports/logger.ts';
import type { Random } from '../ports/random.ts';
import type { Storage } from '../ports/storage.ts';
import type { Transport } from '../ports/transport.ts';
import { type RaftOptionsInput, resolveRaftOptions } from '../raft/index.ts';
import { groupsOf } from './group-names.ts';
import { checkNetwork } from './plaintext.ts';

/** Everything but the way to listen, which names types of Node. */
export interface CommonOptions {
  /** This node: one of the names in `peers`. */
  readonly id: string;
  /** Nodes of another name are refused. */
  readonly cluster: string;
  /** Where the log is kept; created if it does not exist. One directory for one node, for good. */
  readonly dataDir?: string | undefined;
  /** Address of every member by id, this node included. The first membership; afterwards the log's counts. */
  readonly peers: Readonly<Record<string, string>>;
  /** Groups that this node hosts beside `main`, 64 in all at most: every member names the same ones. A new one is founded once all host it. */
  readonly groups?: readonly string[] | undefined;
  /** Shared by the members, at least 32 bytes. Of a list the first is sent and all are accepted. */
  readonly secret: string | readonly string[] | undefined;
  /** Who else may connect, by account name. */
  readonly clients?: Readonly<Record<string, ClientOptions>> | undefined;
  /** Beyond loopback links are not encrypted yet: the handshake proves who connects, an active man in the middle reads and changes the rest. */
  readonly plaintext?: 'i-trust-this-network' | undefined;
  /** How often a leader is heard; 100 ms. */
  readonly heartbeatMs?: number | undefined;
  /** A follower's patience lasts from this to twice this; 1,000 ms. */
  readonly electionTimeoutMs?: number | undefined;
  /** How long a scope lasts without a renewal; 0.8 of `electionTimeoutMs`, at most. */
  readonly leaseMs?: number | undefined;
  /** How far clocks may run apart, 0.05 for 5 %. */
  readonly driftBound?: number | undefined;
  /** Step between candidates when a leader is gone; 10 ms. */
  readonly rankStepMs?: number | undefined;
  /** Writes are refused with LogFullError when the log is this large; 256 MiB. */
  readonly logBytesMax?: number | undefined;
  readonly transport?: Transport | undefined;
  readonly storage?: Storage | undefined;
  readonly clock?: Clock | undefined;
  readonly random?: Random | undefined;
  readonly logger?: Logger | undefined;
}

/** Where links are accepted, as far as checks go. */
export type ListenOption =
  | { readonly host: string; readonly port: number }
  | { readonly server: object; readonly path: string }
  | false;

/** Undefined numbers have their defaults. */
export type CoreNumbers = Pick<
  RaftOptionsInput,
  'heartbeatMs' | 'electionTimeoutMinMs' | 'leaseMs' | 'driftBound' | 'rankStepMs' | 'logBytesMax'
>;

export interface ResolvedOptions {
  readonly id: NodeId;
  readonly cluster: string;
  readonly peers: ReadonlyMap<NodeId, string>;
  /** `main` first. */
  readonly groups: readonly GroupId[];
  readonly secrets: readonly string[];
  readonly clients: readonly ClientAccount[];
  /** For the log: allowed, and probably not what was meant. */
  readonly warnings: readonly string[];
}

const optionNames: readonly string[] = [
  'id',
  'cluster',
  'dataDir',
  'listen',
  'peers',
  'groups',
  'secret',
  'clients',
  'plaintext',
  'heartbeatMs',
  'electionTimeoutMs',
  'leaseMs',
  'driftBound',
  'rankStepMs',
  'logBytesMax',
  'transport',
  'storage',
  'clock',
  'random',
  'logger',
];
const numberNames = [
  'heartbeatMs',
  'electionTimeoutMs',
  'leaseMs',
  'driftBound',
  'rankStepMs',
  'logBytesMax',
] as const;
/** What a check of numbers does not look at. */
const placeholders: Pick<RaftOptionsInput, 'incarnation' | 'random' | 'mintClusterId'> = {
  incarnation: incarnation(''),
  random: () => 0,
  mintClusterId: () => clusterId(''),
};

/**
 * Checks everything that can be checked before anything is opened. Numbers are checked by `resolveRaftOptions`.
 *
 * @throws InvalidOptionError naming the option, never a secret.
 */
export function resolveStartOptions(
  options: CommonOptions & { readonly listen?: ListenOption | undefined },
): ResolvedOptions {
  requireThat(typeof options === 'object' && options !== null, 'startNode takes one object of options');
  if ('tls' in options) throw new InvalidOptionError(noTls);
  checkKeys('', options, optionNames);
  const id = nodeId(nameOf('id', options.id));
  const cluster = nameOf('cluster', options.cluster);
  const peers = peersOf(options.peers, id);
  const groups = groupsOf(options.groups);
  const secrets = secretsOf('secret', options.secret);
  const clients = clientsOf(options.clients ?? {});
  checkPurposes(secrets, clients);
  if (options.storage === undefined) textOf('dataDir', options.dataDir);
  if (options.transport === undefined) checkNetwork(options.listen, peers, options.plaintext);
  checkLogger(options.logger);
  checkNumbers(options, id, [...peers.keys()]);
  const warnings = peers.size % 2 === 0 ? [evenWarning(peers.size)] : [];
  return { id, cluster, peers, groups, secrets, clients, warnings };
}

const noTls =
  'tls is not available yet: terminate TLS in a server of your own ({ server, path } and wss:// addresses), or keep to loopback';

function evenWarning(count: number): string {
  return `peers names ${count} members: an even number tolerates no more failures than ${count - 1}`;
}

function peersOf(value: unknown, id: NodeId): ReadonlyMap<NodeId, string> {
  requireThat(typeof value === 'object' && value !== null, 'peers must be an object of addresses by id');
  const peers = new Map(
    Object.entries(value).map(([peer, address]) => [
      nodeId(nameOf('a name in peers', peer)),
      textOf(`peers.${peer}`, address),
    ]),
  );
  requireThat(peers.size > 0, 'peers is empty: name every member, this node included');
  requireThat(
    peers.has(id),
    `peers must name this node too: "${id}" is not among ${[...peers.keys()].join(', ')}`,
  );
  const seen = new Map<string, NodeId>();
  for (const [peer, address] of peers) {
    const other = seen.get(address);
    requireThat(other === undefined, `peers.${peer} and peers.${other} have the same address ${address}`);
    seen.set(address, peer);
  }
  return peers;
}

/** The keyring's own check, before anything is opened. */
function checkPurposes(secrets: readonly string[], clients: readonly ClientAccount[]): void {
  new Keyring(secrets, clients);
}

/** The core's own check, before anything is opened. */
function checkNumbers(options: CommonOptions, id: NodeId, peers: readonly NodeId[]): void {
  for (const name of numberNames) {
    const value = options[name];
    requireThat(
      value === undefined || Number.isFinite(value),
      `${name} must be a number, got ${String(value)}`,
    );
  }
  try {
    resolveRaftOptions({ ...numbersOf(options), id, peers, ...placeholders });
  } catch (error) {
    if (!(error instanceof InvalidOptionError)) throw error;
    throw new InvalidOptionError(error.message.replaceAll('electionTimeoutMinMs', 'electionTimeoutMs'));
  }
}

/** The numbers under the core's names. */
export function numbersOf(options: CommonOptions): CoreNumbers {
  const { heartbeatMs, electionTimeoutMs, leaseMs, driftBound, rankStepMs, logBytesMax } = options;
  return {
    heartbeatMs,
    electionTimeoutMinMs: electionTimeoutMs,
    leaseMs,
    driftBound,
    rankStepMs,
    logBytesMax,
  };
}
