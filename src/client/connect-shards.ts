import {
  HandshakeRefusedError,
  InvalidArgumentError,
  InvalidOptionError,
  ReloadInProgressError,
} from '../base/errors.ts';
import type { ShardDirectory } from '../sharding/shard-directory.ts';
import { parseShardFile } from '../sharding/shard-file.ts';
import type { ClientPorts } from './connect.ts';
import type { OpenChannel } from './connection.ts';
import type { LocalRouting } from './create-client.ts';
import { createRouting, type Routing } from './router/front-routing.ts';
import type { RouteExplanation, RouterProblem } from './router/types.ts';
import type { ConnectOptions, ShardsOption } from './types.ts';

/** Where a shard file is read, and how its changes are noticed. */
export interface ShardFilePort {
  read(path: string): Promise<string>;
  /** @returns how to stop it. */
  watch(path: string, onChange: () => void): () => void;
}

const lookEveryMs = 20;

/** The routing of one client: a router of its own, fed by a shard file that may change. */
export class OwnRouting implements LocalRouting {
  readonly #ports: ClientPorts;
  readonly #shards: ShardsOption;
  readonly #routing: Routing;
  #text: string;
  #stopWatch: () => void = () => {};
  #reloadCount = 0;
  /** The file changed while a reload was under way. */
  #isStale = false;
  #isClosed = false;
  /** The last that a person should know; a wrong secret is hopeless as long as no node took it. */
  #problem: RouterProblem | undefined;
  #isReached: () => boolean = () => false;

  constructor(ports: ClientPorts, options: ConnectOptions, shards: ShardsOption, text: string) {
    const { transport, clock, random, logger } = ports;
    if (logger === undefined) throw new InvalidOptionError('shards need a logger');
    this.#ports = ports;
    this.#shards = shards;
    this.#text = text;
    this.#routing = createRouting({
      directory: this.#parse(text),
      transport,
      clock,
      random,
      logger,
      name: options.name,
      secret: options.secret,
      onProblem: (problem) => {
        this.#problem = problem;
      },
    });
    if ('file' in shards) this.#watch(shards.file);
  }

  /** @throws ShardFileError, or what the system says of the file. */
  static async open(ports: ClientPorts, options: ConnectOptions, shards: ShardsOption): Promise<OwnRouting> {
    return new OwnRouting(ports, options, shards, await readMap(ports, shards));
  }

  readonly openChannel: OpenChannel = (options) => {
    const { router } = this.#routing.open(options.client);
    this.#isReached = () =>
      router.status().shards.some(({ nodes }) => nodes.some(({ connected }) => connected));
    return this.#routing.openChannel(options);
  };

  /** Resolves when some node has accepted the secret. @throws HandshakeRefusedError if one refuses it. */
  async reached(signal: AbortSignal): Promise<void> {
    while (!signal.aborted && !this.#isReached()) {
      const problem = this.#problem;
      if (problem?.kind === 'wrongSecret') throw new HandshakeRefusedError('wrongSecret', problem.message);
      await new Promise<void>((resolve) => void this.#ports.clock.after(lookEveryMs, resolve));
    }
  }

  /** Why no node was reached yet. */
  get problem(): string | undefined {
    return this.#problem?.message;
  }

  explain(queue: string, key: string): RouteExplanation {
    return this.#routing.explain(queue, key);
  }

  async reload(map: string | object | undefined): Promise<{ readonly version: number }> {
    if (map === undefined && !('file' in this.#shards))
      throw new InvalidArgumentError('this client has no shard file to read again: give it the map');
    await this.#reloading(async () =>
      this.#take(map === undefined ? await readMap(this.#ports, this.#shards) : textOf(map)),
    );
    return { version: this.#routing.directory.version };
  }

  close(): void {
    this.#isClosed = true;
    this.#stopWatch();
    this.#routing.close();
  }

  #parse(text: string): ShardDirectory {
    return parseShardFile(text, { isAddress: this.#ports.isAddress });
  }

  async #take(text: string): Promise<void> {
    await this.#routing.reload(this.#parse(text));
    this.#text = text;
  }

  /** A change of the file that comes meanwhile is followed afterwards. */
  async #reloading(work: () => Promise<void>): Promise<void> {
    this.#reloadCount++;
    try {
      await work();
    } finally {
      this.#reloadCount--;
      if (this.#reloadCount === 0) this.#catchUp();
    }
  }

  #catchUp(): void {
    const wasStale = this.#isStale;
    this.#isStale = false;
    if (wasStale) void this.#onChange();
  }

  /** The file was read before it was watched, and may have changed in between. */
  #watch(path: string): void {
    this.#stopWatch = this.#ports.shardFile?.watch(path, () => void this.#onChange()) ?? this.#stopWatch;
    void this.#onChange();
  }

  async #onChange(): Promise<void> {
    if (this.#reloadCount > 0) this.#isStale = true;
    else if (!this.#isClosed) await this.#reloading(() => this.#follow());
  }

  /** A bad file changes nothing and is reported, unless it is another one already. */
  async #follow(): Promise<void> {
    try {
      const text = await readMap(this.#ports, this.#shards);
      if (text !== this.#text && !this.#isClosed) await this.#take(text);
    } catch (error) {
      if (error instanceof ReloadInProgressError) this.#isStale = true;
      if (this.#isStale || this.#isClosed) return;
      const message = error instanceof Error ? error.message : String(error);
      this.#ports.logger?.warn({ error: message }, 'the shard file was not taken');
    }
  }
}

async function readMap(ports: ClientPorts, shards: ShardsOption): Promise<string> {
  if ('map' in shards) return textOf(shards.map);
  if (ports.shardFile === undefined) throw new InvalidOptionError('this client cannot read files');
  return ports.shardFile.read(shards.file);
}

function textOf(map: string | object): string {
  return typeof map === 'string' ? map : JSON.stringify(map);
}
