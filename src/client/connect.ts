import { HandshakeRefusedError, InvalidOptionError } from '../base/errors.ts';
import { dialClient } from '../mesh/client-dial.ts';
import type { Clock } from '../ports/clock.ts';
import type { Logger } from '../ports/logger.ts';
import type { Random } from '../ports/random.ts';
import type { Transport } from '../ports/transport.ts';
import type { ClientChannel } from '../wire/client-channel.ts';
import { reportTextBytesMax } from '../wire/limits.ts';
import { OwnRouting, type ShardFilePort } from './connect-shards.ts';
import type { OpenChannel } from './connection.ts';
import { createQueueClient } from './create-client.ts';
import type { OpenEscrow } from './escrows.ts';
import type { ConnectOptions, QueueClient, ShardsOption } from './types.ts';

/** What a client needs of the world. */
export interface ClientPorts {
  readonly transport: Transport;
  readonly clock: Clock;
  readonly random: Random;
  readonly openEscrow?: OpenEscrow | undefined;
  /** For a client that does its own routing. */
  readonly logger?: Logger | undefined;
  readonly shardFile?: ShardFilePort | undefined;
  /** What may stand as an address in a shard file; WebSocket URLs unless given. */
  readonly isAddress?: ((address: string) => boolean) | undefined;
}

const connectWithinMs = 10_000;

/**
 * Connects a client over given ports. Resolves when a node has accepted its secret; does not wait for a leader.
 *
 * @throws HandshakeRefusedError if a node refuses the secret; ShardFileError if the shard file is bad; another Error if no node
 * was reached within `timeoutMs`.
 */
export async function connectOver(ports: ClientPorts, options: ConnectOptions): Promise<QueueClient> {
  const { signal, endpoints, shards } = options;
  checkOptions(options);
  if (signal?.aborted) throw signal.reason;
  if (shards === undefined)
    return connected(ports, options, dialAny(ports, endpoints ?? [], options), undefined);
  const routing = await OwnRouting.open(ports, options, shards);
  return connected(ports, options, routing.openChannel, routing);
}

function connected(
  { clock, random, openEscrow }: ClientPorts,
  options: ConnectOptions,
  openChannel: OpenChannel,
  routing: OwnRouting | undefined,
): Promise<QueueClient> {
  const { signal, timeoutMs = connectWithinMs } = options;
  return new Promise((resolve, reject) => {
    const over = new AbortController();
    let lastError = new Error('no node was reached in time');
    const settle = (error: Error | undefined): void => {
      if (over.signal.aborted) return;
      over.abort();
      deadline.cancel();
      signal?.removeEventListener('abort', onAbort);
      if (error === undefined) resolve(client);
      else void client.close().then(() => reject(error));
    };
    const onAbort = (): void => settle(signal?.reason);
    const onLink = (error: Error | undefined): void => {
      if (error !== undefined && !isHopeless(error)) lastError = error;
      else if (error !== undefined || routing === undefined) settle(error);
      else routing.reached(over.signal).then(() => settle(undefined), settle);
    };
    const client = createQueueClient({
      openChannel,
      clock,
      random,
      openEscrow,
      timeoutMs: options.timeoutMs,
      onLink,
      routing,
    });
    const deadline = clock.after(timeoutMs, () =>
      settle(routing?.problem === undefined ? lastError : new Error(routing.problem)),
    );
    signal?.addEventListener('abort', onAbort, { once: true });
  });
}

function checkOptions({ endpoints, shards, name }: ConnectOptions): void {
  if ((endpoints === undefined) === (shards === undefined))
    throw new InvalidOptionError('one of endpoints and shards must be given, and not both');
  if (endpoints !== undefined && (!Array.isArray(endpoints) || endpoints.length === 0))
    throw new InvalidOptionError('endpoints must name at least one node or proxy');
  if (shards !== undefined && !isShards(shards))
    throw new InvalidOptionError('shards must be { file } or { map }');
  if (typeof name !== 'string' || new TextEncoder().encode(name).length > reportTextBytesMax)
    throw new InvalidOptionError(`name must be text of at most ${reportTextBytesMax} bytes`);
}

function isShards(shards: ShardsOption): boolean {
  if (typeof shards !== 'object' || shards === null) return false;
  if ('file' in shards) return typeof shards.file === 'string' && shards.file !== '' && !('map' in shards);
  return typeof shards.map === 'string' || (typeof shards.map === 'object' && shards.map !== null);
}

/** Dials the endpoints in turn, in an order of the client's own: clients of one list do not all meet at its first. */
function dialAny(
  { transport, clock, random }: ClientPorts,
  endpoints: readonly string[],
  { name, secret }: ConnectOptions,
): OpenChannel {
  const start = Math.floor(random.next() * endpoints.length);
  let dialCount = 0;
  return async ({ client: clientId, signal }) => {
    const address = endpoints[(start + dialCount) % endpoints.length] ?? '';
    dialCount++;
    return new DialledChannel(
      await dialClient({ transport, clock, random, address, secret, clientId, name, signal }),
    );
  };
}

type DialledLink = Awaited<ReturnType<typeof dialClient>>;

/** The dialled link as a channel; it keeps early frames until somebody listens. */
class DialledChannel implements ClientChannel {
  readonly #link: DialledLink;

  constructor(link: DialledLink) {
    this.#link = link;
  }

  get onFrame(): ClientChannel['onFrame'] {
    return this.#link.onFrame;
  }

  set onFrame(handler: ClientChannel['onFrame']) {
    this.#link.onFrame = handler;
  }

  get onClose(): ClientChannel['onClose'] {
    return undefined;
  }

  set onClose(handler: ClientChannel['onClose']) {
    this.#link.onClose = (by) => handler?.(by);
  }

  send(message: Uint8Array): void {
    this.#link.send(message);
  }

  queuedBytes(): number {
    return this.#link.queuedBytes();
  }

  close(): void {
    this.#link.close();
  }
}

/** Another dial with the same secret would be refused too. */
function isHopeless(error: Error): boolean {
  return (
    error instanceof InvalidOptionError ||
    (error instanceof HandshakeRefusedError && error.reason === 'wrongSecret')
  );
}
