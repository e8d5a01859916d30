import { pino } from 'pino';
import { connectOver } from './client/connect.ts';
import type { ShardFilePort } from './client/connect-shards.ts';
import type { OpenEscrow } from './client/escrows.ts';
import type { ConnectOptions, QueueClient } from './client/types.ts';
import type { Clock } from './ports/clock.ts';
import { FileEscrow } from './storage/file/file-escrow.ts';
import { readTextFile, WatchedFile } from './storage/file/watched-file.ts';
import { SystemClock } from './system/system-clock.ts';
import { SystemRandom } from './system/system-random.ts';
import { WebSocketTransport } from './transport/websocket/websocket-transport.ts';

/**
 * Connects to a cluster, to proxies, or to shards without a proxy, over WebSockets. Resolves when a node or proxy has accepted the
 * secret; does not wait for a leader. A lost link is replaced by another one behind the scenes, and requests that were under way
 * go on under the same ids.
 *
 * @throws InvalidOptionError; HandshakeRefusedError if a node refuses the secret; ShardFileError if the shard file is bad; another
 * Error if no node was reached within `timeoutMs`; `signal.reason`.
 */
export function connect(options: ConnectOptions): Promise<QueueClient> {
  const logger = pino({ name: 'raftsman', level: 'warn' }, pino.destination({ dest: 2, sync: true }));
  const transport = new WebSocketTransport({ listen: false, logger });
  const clock = new SystemClock();
  const ports = { transport, clock, random: new SystemRandom(), logger, shardFile: shardFiles(clock) };
  return connectOver({ ...ports, openEscrow: escrowsIn(options.escrowDir) }, options);
}

function shardFiles(clock: Clock): ShardFilePort {
  return {
    read: readTextFile,
    watch: (path, onChange) => {
      const watched = new WatchedFile(path, clock, onChange);
      watched.start();
      return () => watched.close();
    },
  };
}

function escrowsIn(directory: string | undefined): OpenEscrow | undefined {
  if (directory === undefined) return undefined;
  return (workerId) => Promise.resolve(new FileEscrow({ directory, workerId }));
}
