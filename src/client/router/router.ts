import type { Buffer } from 'node:buffer';
import type { ClientId } from '../../base/ids.ts';
import type { Clock } from '../../ports/clock.ts';
import type { Logger } from '../../ports/logger.ts';
import type { Random } from '../../ports/random.ts';
import type { ShardDirectory } from '../../sharding/shard-directory.ts';
import type { OpenNodeChannel, Origin, RouteExplanation, RouterEvents, RouterStatus } from './types.ts';

export interface RouterDeps {
  readonly directory: ShardDirectory;
  readonly openNode: OpenNodeChannel;
  /** Of its own links; what the router itself asks goes under this id. */
  readonly clientId: ClientId;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  readonly events: RouterEvents;
}

/** Finds shard and leader of each frame, holds what cannot be sent now, and sends again what may have been lost. */
export class Router {
  readonly #deps: RouterDeps;

  constructor(deps: RouterDeps) {
    this.#deps = deps;
  }

  /** The map in force. */
  get directory(): ShardDirectory {
    return this.#deps.directory;
  }

  /** Dials every node of every shard. */
  start(): void {}

  /** Takes one frame: its header is patched in place from now on. What cannot be routed is refused through `origin`. */
  submit(_frame: Buffer, _origin: Origin): void {}

  /** The client is gone: what was not sent of it is forgotten, the rest runs to its end in silence; answers of `attach` still come. */
  drop(_origin: Origin): void {}

  /**
   * Puts another map in force: checks it, has the groups change hands what changes hands, then swaps it whole.
   *
   * @throws ShardFileError, BucketInUseError, ConflictingMapError, ReloadInProgressError; then nothing has changed.
   */
  reload(_next: ShardDirectory): Promise<void> {
    return Promise.resolve();
  }

  /** Has the groups own what the map in force says; tries until it is done or refused for good. Needs `admin`. */
  claim(): Promise<void> {
    return Promise.resolve();
  }

  /** @throws InvalidArgumentError for what is no key, or a queue of no namespace. */
  explain(queueOrNamespace: string, key: string): RouteExplanation {
    throw new Error(`not yet: ${queueOrNamespace} ${key}`);
  }

  status(): RouterStatus {
    return { mapVersion: this.directory.version, reloading: false, claimed: false, shards: [] };
  }

  /** Closes every link. What waits is answered: refused if it was never sent, unknown otherwise. */
  close(): void {}
}
