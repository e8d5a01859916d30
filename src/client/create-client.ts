import { ClosedError, InvalidArgumentError } from '../base/errors.ts';
import type { Clock } from '../ports/clock.ts';
import type { Random } from '../ports/random.ts';
import { readLeaseLost } from '../wire/client-frame.ts';
import { checkDuration, checkName, checkTaskId } from './arguments.ts';
import { Calls } from './calls.ts';
import { rawBytes } from './codec.ts';
import type { OpenChannel } from './connection.ts';
import { Escrows, type OpenEscrow } from './escrows.ts';
import { explainKey } from './explain-key.ts';
import type { LeaseDeps } from './lease.ts';
import { Leases } from './leases.ts';
import { QueueHandle } from './queue-handle.ts';
import { Requests } from './requests.ts';
import { parseRequestId, whatBecame } from './resolved-request.ts';
import type { RouteExplanation } from './router/types.ts';
import { SessionLink } from './session-link.ts';
import type {
  CallOptions,
  Codec,
  KeyExplanation,
  Queue,
  QueueClient,
  ResolvedRequest,
  WorkHandler,
  WorkOptions,
} from './types.ts';
import { WorkLoop } from './work-loop.ts';

export interface QueueClientOptions {
  /** Opens an authenticated channel to any node; called again whenever one was lost. */
  readonly openChannel: OpenChannel;
  readonly clock: Clock;
  readonly random: Random;
  /** Where `work` keeps answers of providers; without it they die with the process. */
  readonly openEscrow?: OpenEscrow | undefined;
  /** How long an answer may take unless a call says otherwise; 10,000 ms unless given. */
  readonly timeoutMs?: number | undefined;
  /** The router in this process that `openChannel` leads to. */
  readonly routing?: LocalRouting | undefined;
  /** `openChannel` always leads to the same process, and no other one could reach more; true with `routing`. */
  readonly hasOneGateway?: boolean | undefined;
  /** Told of each link that stands, and of each dial that failed. */
  readonly onLink?: ((error: Error | undefined) => void) | undefined;
}

/** A router in this process, as its client uses it. */
export interface LocalRouting {
  explain(queue: string, key: string): RouteExplanation;
  reload(map: string | object | undefined): Promise<{ readonly version: number }>;
  close(): void;
}

const timeoutDefaultMs = 10_000;
/** How long `close` waits for handlers, whose signals have aborted. */
const handlersWithinMs = 2_000;

/** A client over any channel: sockets, the inside of a process, a simulated network. Dials at once. */
export function createQueueClient(options: QueueClientOptions): QueueClient {
  return new Client(options);
}

class Client implements QueueClient {
  readonly #link: SessionLink;
  readonly #requests: Requests;
  readonly #calls: Calls;
  readonly #leases: Leases;
  readonly #escrows: Escrows;
  readonly #clock: Clock;
  readonly #random: Random;
  readonly #routing: LocalRouting | undefined;
  readonly #loops = new Set<Promise<void>>();
  #closing: Promise<void> | undefined;

  constructor(options: QueueClientOptions) {
    const { openChannel, clock, random, openEscrow, timeoutMs = timeoutDefaultMs, onLink } = options;
    const { routing, hasOneGateway = routing !== undefined } = options;
    this.#clock = clock;
    this.#random = random;
    this.#routing = routing;
    this.#escrows = new Escrows(openEscrow);
    this.#leases = new Leases(clock);
    this.#link = new SessionLink(
      { openChannel, clock, random, hasOneGateway },
      {
        opened: () => onLink?.(undefined),
        routed: (routes) => this.#requests.routed(routes),
        attached: (shard) => this.#requests.attached(shard),
        lost: () => this.#requests.lost(),
        expired: (shard) => this.#requests.expired(shard),
        regrouped: () => this.#requests.regrouped(),
        frame: (header, body) => {
          if (header.kind === 'leaseLost') this.#leases.lost(readLeaseLost(body));
          else this.#requests.onFrame(header, body);
        },
        dialFailed: (error, isFinal) => {
          onLink?.(error);
          if (isFinal) void this.close();
        },
      },
    );
    this.#requests = new Requests(clock, this.#link);
    this.#calls = new Calls(this.#requests, clock, checkDuration(timeoutMs, 'timeoutMs'));
    this.#link.start();
  }

  get connected(): boolean {
    return this.#link.isConnected;
  }

  queue(name: string): Queue<Uint8Array>;
  queue<T>(name: string, options: { readonly codec: Codec<T> }): Queue<T>;
  queue<T>(name: string, options?: { readonly codec: Codec<T> }): Queue<T> | Queue<Uint8Array> {
    checkName(name, 'the name of a queue');
    return options === undefined ? this.#open(name, rawBytes) : this.#open(name, options.codec);
  }

  async resolve(requestId: string, options: CallOptions = {}): Promise<ResolvedRequest> {
    const request = parseRequestId(requestId);
    return whatBecame(await this.#calls.ask(this.#requests.givenUp(request), options));
  }

  async explain(queue: string, key: string, options: CallOptions = {}): Promise<KeyExplanation> {
    checkName(queue, 'the name of a queue');
    checkTaskId(key);
    const routes = this.#calls.routesNow(queue) ?? (await this.#calls.routes(queue, options));
    const place = routes.ofKey(key);
    return explainKey(routes, place, this.#link.isAttached(place.shard), this.#routing?.explain(queue, key));
  }

  async reload(map?: string | object): Promise<{ readonly version: number }> {
    if (this.#closing !== undefined) throw new ClosedError('the client is closed');
    if (this.#routing === undefined)
      throw new InvalidArgumentError(
        'this client has no shards of its own: whoever routes for it reloads them',
      );
    return this.#routing.reload(map);
  }

  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  #open<T>(queue: string, codec: Codec<T>): Queue<T> {
    this.#link.use(queue);
    const deps = { queue, codec, calls: this.#calls, leases: this.#leases };
    return new QueueHandle({ ...deps, work: (handler, options) => this.#work(deps, handler, options) });
  }

  async #work<T>(deps: LeaseDeps<T>, handler: WorkHandler<T>, options: WorkOptions): Promise<void> {
    if (this.#closing !== undefined) throw new ClosedError('the client is closed');
    const openEscrow = (workerId: string) => this.#escrows.open(workerId);
    const loop = new WorkLoop({ ...deps, random: this.#random, openEscrow }, handler, options);
    this.#link.nameWorker(options.workerId);
    const running = loop.run();
    this.#loops.add(running);
    try {
      await running;
    } finally {
      this.#loops.delete(running);
    }
  }

  async #close(): Promise<void> {
    this.#requests.close();
    this.#leases.close();
    this.#link.close();
    this.#routing?.close();
    const closed = this.#closeEscrows();
    await new Promise<void>((resolve) => {
      const timer = this.#clock.after(handlersWithinMs, resolve);
      void closed.then(() => {
        timer.cancel();
        resolve();
      });
    });
  }

  /** What a provider answers to a handler that still runs goes into the escrow: nobody else has it. */
  async #closeEscrows(): Promise<void> {
    await Promise.allSettled(this.#loops);
    await this.#escrows.close();
  }
}
