import { InvalidOptionError } from '../base/errors.ts';
import type { NodeId } from '../base/ids.ts';
import { checkKeys, requireThat, textOf } from './option-checks.ts';
import type { ListenOption } from './start-options.ts';

const trusted = 'i-trust-this-network';

/**
 * Checks where this node listens and what it dials, and that nothing leaves the machine in plain text unless that was asked for
 * by name.
 *
 * @throws InvalidOptionError
 */
export function checkNetwork(
  listen: ListenOption | undefined,
  peers: ReadonlyMap<NodeId, string>,
  plaintext: string | undefined,
): void {
  requireThat(
    plaintext === undefined || plaintext === trusted,
    `plaintext must be "${trusted}" or left out, got "${plaintext}"`,
  );
  const exposed = [...exposedByListen(listen), ...exposedByPeers(peers)];
  if (exposed.length === 0 || plaintext === trusted) return;
  throw new InvalidOptionError(
    `${exposed.join(', ')} is beyond loopback, and links are not encrypted (tls is not available yet): say plaintext: "${trusted}" if you do, or terminate TLS in a server of your own ({ server, path } and wss:// addresses)`,
  );
}

function exposedByListen(listen: ListenOption | undefined): readonly string[] {
  requireThat(listen !== undefined, 'listen is missing: { host, port }, { server, path } or false');
  if (listen === false) return [];
  requireThat(
    typeof listen === 'object' && listen !== null,
    'listen must be { host, port }, { server, path } or false',
  );
  if ('server' in listen) {
    checkKeys('listen.', listen, ['server', 'path']);
    requireThat(
      typeof listen.server === 'object' && listen.server !== null,
      'listen.server must be an HTTP server',
    );
    requireThat(textOf('listen.path', listen.path).startsWith('/'), 'listen.path must start with /');
    return [];
  }
  checkKeys('listen.', listen, ['host', 'port']);
  const host = textOf('listen.host', listen.host);
  const { port } = listen;
  requireThat(
    Number.isInteger(port) && port >= 1 && port <= 65_535,
    `listen.port must be a whole number from 1 to 65535, got ${port}`,
  );
  return isLoopback(host) ? [] : [`listen.host ${host}`];
}

function exposedByPeers(peers: ReadonlyMap<NodeId, string>): readonly string[] {
  return [...peers].flatMap(([id, address]) => {
    const url = urlOf(`peers.${id}`, address);
    return url.protocol === 'wss:' || isLoopback(url.hostname) ? [] : [`peers.${id} ${address}`];
  });
}

function urlOf(option: string, address: string): URL {
  const url = URL.canParse(address) ? new URL(address) : undefined;
  if (url === undefined || (url.protocol !== 'ws:' && url.protocol !== 'wss:') || url.hostname === '') {
    throw new InvalidOptionError(`${option} must be ws://host:port or wss://host:port, got ${address}`);
  }
  requireThat(url.port !== '0', `${option} must name a port that can be dialled, got ${address}`);
  requireThat(
    url.hash === '' && url.username === '' && url.password === '',
    `${option} must hold no user and no fragment`,
  );
  return url;
}

function isLoopback(host: string): boolean {
  const name = host.toLowerCase().replace(/^\[|\]$/g, '');
  return name === 'localhost' || name === '::1' || /^127(?:\.\d{1,3}){3}$/.test(name);
}
