import { ShardFileError } from '../base/errors.ts';
import { assembleProxy } from '../proxy/assemble-proxy.ts';
import type { RaftsmanProxy } from '../proxy/proxy.ts';
import type { Prng } from './prng.ts';
import { proxySecret, shardAccounts } from './shard-node.ts';
import { addressOf, traceLogger } from './simulated-cluster.ts';
import { SimulatedHost } from './simulated-process.ts';
import type { Stage } from './stage.ts';

const startAgainMs = 300;

/** A machine with a proxy on it. It has no disk but for its shard file, and is started again with that. */
export class SimulatedProxy {
  readonly name: string;
  readonly address: string;
  readonly host: SimulatedHost;
  /** What its shard file says; read when the proxy starts and when it is told to reload. */
  file: string;
  #proxy: RaftsmanProxy | undefined;
  readonly #stage: Stage;
  readonly #random: Prng;

  constructor(stage: Stage, random: Prng, name: string, file: string) {
    this.#stage = stage;
    this.#random = random;
    this.name = name;
    this.address = addressOf(name);
    this.file = file;
    this.host = new SimulatedHost(stage.world, name, random.fork('host'));
    stage.network.addSilence((host) => host === name && !this.host.isUp);
  }

  /** The proxy while its process runs. */
  get proxy(): RaftsmanProxy | undefined {
    return this.#proxy;
  }

  get isUp(): boolean {
    return this.host.process !== undefined;
  }

  /** Names the process that runs, for checkers. */
  get life(): string {
    return `${this.name}/${this.host.process?.life ?? 0}`;
  }

  start(): void {
    if (this.isUp) return;
    const process = this.host.boot(this.#random.fork('boots'), (error) => this.#crashed(error));
    const { world, network } = this.#stage;
    world.note(`${this.name} starts (process ${process.life})`);
    const readText = (): Promise<string> => Promise.resolve(this.file);
    assembleProxy(
      { name: this.name, shards: { file: this.name }, secret: proxySecret, clients: shardAccounts },
      {
        transport: network.transport(process, this.address),
        clock: process,
        random: process.random,
        logger: traceLogger(world, this.name),
        readText,
      },
    ).then(
      (proxy) => {
        if (process.isAlive) this.#proxy = proxy;
      },
      (error: unknown) => {
        if (!process.isAlive) return;
        if (error instanceof ShardFileError) this.#exited(error);
        else this.#crashed(error);
      },
    );
  }

  kill(): void {
    if (!this.isUp) return;
    this.#stage.world.note(`${this.name} is killed`);
    this.#end();
  }

  powerOff(): void {
    if (!this.isUp) return;
    this.#stage.world.note(`${this.name} loses power`);
    this.host.isUp = false;
    this.#end();
  }

  #end(): void {
    this.#proxy = undefined;
    this.host.wake();
    this.host.process?.die();
  }

  /** A proxy without a map that can be read says so and ends; whoever watches it starts it again. */
  #exited(error: ShardFileError): void {
    const { world, coverage } = this.#stage;
    world.note(`${this.name} does not start: ${error.message}`);
    coverage.count('start refused for its file');
    this.#end();
    world.after(startAgainMs, () => this.start());
  }

  #crashed(error: unknown): void {
    this.#stage.world.note(`${this.name} crashes: ${error instanceof Error ? error.stack : String(error)}`);
    this.#end();
    this.#stage.crashed(this.name, error);
  }
}
