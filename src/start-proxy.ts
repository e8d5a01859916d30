import { pino } from 'pino';
import type { Logger } from './ports/logger.ts';
import { assembleProxy, type ProxyPorts } from './proxy/assemble-proxy.ts';
import type { RaftsmanProxy } from './proxy/proxy.ts';
import { type CommonProxyOptions, resolveProxyOptions } from './proxy/proxy-options.ts';
import type { ListenOptions } from './start-node.ts';
import { readTextFile, WatchedFile } from './storage/file/watched-file.ts';
import { SystemClock } from './system/system-clock.ts';
import { SystemRandom } from './system/system-random.ts';
import { WebSocketTransport } from './transport/websocket/websocket-transport.ts';

/** Everything a proxy is started with; docs/reference/proxy.md has the table. */
export interface StartProxyOptions extends CommonProxyOptions {
  /** Not needed with a `transport` of your own. Port 0 takes any that is free. */
  readonly listen?: ListenOptions | undefined;
}

/**
 * Starts a proxy. Resolves when the map of shards is read and the port listens; does not wait for a node. It keeps nothing on disk:
 * start as many as you like.
 *
 * @throws InvalidOptionError and ShardFileError before anything is opened; the transport's own error when it cannot listen.
 */
export async function startProxy(options: StartProxyOptions): Promise<RaftsmanProxy> {
  const config = resolveProxyOptions(options);
  const logger = options.logger ?? logOf(config.name);
  const clock = options.clock ?? new SystemClock();
  const { watch = true } = options;
  return assembleProxy(config, {
    ...transportsOf(options, logger),
    clock,
    random: options.random ?? new SystemRandom(),
    logger,
    readText: readTextFile,
    watchFile: watch
      ? (path, onChange) => {
          const file = new WatchedFile(path, clock, onChange);
          file.start();
          return () => file.close();
        }
      : undefined,
  });
}

function transportsOf(
  { transport, listen = false }: StartProxyOptions,
  logger: Logger,
): Pick<ProxyPorts, 'transport' | 'nodes' | 'offerUpgrade'> {
  if (transport !== undefined) return { transport };
  const clients = new WebSocketTransport({ listen, logger });
  return {
    transport: clients,
    nodes: new WebSocketTransport({ listen: false, logger }),
    offerUpgrade: (request, socket, head) => clients.handleUpgrade(request, socket, head),
  };
}

/** Warnings and errors, to standard error: the application's own output stays its own. */
function logOf(name: string): Logger {
  return pino(
    { name: 'raftsman', level: 'warn', base: { proxy: name } },
    pino.destination({ dest: 2, sync: true }),
  );
}
