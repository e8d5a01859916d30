import type { BootId, Incarnation, NodeId } from '../base/ids.ts';
import type { Clock } from '../ports/clock.ts';
import type { Logger } from '../ports/logger.ts';
import type { Random } from '../ports/random.ts';
import type { Transport } from '../ports/transport.ts';
import type { ClientAccount } from './keyring.ts';

/** Everything a mesh is made of; complete. */
export interface MeshOptions {
  readonly id: NodeId;
  /** The configured name of the cluster; links of another are refused. */
  readonly cluster: string;
  readonly incarnation: Incarnation;
  readonly bootId: BootId;
  /** The address book: all configured members, this node included (its own address is never dialled). */
  readonly peers: ReadonlyMap<NodeId, string>;
  /** Shared by the members; the first is sent, all are accepted. */
  readonly secrets: readonly string[];
  readonly clients: readonly ClientAccount[];
  readonly heartbeatMs: number;
  readonly transport: Transport;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
}
