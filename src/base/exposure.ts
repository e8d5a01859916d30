import { InvalidOptionError } from './errors.ts';
import { requireThat, textOf } from './option-checks.ts';

/** What `plaintext` must say before anything leaves the machine unencrypted. */
export const trustedNetwork = 'i-trust-this-network';

/**
 * Nothing leaves the machine in plain text unless that was asked for by name.
 *
 * @param exposed - what is beyond loopback, in words.
 * @throws InvalidOptionError
 */
export function checkExposure(exposed: readonly string[], plaintext: string | undefined): void {
  requireThat(
    plaintext === undefined || plaintext === trustedNetwork,
    `plaintext must be "${trustedNetwork}" or left out, got "${plaintext}"`,
  );
  if (exposed.length === 0 || plaintext === trustedNetwork) return;
  throw new InvalidOptionError(
    `${exposed.join(', ')} is beyond loopback, and links are not encrypted (tls is not available yet): say plaintext: "${trustedNetwork}" if you do, or terminate TLS in a server of your own ({ server, path } and wss:// addresses)`,
  );
}

/** @returns a listening host in words if others can reach it, else nothing. */
export function exposedHost(option: string, host: string): readonly string[] {
  return isLoopback(host) ? [] : [`${option} ${host}`];
}

/**
 * @returns an address that is dialled in words if what is sent there leaves the machine in plain text, else nothing.
 * @throws InvalidOptionError unless it is ws://host:port or wss://host:port.
 */
export function exposedAddress(option: string, address: string): readonly string[] {
  const url = urlOf(option, address);
  return url.protocol === 'wss:' || isLoopback(url.hostname) ? [] : [`${option} ${address}`];
}

/** @throws InvalidOptionError unless the path of a server's own can be listened on. */
export function checkListenPath(path: unknown): void {
  requireThat(textOf('listen.path', path).startsWith('/'), 'listen.path must start with /');
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
