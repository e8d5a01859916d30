import { createQueueClient } from '../../src/client/create-client.ts';
import type { OpenEscrow } from '../../src/client/escrows.ts';
import type { QueueClient } from '../../src/client/types.ts';
import type { Permission } from '../../src/mesh/types.ts';
import { TestRandom } from './test-clock.ts';
import { everything, type TestCluster, type TestSocket } from './test-cluster.ts';

export interface TestClientOptions {
  /** Dialled in turn. */
  readonly endpoints?: readonly string[];
  readonly may?: ReadonlySet<Permission>;
  readonly openEscrow?: OpenEscrow;
  readonly seed?: number;
  /** Endpoints that refuse to be dialled from the start. */
  readonly down?: readonly string[];
}

export interface TestClient {
  readonly client: QueueClient;
  /** Every socket this client opened, the newest last. */
  readonly sockets: readonly TestSocket[];
  /** Endpoints that refuse to be dialled. */
  readonly down: Set<string>;
}

/** The real client over sockets of a test cluster. */
export function testClient(cluster: TestCluster, options: TestClientOptions = {}): TestClient {
  const { endpoints = ['a', 'b', 'c'], may = everything, openEscrow, seed = 7 } = options;
  const sockets: TestSocket[] = [];
  const down = new Set<string>(options.down);
  let dialCount = 0;
  const client = createQueueClient({
    clock: cluster.clock,
    random: new TestRandom(seed),
    openEscrow,
    openChannel: async ({ client: id }) => {
      const endpoint = endpoints[dialCount++ % endpoints.length] ?? 'a';
      if (down.has(endpoint)) throw new Error(`${endpoint} is down`);
      const socket = cluster.dial(endpoint, id, may);
      sockets.push(socket);
      return socket.channel;
    },
  });
  return { client, sockets, down };
}

/** How a promise ended, once the world has run for `ms`. */
export async function endOf<T>(
  cluster: TestCluster,
  promise: Promise<T>,
  ms = 20,
): Promise<{ readonly value: T } | { readonly error: unknown } | 'pending'> {
  let end: { readonly value: T } | { readonly error: unknown } | 'pending' = 'pending';
  promise.then(
    (value) => {
      end = { value };
    },
    (error: unknown) => {
      end = { error };
    },
  );
  await cluster.clock.advance(ms);
  return end;
}

/** The value of a promise that resolves within `ms` of the world's time. */
export async function resolved<T>(cluster: TestCluster, promise: Promise<T>, ms = 20): Promise<T> {
  const end = await endOf(cluster, promise, ms);
  if (end === 'pending') throw new Error(`nothing came within ${ms} ms`);
  if ('error' in end) throw end.error;
  return end.value;
}

/** The error of a promise that rejects within `ms` of the world's time. */
export async function rejected(cluster: TestCluster, promise: Promise<unknown>, ms = 20): Promise<unknown> {
  const end = await endOf(cluster, promise, ms);
  if (end === 'pending') throw new Error(`nothing came within ${ms} ms`);
  if ('value' in end) throw new Error('it resolved');
  return end.error;
}
