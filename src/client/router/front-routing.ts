import { ClosedError, ForbiddenError } from '../../base/errors.ts';
import type { ClientId } from '../../base/ids.ts';
import { createLocalLink } from '../../mesh/local-link.ts';
import type { Logger } from '../../ports/logger.ts';
import type { ShardDirectory } from '../../sharding/shard-directory.ts';
import type { OpenChannel } from '../connection.ts';
import { Front } from './front.ts';
import { type NodeDialOptions, nodeDial } from './front-dial.ts';
import { Router } from './router.ts';
import { shardTableOf } from './shard-table.ts';
import type { RouteExplanation, RouterProblem } from './types.ts';

export interface RoutingOptions extends NodeDialOptions {
  readonly directory: ShardDirectory;
  readonly logger: Logger;
  /** Told once per shard and kind until it is over; it is logged in any case. */
  readonly onProblem?: ((problem: RouterProblem) => void) | undefined;
}

/** A router and the front before it. */
export interface RoutingPair {
  readonly clientId: ClientId;
  readonly router: Router;
  readonly front: Front;
}

/** All of the routing: the same in a proxy and in a client of its own. */
export class Routing {
  readonly #options: RoutingOptions;
  #directory: ShardDirectory;
  #pair: RoutingPair | undefined;
  #isClosed = false;

  constructor(options: RoutingOptions) {
    this.#options = options;
    this.#directory = options.directory;
  }

  /**
   * Dials the nodes in the name of `clientId`. Nodes tell routers apart by that name, and one that speaks for itself alone may name no
   * other: under a new id all links are made anew.
   */
  open(clientId: ClientId): RoutingPair {
    if (this.#isClosed) throw new ClosedError('the routing is closed');
    if (this.#pair?.clientId === clientId) return this.#pair;
    this.#end();
    this.#pair = this.#start(clientId);
    return this.#pair;
  }

  /** For a client in this process: a channel without a socket. */
  readonly openChannel: OpenChannel = async ({ client }) => {
    const { link, channel } = createLocalLink(client);
    this.open(client).front.clientUp(link);
    return channel;
  };

  /** The map in force. */
  get directory(): ShardDirectory {
    return this.#pair?.router.directory ?? this.#directory;
  }

  /** Where a key goes, and why. @throws InvalidArgumentError for what is no key. */
  explain(queue: string, key: string): RouteExplanation {
    return this.#opened().router.explain(queue, key);
  }

  /** Puts another map in force; see Router.reload. */
  async reload(next: ShardDirectory): Promise<void> {
    await this.#opened().router.reload(next);
  }

  /** Clients are sent elsewhere, then the links to the nodes are closed. */
  close(): void {
    this.#isClosed = true;
    this.#end();
  }

  #opened(): RoutingPair {
    if (this.#pair !== undefined) return this.#pair;
    throw new ClosedError(this.#isClosed ? 'the routing is closed' : 'no link was opened yet');
  }

  #start(clientId: ClientId): RoutingPair {
    const { clock, random, logger } = this.#options;
    const router: Router = new Router({
      directory: this.#directory,
      openNode: nodeDial(this.#options, clientId),
      clientId,
      clock,
      random,
      logger,
      events: {
        push: (frame) => front.onPush(frame),
        leader: (shard) => front.onLeader(shard),
        mapChanged: () => front.onMapChanged(),
        problem: (problem) => this.#onProblem(problem),
        problemOver: ({ kind, shard, address }) =>
          logger.info({ kind, shard, address }, 'a problem of a shard is over'),
      },
    });
    const front: Front = new Front({
      router: {
        submit: (frame, origin) => router.submit(frame, origin),
        drop: (origin) => router.drop(origin),
        table: () => shardTableOf(router.directory),
      },
      clientId,
      clock,
      logger,
      onForbidden: (shard, message) => this.#onForbidden(shard, message),
    });
    router.start();
    void claim(router, logger);
    return { clientId, router, front };
  }

  #end(): void {
    const pair = this.#pair;
    if (pair === undefined) return;
    this.#pair = undefined;
    this.#directory = pair.router.directory;
    pair.front.close();
    pair.router.close();
  }

  #onForbidden(number: number, why: string): void {
    const shard = this.directory.shardNumbered(number)?.name ?? '';
    const message = `the nodes refuse what this router's account asks: ${why}; give the account that permission there`;
    this.#onProblem({ kind: 'forbidden', shard, address: undefined, message });
  }

  #onProblem(problem: RouterProblem): void {
    this.#options.logger.warn({ ...problem }, 'a shard has a problem');
    this.#options.onProblem?.(problem);
  }
}

/** Groups are told what they own by whoever may: an account without `admin` leaves that to others. */
async function claim(router: Router, logger: Logger): Promise<void> {
  try {
    await router.claim();
  } catch (error) {
    if (error instanceof ClosedError) return;
    const why = error instanceof Error ? error.message : String(error);
    if (error instanceof ForbiddenError)
      logger.debug({ why }, 'this account may not tell groups what they own');
    else logger.error({ why }, 'a group does not take what the map of shards gives it');
  }
}

/** @see Routing */
export function createRouting(options: RoutingOptions): Routing {
  return new Routing(options);
}
