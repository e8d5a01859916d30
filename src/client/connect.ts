import { HandshakeRefusedError, InvalidOptionError } from '../base/errors.ts';
import { dialClient } from '../mesh/client-dial.ts';
import type { Clock } from '../ports/clock.ts';
import type { Random } from '../ports/random.ts';
import type { Transport } from '../ports/transport.ts';
import type { ClientChannel } from '../wire/client-channel.ts';
import { reportTextBytesMax } from '../wire/limits.ts';
import type { OpenChannel } from './connection.ts';
import { createQueueClient } from './create-client.ts';
import type { OpenEscrow } from './escrows.ts';
import type { ConnectOptions, QueueClient } from './types.ts';

/** What a client needs of the world. */
export interface ClientPorts {
  readonly transport: Transport;
  readonly clock: Clock;
  readonly random: Random;
  readonly openEscrow?: OpenEscrow | undefined;
}

const connectWithinMs = 10_000;

/**
 * Connects a client over given ports. Resolves when a node has accepted its secret; does not wait for a leader.
 *
 * @throws HandshakeRefusedError if a node refuses the secret; another Error if no node was reached within `timeoutMs`.
 */
export async function connectOver(ports: ClientPorts, options: ConnectOptions): Promise<QueueClient> {
  const { clock, random, openEscrow } = ports;
  const { signal, timeoutMs = connectWithinMs } = options;
  if (signal?.aborted) throw signal.reason;
  return new Promise((resolve, reject) => {
    const openChannel = dialAny(ports, options);
    let lastError = new Error('no node was reached in time');
    const settle = (error: Error | undefined): void => {
      deadline.cancel();
      signal?.removeEventListener('abort', onAbort);
      isSettled = true;
      if (error === undefined) resolve(client);
      else void client.close().then(() => reject(error));
    };
    const onAbort = (): void => settle(signal?.reason);
    let isSettled = false;
    const onLink = (error: Error | undefined): void => {
      if (isSettled) return;
      if (error === undefined || isHopeless(error)) settle(error);
      else lastError = error;
    };
    const client = createQueueClient({
      openChannel,
      clock,
      random,
      openEscrow,
      timeoutMs: options.timeoutMs,
      onLink,
    });
    const deadline = clock.after(timeoutMs, () => settle(lastError));
    signal?.addEventListener('abort', onAbort, { once: true });
  });
}

/** Dials the endpoints in turn, in an order of the client's own: clients of one list do not all meet at its first. */
function dialAny(
  { transport, clock, random }: ClientPorts,
  { endpoints, name, secret }: ConnectOptions,
): OpenChannel {
  if (!Array.isArray(endpoints) || endpoints.length === 0)
    throw new InvalidOptionError('endpoints must name at least one node');
  if (typeof name !== 'string' || new TextEncoder().encode(name).length > reportTextBytesMax)
    throw new InvalidOptionError(`name must be text of at most ${reportTextBytesMax} bytes`);
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
