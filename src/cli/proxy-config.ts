import { dirname, resolve } from 'node:path';
import { InvalidOptionError } from '../base/errors.ts';
import { checkKeys, requireThat, textOf } from '../base/option-checks.ts';
import type { ClientOptions } from '../mesh/account-options.ts';
import type { Permission } from '../mesh/types.ts';
import type { AccessOptions } from '../proxy/proxy-options.ts';
import { readJson } from '../sharding/json-text.ts';
import type { StartProxyOptions } from '../start-proxy.ts';

/** Where a configuration's secrets come from. */
export interface SecretSources {
  /** @throws an Error that names the file, never its contents. */
  readonly readSecretFile: (path: string) => Promise<string>;
  readonly env: Readonly<Record<string, string | undefined>>;
}

/** What `raftsman proxy --config` reads; docs/reference/proxy.md has the table. */
export interface ProxyConfigFile {
  readonly listen: { readonly host: string; readonly port: number };
  /** Path of the shard file. */
  readonly shards: string;
  readonly name: string;
  readonly secretFile?: string;
  readonly secretEnv?: string;
  readonly clients: Readonly<Record<string, ProxyConfigClient>>;
  readonly watch?: boolean;
  readonly plaintext?: 'i-trust-this-network';
}

/** One account of a configuration file. */
export interface ProxyConfigClient {
  readonly secretFile?: string;
  readonly secretEnv?: string;
  readonly may: readonly Permission[];
}

const keys = ['listen', 'shards', 'name', 'secretFile', 'secretEnv', 'clients', 'watch', 'plaintext'];

/**
 * The options that a configuration file stands for. Paths in it are read from its own directory. What `startProxy` checks is left to it.
 *
 * @throws InvalidOptionError naming what is wrong; an Error for a secret file that cannot be used.
 */
export async function readProxyConfig(
  text: string,
  path: string,
  sources: SecretSources,
): Promise<StartProxyOptions> {
  const file = parse(text);
  const at = besides(path);
  const { listen, clients, watch } = file;
  requireThat(isObject(clients), 'clients must be an object of accounts by name');
  requireThat(listen === undefined || isObject(listen), 'listen must be { host, port }');
  const accounts: [string, ClientOptions][] = [];
  for (const [account, client] of Object.entries(clients)) {
    const option = `clients.${account}`;
    requireThat(isObject(client), `${option} must be { secretFile or secretEnv, may }`);
    checkKeys(`${option}.`, client, ['secretFile', 'secretEnv', 'may']);
    accounts.push([account, { secret: await secretOf(`${option}.`, client, at, sources), may: client.may }]);
  }
  return { listen, ...(await accessOf(file, at, sources)), clients: Object.fromEntries(accounts), watch };
}

/** The shard file and the secret of the same configuration; the secrets of its clients are not read. @throws as `readProxyConfig`. */
export async function readAccess(text: string, path: string, sources: SecretSources): Promise<AccessOptions> {
  return accessOf(parse(text), besides(path), sources);
}

async function accessOf(
  file: ProxyConfigFile,
  at: (name: string) => string,
  sources: SecretSources,
): Promise<AccessOptions> {
  const { name, plaintext } = file;
  const shards = { file: at(textOf('shards', file.shards)) };
  return { name, shards, secret: await secretOf('', file, at, sources), plaintext };
}

function besides(path: string): (name: string) => string {
  return (name) => resolve(dirname(path), name);
}

/** Values are checked by `startProxy`, as those of every caller. */
function parse(text: string): ProxyConfigFile {
  const read = readJson(text.replace(/^\uFEFF/, ''));
  if ('fault' in read) {
    const { line, column, message } = read.fault;
    throw new InvalidOptionError(`line ${line}, column ${column}: not JSON: ${message}`);
  }
  const [twice] = read.twice;
  if (twice !== undefined)
    throw new InvalidOptionError(`line ${twice.line}, column ${twice.column}: ${twice.message}`);
  const value: ProxyConfigFile = JSON.parse(text.replace(/^\uFEFF/, ''));
  requireThat(isObject(value), 'the file must hold one object');
  checkKeys('', value, keys);
  return value;
}

async function secretOf(
  prefix: string,
  given: { readonly secretFile?: string; readonly secretEnv?: string },
  at: (name: string) => string,
  { readSecretFile, env }: SecretSources,
): Promise<string> {
  const { secretFile, secretEnv } = given;
  requireThat(
    (secretFile === undefined) !== (secretEnv === undefined),
    `${prefix}secretFile or ${prefix}secretEnv must be given, one of the two; a secret never stands in the file itself`,
  );
  if (secretFile !== undefined) return readSecretFile(at(textOf(`${prefix}secretFile`, secretFile)));
  const name = textOf(`${prefix}secretEnv`, secretEnv);
  const secret = env[name];
  requireThat(secret !== undefined && secret !== '', `${prefix}secretEnv names ${name}, which is not set`);
  return secret;
}

function isObject(value: unknown): value is object {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
