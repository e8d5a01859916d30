import { type ClientId, nodeId } from '../../src/base/ids.ts';
import { createQueueClient } from '../../src/client/create-client.ts';
import type { QueueClient } from '../../src/client/types.ts';
import type { Operation, QueueResult } from '../../src/queue/types.ts';
import { encodeBundle, splitBundle } from '../../src/wire/client-bundle.ts';
import type { ClientChannel } from '../../src/wire/client-channel.ts';
import { encodeLeader, encodeRefused, type ServiceRefusal } from '../../src/wire/client-frame.ts';
import {
  blankHeader,
  bodyOf,
  type ClientHeader,
  decodeHeader,
  encodeFrame,
  type FrameKind,
} from '../../src/wire/client-header.ts';
import { decodeOperation } from '../../src/wire/queue-operation.ts';
import { encodeResult } from '../../src/wire/queue-result.ts';
import { encodeShardTable, type NamespaceTable, type ShardTable } from '../../src/wire/shard-frames.ts';
import { TestClock, TestRandom } from '../service/test-clock.ts';

/** A frame that a client sent, and the gateway at which it came in. */
export interface Seen {
  readonly at: string;
  readonly header: ClientHeader;
  readonly body: Buffer;
  readonly operation: Operation | undefined;
}

/** What a gateway says to a frame; undefined for nothing. `group` if another shard answered. */
export type Reply =
  | {
      readonly kind: FrameKind;
      readonly body: Uint8Array;
      readonly group?: number;
      readonly afterMs?: number;
    }
  | undefined;

export function resultOf(result: QueueResult, more: { group?: number; afterMs?: number } = {}): Reply {
  return { kind: 'result', body: encodeResult(result), ...more };
}

export const put: QueueResult = { type: 'put', version: 1, created: true };

export function refused(code: ServiceRefusal, message: string = 'no'): Reply {
  return { kind: 'refused', body: encodeRefused({ code, message, retryAfterMs: 0 }) };
}

/** Keys of 4 buckets, dealt to shards: `owners[bucket]` is the number of the bucket's shard. */
export function tableOf(version: number, owners: readonly number[], namespace = 'tokens'): ShardTable {
  return { version, namespaces: [namespaceOf(version, owners, namespace)] };
}

export function namespaceOf(version: number, owners: readonly number[], namespace: string): NamespaceTable {
  return {
    namespace,
    version,
    digest: 1,
    partitioner: 'buckets',
    bucketCount: owners.length,
    shards: [...new Set(owners)].sort().map((number) => ({ name: `s${number}`, number })),
    owners: owners.map((number, bucket) => ({ from: bucket, to: bucket, number })),
  };
}

/** Gateways between one client and shards that answer as they are told to; one link at a time. */
export class ScriptedFront {
  readonly clock: TestClock = new TestClock();
  readonly seen: Seen[] = [];
  /** Every link: its gateway and the client that opened it. */
  readonly links: { readonly at: string; readonly client: ClientId }[] = [];
  /** What the first push of a link says: the table, or a node's leader. */
  table: ShardTable | 'node' | undefined;
  /** Which gateway the n-th dial reaches. */
  gateways: readonly string[] = ['p1'];
  registration = 1;
  /** Shards where no session can be attached. */
  readonly down: Set<number> = new Set();
  /** What is said to an attach at a shard instead. */
  readonly notAttached: Map<number, Reply> = new Map();
  answer: (seen: Seen) => Reply = () => undefined;
  #channel: ClientChannel | undefined;
  #client: ClientId | undefined;

  constructor(table: ShardTable | 'node' | undefined) {
    this.table = table;
  }

  connect(): QueueClient {
    return createQueueClient({ clock: this.clock, random: new TestRandom(1), openChannel: this.open });
  }

  open = ({ client }: { readonly client: ClientId }): Promise<ClientChannel> => {
    const at = this.gateways[this.links.length % this.gateways.length] ?? 'p1';
    this.links.push({ at, client });
    const channel: ClientChannel = {
      send: (message) => {
        for (const frame of splitBundle(message)) this.#onFrame(channel, at, frame);
      },
      queuedBytes: () => 0,
      close: () => {},
      onFrame: undefined,
      onClose: undefined,
    };
    this.#channel = channel;
    this.#client = client;
    this.clock.after(0, () => this.#greet(channel));
    return Promise.resolve(channel);
  };

  /** Another map is in force. */
  push(table: ShardTable): void {
    this.table = table;
    this.pushFrame('shards', 0, encodeShardTable(table));
  }

  pushFrame(kind: FrameKind, group: number, body: Uint8Array): void {
    if (this.#channel === undefined || this.#client === undefined) throw new Error('no link');
    this.#send(this.#channel, { ...blankHeader, kind, client: this.#client, group }, body);
  }

  cut(): void {
    this.#channel?.onClose?.('timeout');
  }

  /** Requests by what they ask for. */
  of(type: Operation['type']): readonly Seen[] {
    return this.seen.filter(({ operation }) => operation?.type === type);
  }

  kind(kind: FrameKind): readonly ClientHeader[] {
    return this.seen.filter(({ header }) => header.kind === kind).map(({ header }) => header);
  }

  #greet(channel: ClientChannel): void {
    if (channel !== this.#channel || this.table === undefined) return;
    if (this.table === 'node') this.pushFrame('leader', 0, encodeLeader({ leaderId: nodeId('a'), term: 1 }));
    else this.pushFrame('shards', 0, encodeShardTable(this.table));
  }

  #onFrame(channel: ClientChannel, at: string, frame: Buffer): void {
    const header = decodeHeader(frame);
    if (header.kind === 'ping') {
      this.#send(channel, { ...header, kind: 'pong' }, new Uint8Array(0));
      return;
    }
    const body = Buffer.from(bodyOf(frame));
    const operation = header.kind === 'request' ? decodeOperation(body) : undefined;
    const seen: Seen = { at, header, body, operation };
    this.seen.push(seen);
    const reply = header.kind === 'attach' ? this.#attach(header) : this.answer(seen);
    if (reply === undefined) return;
    const { kind, group = header.group, afterMs = 0 } = reply;
    this.clock.after(afterMs, () => this.#send(channel, { ...header, kind, group }, reply.body));
  }

  #attach({ group }: ClientHeader): Reply {
    if (this.down.has(group)) return undefined;
    if (this.notAttached.has(group)) return this.notAttached.get(group);
    return resultOf({ type: 'attached', attachment: 1, registration: this.registration });
  }

  #send(channel: ClientChannel, header: ClientHeader, body: Uint8Array): void {
    if (channel === this.#channel) channel.onFrame?.(encodeBundle([encodeFrame(header, body)]));
  }
}

/** A key of each of the 4 buckets of `tableOf`. */
export const keys = ['user5', 'user1', 'user4', 'user0'] as const;
export function taskOf(id: string): { id: string; payload: Uint8Array; expiresAt: number } {
  return { id, payload: new Uint8Array(1), expiresAt: 2_000_000_000_000 };
}

/** A promise that may reject before anybody looks. */
export function watched<T>(promise: Promise<T>): Promise<T> {
  promise.catch(() => undefined);
  return promise;
}
