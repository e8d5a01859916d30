import { connectOver } from '../client/connect.ts';
import type { QueueClient } from '../client/types.ts';
import type { MapHolder } from './map-author.ts';
import { programName, programSecret } from './shard-node.ts';
import {
  type Connect,
  clientTimeoutMs,
  SimulatedClient,
  type SimulatedClientOptions,
} from './simulated-client.ts';
import { traceLogger } from './simulated-cluster.ts';

type RoutingClientOptions = Omit<SimulatedClientOptions, 'endpoints' | 'connect' | 'account' | 'secret'>;

/** A program that routes for itself: the same front and router as in a proxy, inside its process. */
export class RoutingClient implements MapHolder {
  readonly client: SimulatedClient;
  file: string;
  #connected: QueueClient | undefined;

  constructor(options: RoutingClientOptions, file: string) {
    this.file = file;
    const connect: Connect = async (ports, process) => {
      const { file: map } = this;
      const shards = { map };
      const names = { name: programName, secret: programSecret, timeoutMs: clientTimeoutMs };
      const logger = traceLogger(options.world, options.name);
      const client = await connectOver({ ...ports, logger }, { shards, ...names });
      this.#connected = client;
      process.onDeath(() => {
        if (this.#connected === client) this.#connected = undefined;
      });
      return client;
    };
    this.client = new SimulatedClient({
      ...options,
      account: programName,
      secret: programSecret,
      endpoints: [],
      connect,
    });
  }

  get name(): string {
    return this.client.name;
  }

  get process(): MapHolder['process'] {
    return this.#connected === undefined ? undefined : this.client.host.process;
  }

  async reload(): Promise<void> {
    await this.#connected?.reload(this.file);
  }
}
