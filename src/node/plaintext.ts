import { checkExposure, checkListenPath, exposedAddress, exposedHost } from '../base/exposure.ts';
import type { NodeId } from '../base/ids.ts';
import { checkKeys, requireThat, textOf } from '../base/option-checks.ts';
import type { ListenOption } from './start-options.ts';

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
  const exposedPeers = [...peers].flatMap(([id, address]) => exposedAddress(`peers.${id}`, address));
  checkExposure([...exposedByListen(listen), ...exposedPeers], plaintext);
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
    checkListenPath(listen.path);
    return [];
  }
  checkKeys('listen.', listen, ['host', 'port']);
  const host = textOf('listen.host', listen.host);
  const { port } = listen;
  requireThat(
    Number.isInteger(port) && port >= 1 && port <= 65_535,
    `listen.port must be a whole number from 1 to 65535, got ${port}`,
  );
  return exposedHost('listen.host', host);
}
