import { type ClientId, clientId, type SessionId, sessionId } from '../../src/base/ids.ts';
import type { Permission } from '../../src/mesh/types.ts';
import type { Operation } from '../../src/queue/types.ts';
import type { MapName } from '../../src/sharding/types.ts';
import { encodeBundle, splitBundle } from '../../src/wire/client-bundle.ts';
import { encodeAttach } from '../../src/wire/client-frame.ts';
import { bodyOf, type ClientHeader, decodeHeader, encodeFrame } from '../../src/wire/client-header.ts';
import { encodeOperation } from '../../src/wire/queue-operation.ts';
import { decodeResult } from '../../src/wire/queue-result.ts';
import { everything, type TestCluster, type TestSocket } from './test-cluster.ts';

/** What a secret of a proxy allows. */
export const proxy: ReadonlySet<Permission> = new Set([...everything, 'proxy']);
export const idOf = (number: number): ClientId => clientId(number.toString(16).padStart(32, '0'));
export const sessionOf = (number: number): SessionId =>
  sessionId(`5${number.toString(16).padStart(31, '0')}`);
export const routerId: ClientId = idOf(0xabc);

export interface RawFrame {
  readonly header: ClientHeader;
  readonly body: Buffer;
}

/** A router made of bytes: what a node says to it, frame by frame. */
export class RawRouter {
  readonly socket: TestSocket;
  readonly frames: RawFrame[] = [];
  readonly #cluster: TestCluster;

  constructor(
    cluster: TestCluster,
    node: string,
    may: ReadonlySet<Permission> = proxy,
    id: ClientId = routerId,
  ) {
    this.#cluster = cluster;
    this.socket = cluster.dial(node, id, may, true);
    this.socket.channel.onFrame = (message) => {
      for (const frame of splitBundle(message))
        this.frames.push({ header: decodeHeader(frame), body: bodyOf(frame) });
    };
  }

  send(...frames: readonly Buffer[]): void {
    this.socket.channel.send(encodeBundle(frames));
  }

  /** What the node says within 10 ms of the given frames, other than who leads. */
  async ask(...frames: readonly Buffer[]): Promise<readonly RawFrame[]> {
    const before = this.frames.length;
    this.send(...frames);
    await this.#cluster.clock.advance(10);
    return this.frames.slice(before).filter(({ header }) => header.kind !== 'leader');
  }

  /** Attaches a session of a client. @returns its attachment. */
  async attach(client: ClientId, session: number, more: Partial<ClientHeader> = {}): Promise<number> {
    const body = encodeAttach({ session: sessionOf(session), workerId: '', registration: 0 });
    const [answer] = await this.ask(routed({ kind: 'attach', client, ...more }, body));
    const result = decodeResult(answer?.body ?? Buffer.alloc(0));
    if (result.type !== 'attached') throw new Error(`attach was answered ${result.type}`);
    return result.attachment;
  }

  get kinds(): readonly string[] {
    return this.frames.map(({ header }) => header.kind);
  }
}

/** A frame as a router sends it to a node. */
export function routed(
  header: Partial<ClientHeader> & Pick<ClientHeader, 'kind'>,
  body?: Uint8Array,
): Buffer {
  const blank = {
    hops: 3,
    marked: true,
    any: false,
    group: 0,
    bucket: 0,
    mapVersion: 0,
    correlation: 1,
    remainingMs: 10_000,
    waitMs: 0,
    client: routerId,
    stream: 0,
    seq: 0,
    settledUpTo: 0,
  };
  return encodeFrame({ ...blank, ...header }, body ?? new Uint8Array(0));
}

export function putOf(cluster: TestCluster, id: string): Buffer {
  const operation: Operation = {
    type: 'put',
    queue: 'tokens',
    id,
    payload: Buffer.from('x'),
    expiresAtMs: cluster.clock.wallMs() + 30_000,
    provider: 'acme',
    weight: 0,
    refreshAtMs: undefined,
    ifAbsent: false,
    ifVersion: undefined,
  };
  return encodeOperation(operation);
}

export function takeOf(session: number): Buffer {
  const ids = { queue: 'tokens', session: sessionOf(session) };
  return encodeOperation({ type: 'take', ...ids, limit: 1, ttrMs: 60_000, callMs: 1_000 });
}

/** A map with one bucket: every key is in it. */
export const map: MapName = {
  namespace: 'tokens',
  version: 1,
  digest: 7,
  partitioner: 'buckets',
  bucketCount: 1,
};
