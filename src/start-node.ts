import type { Server } from 'node:http';
import { join } from 'node:path';
import { pino } from 'pino';
import type { OpenEscrow } from './client/escrows.ts';
import { type CommonOptions, numbersOf, resolveStartOptions } from './node/start-options.ts';
import type { Logger } from './ports/logger.ts';
import type { Transport } from './ports/transport.ts';
import type { HandleUpgrade } from './service/assemble-node.ts';
import { assembleNode, type RaftsmanNode } from './service/assemble-node.ts';
import { FileEscrow } from './storage/file/file-escrow.ts';
import { FileStorage } from './storage/file/file-storage.ts';
import { SystemClock } from './system/system-clock.ts';
import { SystemRandom } from './system/system-random.ts';
import { WebSocketTransport } from './transport/websocket/websocket-transport.ts';

/**
 * Where links are accepted: on a port of its own, on a server of yours (never closed by raftsman), or nowhere (`false`), and you
 * call `node.handleUpgrade(request, socket, head)`.
 */
export type ListenOptions =
  | { readonly host: string; readonly port: number }
  | { readonly server: Server; readonly path: string }
  | false;

/** Everything a node is started with; docs/reference/api.md has the table. */
export interface StartNodeOptions extends CommonOptions {
  /** Not needed with a `transport` of your own. */
  readonly listen?: ListenOptions | undefined;
}

/**
 * Starts one member of a cluster. Resolves when the disk is read and the port listens; does not wait for a quorum.
 *
 * @throws InvalidOptionError before anything is opened or written; DirectoryLockedError, DirectoryMismatchError, LogCorruptError,
 * StorageFailedError; the transport's own error when it cannot listen.
 */
export async function startNode(options: StartNodeOptions): Promise<RaftsmanNode> {
  const { warnings, ...config } = resolveStartOptions(options);
  const numbers = numbersOf(options);
  const logger = options.logger ?? logOf(config.id);
  for (const warning of warnings) logger.warn({}, warning);
  const { transport, handleUpgrade } = transportOf(options, logger);
  return (
    await assembleNode(
      { ...config, numbers },
      {
        transport,
        handleUpgrade,
        openEscrow: escrowsIn(options.dataDir),
        storage: options.storage ?? new FileStorage({ directory: options.dataDir ?? '' }),
        clock: options.clock ?? new SystemClock(),
        random: options.random ?? new SystemRandom(),
        logger,
      },
    )
  ).node;
}

/** Beside the log, in the node's own directory. */
function escrowsIn(dataDir: string | undefined): OpenEscrow | undefined {
  if (dataDir === undefined) return undefined;
  const directory = join(dataDir, 'escrow');
  return (workerId) => Promise.resolve(new FileEscrow({ directory, workerId }));
}

/** Warnings and errors, to standard error: the application's own output stays its own. */
function logOf(id: string): Logger {
  return pino(
    { name: 'raftsman', level: 'warn', base: { node: id } },
    pino.destination({ dest: 2, sync: true }),
  );
}

function transportOf(
  { transport, listen = false }: StartNodeOptions,
  logger: Logger,
): { readonly transport: Transport; readonly handleUpgrade: HandleUpgrade | undefined } {
  if (transport !== undefined) return { transport, handleUpgrade: undefined };
  const webSockets = new WebSocketTransport({ listen, logger });
  const handleUpgrade: HandleUpgrade = (request, socket, head) =>
    webSockets.handleUpgrade(request, socket, head);
  return { transport: webSockets, handleUpgrade };
}
