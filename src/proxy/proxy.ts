import type { Buffer } from 'node:buffer';
import type { IncomingMessage } from 'node:http';
import type { Duplex } from 'node:stream';
import { ClosedError, InvalidArgumentError } from '../base/errors.ts';
import type { Routing, RoutingPair } from '../client/router/front-routing.ts';
import type { RouteExplanation, ShardOwnership } from '../client/router/types.ts';
import type { ShardsOption } from '../client/types.ts';
import type { ClientListener } from '../mesh/accept-clients.ts';
import type { Announcer, ProxyListener } from './announcer.ts';
import { shardsOf } from './proxy-options.ts';
import type { Reloads } from './reloads.ts';
import type { ProxyEvents, ProxyReload, ProxyStatus } from './types.ts';

/** Offers an upgrade request of the application's own server; false when it is not for raftsman. */
export type OfferUpgrade = (request: IncomingMessage, socket: Duplex, head: Buffer) => boolean;

export interface ProxyParts {
  readonly name: string;
  readonly routing: Routing;
  readonly pair: RoutingPair;
  readonly listener: ClientListener;
  readonly reloads: Reloads;
  readonly announcer: Announcer;
  readonly offerUpgrade: OfferUpgrade | undefined;
}

/** How long `close` lets requests that are under way come to their answer. */
const drainMs = 2_000;

/** A running proxy: clients know only its address, and it knows which shard owns a key and who leads it. `startProxy` makes one. */
export class RaftsmanProxy implements AsyncDisposable {
  readonly name: string;
  readonly #parts: ProxyParts;
  #closing: Promise<void> | undefined;

  constructor(parts: ProxyParts) {
    this.name = parts.name;
    this.#parts = parts;
  }

  /** What clients dial: `ws://host:port`. Empty when this proxy does not listen itself. */
  get address(): string {
    return this.#parts.listener.address() ?? '';
  }

  /**
   * Puts another map in force: the file, read anew, or what is given, which is then read at later reloads. Requests go on meanwhile.
   *
   * @throws InvalidOptionError; ReloadInProgressError; ShardFileError for a map that is not valid or not newer; what the groups
   * refuse it with. Nothing has changed then.
   */
  async reload(shards?: ShardsOption): Promise<ProxyReload> {
    if (this.#closing !== undefined) throw new ClosedError('the proxy is closed');
    return this.#parts.reloads.reload(shards === undefined ? undefined : shardsOf(shards));
  }

  /** Where a key of a queue goes, and why. @throws InvalidArgumentError for what is no key. */
  explain(queue: string, key: string): RouteExplanation {
    return this.#parts.routing.explain(queue, key);
  }

  /**
   * What each shard's own log says that it owns, and which of its buckets are in use and cannot move. Asks every shard.
   *
   * @throws ForbiddenError if the proxy's account lacks `admin`; DeadlineExceededError when a shard does not answer within 5 s.
   */
  ownership(): Promise<readonly ShardOwnership[]> {
    return this.#parts.pair.router.ownership();
  }

  status(): ProxyStatus {
    const { name, pair, reloads } = this.#parts;
    const { mapVersion, reloading, claimed, shards } = pair.router.status();
    return {
      name,
      address: this.address === '' ? null : this.address,
      mapVersion,
      shardsFile: 'file' in reloads.source ? reloads.source.file : null,
      reloading: reloading || reloads.isUnderWay,
      reloadCount: reloads.count,
      lastReloadError: reloads.lastError ?? null,
      claimed,
      ...pair.front.status(),
      shards,
    };
  }

  on<Name extends keyof ProxyEvents>(event: Name, listener: ProxyListener<Name>): this {
    this.#parts.announcer.on(event, listener);
    return this;
  }

  once<Name extends keyof ProxyEvents>(event: Name, listener: ProxyListener<Name>): this {
    this.#parts.announcer.once(event, listener);
    return this;
  }

  off<Name extends keyof ProxyEvents>(event: Name, listener: ProxyListener<Name>): this {
    this.#parts.announcer.off(event, listener);
    return this;
  }

  /**
   * For `listen: false`: call it from your server's `upgrade` event.
   *
   * @returns false if the request is not for raftsman; the socket is then untouched.
   * @throws InvalidArgumentError when the proxy was started with a transport of another kind.
   */
  handleUpgrade(request: IncomingMessage, socket: Duplex, head: Buffer): boolean {
    const { offerUpgrade } = this.#parts;
    if (offerUpgrade === undefined)
      throw new InvalidArgumentError('the transport of this proxy takes no sockets of a server');
    return offerUpgrade(request, socket, head);
  }

  /**
   * Accepts nobody any more, lets what is under way come to its answer for up to 2 s, and sends the clients elsewhere. No session
   * ends by it. Twice is harmless.
   */
  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #close(): Promise<void> {
    const { listener, pair, routing, reloads } = this.#parts;
    reloads.close();
    await listener.stop();
    await pair.front.drain(drainMs);
    routing.close();
    await listener.close();
  }
}
