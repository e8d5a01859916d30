import { type ClientPorts, connectOver } from '../client/connect.ts';
import type { QueueClient } from '../client/types.ts';
import type { Prng } from './prng.ts';
import { SimulatedEscrow } from './simulated-escrow.ts';
import type { SimulatedNetwork } from './simulated-network.ts';
import { SimulatedHost, type SimulatedProcess } from './simulated-process.ts';
import type { World } from './world.ts';

/** What a program does once its client is connected; it ends when its process does. */
export type Program = (client: QueueClient, process: SimulatedProcess) => void;

/** Connects the program of one process. */
export type Connect = (ports: ClientPorts, process: SimulatedProcess) => Promise<QueueClient>;

export interface SimulatedClientOptions {
  readonly world: World;
  readonly network: SimulatedNetwork;
  readonly random: Prng;
  readonly name: string;
  /** The entry of `clients` on the nodes, and its secret. */
  readonly account: string;
  readonly secret: string;
  readonly endpoints: readonly string[];
  /** How it connects; to one of the endpoints unless given. */
  readonly connect?: Connect | undefined;
  readonly program: Program;
  readonly onCrash: (name: string, error: unknown) => void;
}

const connectAgainMs = 500;
/** How long an answer may take. */
export const clientTimeoutMs = 3_000;

/** A machine with a program on it that uses the real client; it is killed and started again with what its disk has. */
export class SimulatedClient {
  readonly name: string;
  readonly host: SimulatedHost;
  readonly escrow: SimulatedEscrow = new SimulatedEscrow();
  readonly #options: SimulatedClientOptions;

  constructor(options: SimulatedClientOptions) {
    this.#options = options;
    this.name = options.name;
    this.host = new SimulatedHost(options.world, options.name, options.random.fork('host'));
  }

  get isUp(): boolean {
    return this.host.process !== undefined;
  }

  start(): void {
    if (this.isUp) return;
    const { random, world, onCrash } = this.#options;
    const process = this.host.boot(random.fork('boots'), (error) => {
      world.note(`${this.name} crashes: ${error instanceof Error ? error.stack : String(error)}`);
      this.kill();
      onCrash(this.name, error);
    });
    world.note(`${this.name} starts (process ${process.life})`);
    this.#connect(process);
  }

  kill(): void {
    if (!this.isUp) return;
    this.#options.world.note(`${this.name} is killed`);
    this.host.process?.die();
  }

  #connect(process: SimulatedProcess): void {
    const { network, account, secret, endpoints, program } = this.#options;
    const dial: Connect = (ports) =>
      connectOver(ports, { endpoints, name: account, secret, timeoutMs: clientTimeoutMs });
    const { connect = dial } = this.#options;
    const transport = network.transport(process, `sim://${this.name}/${process.life}`);
    const openEscrow = () => Promise.resolve(this.escrow.open(process));
    connect({ transport, clock: process, random: process.random, openEscrow }, process).then(
      (client) => process.execute(() => program(client, process)),
      (error: unknown) => {
        const why = error instanceof Error ? error.message : String(error);
        process.host.world.note(`${this.name} is not connected: ${why}`);
        process.after(connectAgainMs, () => this.#connect(process));
      },
    );
  }
}

export function sleep(process: SimulatedProcess, ms: number): Promise<void> {
  return new Promise((resolve) => process.after(ms, resolve));
}
