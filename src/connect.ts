import { pino } from 'pino';
import { connectOver } from './client/connect.ts';
import type { OpenEscrow } from './client/escrows.ts';
import type { ConnectOptions, QueueClient } from './client/types.ts';
import { FileEscrow } from './storage/file/file-escrow.ts';
import { SystemClock } from './system/system-clock.ts';
import { SystemRandom } from './system/system-random.ts';
import { WebSocketTransport } from './transport/websocket/websocket-transport.ts';

/**
 * Connects to a cluster over WebSockets. Resolves when a node has accepted the secret; does not wait for a leader. A lost link is
 * replaced by another one behind the scenes, and requests that were under way go on under the same ids.
 *
 * @throws HandshakeRefusedError if a node refuses the secret; another Error if no node was reached within `timeoutMs`;
 * `signal.reason`.
 */
export function connect(options: ConnectOptions): Promise<QueueClient> {
  const logger = pino({ name: 'raftsman', level: 'warn' }, pino.destination({ dest: 2, sync: true }));
  const transport = new WebSocketTransport({ listen: false, logger });
  const ports = { transport, clock: new SystemClock(), random: new SystemRandom() };
  return connectOver({ ...ports, openEscrow: escrowsIn(options.escrowDir) }, options);
}

function escrowsIn(directory: string | undefined): OpenEscrow | undefined {
  if (directory === undefined) return undefined;
  return (workerId) => Promise.resolve(new FileEscrow({ directory, workerId }));
}
