import { Buffer } from 'node:buffer';
import {
  bootId,
  type ClientId,
  type ClusterId,
  clientId,
  clusterId,
  groupId,
  nodeId,
} from '../../../src/base/ids.ts';
import type { Router } from '../../../src/client/router/router.ts';
import type { NodeChannel, OpenNodeChannel, Origin } from '../../../src/client/router/types.ts';
import { ShardDirectory } from '../../../src/sharding/shard-directory.ts';
import { ShardMap } from '../../../src/sharding/shard-map.ts';
import type { Shard } from '../../../src/sharding/types.ts';
import { encodeBundle, splitBundle } from '../../../src/wire/client-bundle.ts';
import type { ChannelClosedBy } from '../../../src/wire/client-channel.ts';
import { encodeLeader, encodeRefused, type ServiceRefusal } from '../../../src/wire/client-frame.ts';
import {
  blankHeader,
  bodyOf,
  type ClientHeader,
  decodeHeader,
  encodeFrame,
  type FrameKind,
} from '../../../src/wire/client-header.ts';
import { groupCode } from '../../../src/wire/group-code.ts';
import type { AcceptorRole, NodeIdentity } from '../../../src/wire/handshake.ts';
import { encodeResult } from '../../../src/wire/queue-result.ts';
import { encodeRedirect } from '../../../src/wire/shard-frames.ts';
import { TestClock } from '../../service/test-clock.ts';

export interface Received {
  readonly header: ClientHeader;
  readonly body: Buffer;
  readonly atMs: number;
}

/** What a node says to one frame; `kind` undefined is silence. */
export interface Said {
  readonly kind: FrameKind;
  readonly body: Uint8Array;
}

export const done: Said = { kind: 'result', body: encodeResult({ type: 'done' }) };
export const unknown: Said = { kind: 'unknown', body: Buffer.alloc(0) };
export const frozen: Said = { kind: 'frozen', body: encodeRedirect({ owner: undefined, version: 1 }) };

export function refused(code: ServiceRefusal, retryAfterMs = 0): Said {
  return { kind: 'refused', body: encodeRefused({ code, message: code, retryAfterMs }) };
}

export function wrongShard(owner: string | undefined, version: number): Said {
  return { kind: 'wrongShard', body: encodeRedirect({ owner, version }) };
}

export function notLeader(leaderId: string | undefined, term: number): Said {
  const body = encodeLeader({ leaderId: leaderId === undefined ? undefined : nodeId(leaderId), term });
  return { kind: 'notLeader', body };
}

interface Line {
  readonly channel: NodeChannel;
  isOpen: boolean;
  /** What is on its way is lost. */
  isCut: boolean;
}

/** One node that answers as it is told to. */
export class FakeNode {
  readonly id: string;
  readonly address: string;
  readonly cluster: string;
  readonly received: Received[] = [];
  role: AcceptorRole = 'node';
  clusterId: ClusterId = clusterId('c'.repeat(32));
  isUp = true;
  /** Takes bytes and says nothing. */
  isDeaf = false;
  dialCount = 0;
  queuedBytes = 0;
  /** What it says of its groups to a router that comes, by group. */
  readonly leaders: Map<string, { leaderId: string | undefined; term: number }> = new Map();
  answer: (request: Received) => Said | undefined = () => done;
  readonly #clock: TestClock;
  readonly #delayMs: number;
  #lines: Line[] = [];

  constructor(clock: TestClock, cluster: string, id: string, delayMs: number) {
    this.#clock = clock;
    this.cluster = cluster;
    this.id = id;
    this.address = addressOf(cluster, id);
    this.#delayMs = delayMs;
  }

  /** The frames that are requests of clients, not pings. */
  get requests(): readonly Received[] {
    return this.received.filter(({ header }) => header.kind !== 'ping' && header.kind !== 'move');
  }

  open(): NodeChannel {
    this.dialCount++;
    if (!this.isUp) throw new Error(`${this.address} refuses`);
    const line: Line = { channel: this.#channel(() => line), isOpen: true, isCut: false };
    this.#lines.push(line);
    for (const group of this.leaders.keys()) this.#pushLeader(line, group);
    return line.channel;
  }

  /** Says who leads, to everybody. */
  lead(leaderId: string | undefined, term: number, group = 'main'): void {
    this.leaders.set(group, { leaderId, term });
    for (const line of this.#lines) this.#pushLeader(line, group);
  }

  push(kind: FrameKind, client: ClientId, body: Uint8Array = Buffer.alloc(0), group = 'main'): void {
    const header = { ...blankHeader, kind, client, group: groupCode(groupId(group)) };
    for (const line of this.#lines) this.#deliver(line, encodeFrame(header, body));
  }

  /** Answers something received long ago. */
  say(request: Received, said: Said): void {
    for (const line of this.#lines) this.#answer(line, request, said);
  }

  cut(): void {
    const lines = this.#lines;
    this.#lines = [];
    for (const line of lines) {
      line.isOpen = false;
      line.isCut = true;
      line.channel.onClose?.('timeout');
    }
  }

  crash(): void {
    this.isUp = false;
    this.cut();
  }

  #channel(lineOf: () => Line): NodeChannel {
    return {
      node: this.#identity(),
      onFrame: undefined,
      onClose: undefined,
      queuedBytes: () => this.queuedBytes,
      send: (message: Uint8Array) => {
        const bytes = Buffer.from(message);
        this.#clock.after(this.#delayMs, () => this.#take(lineOf(), bytes));
      },
      close: () => this.#closed(lineOf(), 'local'),
    };
  }

  #closed(line: Line, by: ChannelClosedBy): void {
    if (!line.isOpen) return;
    line.isOpen = false;
    this.#lines = this.#lines.filter((each) => each !== line);
    line.channel.onClose?.(by);
  }

  #take(line: Line, message: Buffer): void {
    if (line.isCut || this.isDeaf) return;
    for (const frame of splitBundle(message)) {
      const request = { header: decodeHeader(frame), body: bodyOf(frame), atMs: this.#clock.monotonicMs() };
      this.received.push(request);
      const { kind } = request.header;
      if (kind === 'ping') this.#answer(line, request, { kind: 'pong', body: Buffer.alloc(0) });
      if (kind === 'ping' || kind === 'move') continue;
      const said = this.answer(request);
      const hasAnswer = kind !== 'cancel' && kind !== 'renew' && kind !== 'settle';
      if (said !== undefined && hasAnswer) this.#answer(line, request, said);
    }
  }

  #answer(line: Line, { header }: Received, { kind, body }: Said): void {
    this.#deliver(line, encodeFrame({ ...header, kind, marked: false, any: false, settledUpTo: 7 }, body));
  }

  #pushLeader(line: Line, group: string): void {
    const { leaderId, term } = this.leaders.get(group)!;
    const said = notLeader(leaderId, term);
    const header = {
      ...blankHeader,
      kind: 'leader',
      client: anyone,
      group: groupCode(groupId(group)),
    } as const;
    this.#deliver(line, encodeFrame(header, said.body));
  }

  #deliver(line: Line, frame: Buffer): void {
    this.#clock.after(this.#delayMs, () => {
      if (line.isOpen) line.channel.onFrame?.(encodeBundle([frame]));
    });
  }

  #identity(): NodeIdentity {
    const { role, cluster, clusterId: id } = this;
    const life = { bootId: bootId('b'.repeat(16)), term: 0, leaderId: undefined };
    return { role, cluster, clusterId: id, id: nodeId(this.id), ...life };
  }
}

export const anyone: ClientId = clientId('0'.repeat(32));

/** A clock and the nodes on its network, by address. */
export class FakeNetwork {
  readonly clock: TestClock = new TestClock();
  readonly nodes: Map<string, FakeNode> = new Map();

  add(cluster: string, ids: readonly string[], delayMs = 1): readonly FakeNode[] {
    return ids.map((id) => {
      const node = new FakeNode(this.clock, cluster, id, delayMs);
      this.nodes.set(node.address, node);
      return node;
    });
  }

  readonly openNode: OpenNodeChannel = async ({ address }) => {
    const node = this.nodes.get(address);
    if (node === undefined) throw new Error(`nobody is at ${address}`);
    return node.open();
  };
}

export function addressOf(cluster: string, id: string): string {
  return `memory:${cluster}-${id}`;
}

export interface ShardOptions {
  readonly name: string;
  readonly number: number;
  readonly cluster?: string;
  readonly group?: string;
  readonly namespace?: string;
  readonly ids?: readonly string[];
}

export function shardOf(options: ShardOptions): Shard {
  const {
    name,
    number,
    cluster = name,
    group = 'main',
    namespace = 'default',
    ids = ['n1', 'n2', 'n3'],
  } = options;
  const nodes = new Map(ids.map((id) => [id, addressOf(cluster, id)]));
  return { name, number, namespace, cluster, group, nodes };
}

/** Buckets as numbers of their shards: `[1, 1, 2, 2]` gives two buckets to each. */
export function mapOf(
  version: number,
  shards: readonly Shard[],
  buckets: readonly number[],
  namespace = 'default',
): ShardMap {
  return new ShardMap({
    namespace,
    version,
    partitioner: 'buckets',
    bucketCount: buckets.length,
    shards,
    owners: buckets.map((number, bucket) => ({ from: bucket, to: bucket, number })),
  });
}

export function directoryOf(
  version: number,
  shards: readonly Shard[],
  buckets: readonly number[],
): ShardDirectory {
  return new ShardDirectory(version, [mapOf(version, shards, buckets)]);
}

export interface Asked {
  readonly kind?: FrameKind;
  readonly client?: ClientId;
  readonly group?: number;
  readonly bucket?: number;
  readonly seq?: number;
  readonly stream?: number;
  readonly remainingMs?: number;
  readonly waitMs?: number;
  readonly mapVersion?: number;
  readonly any?: boolean;
  readonly hops?: number;
  readonly body?: Uint8Array;
}

/** One client that stands before the router: numbers its frames and keeps what it was answered. */
export class FakeOrigin implements Origin {
  readonly answers: { readonly header: ClientHeader; readonly body: Buffer }[] = [];
  readonly client: ClientId;
  readonly #router: Router;
  #seq = 0;

  constructor(router: Router, client: ClientId = clientId('a'.repeat(32))) {
    this.#router = router;
    this.client = client;
  }

  ask(asked: Asked = {}): number {
    const seq = asked.seq ?? ++this.#seq;
    const { kind = 'request', group = 1, body = Buffer.from(`body of ${seq}`), ...rest } = asked;
    const header = {
      ...blankHeader,
      bucket: 0,
      mapVersion: 1,
      remainingMs: 10_000,
      stream: 1,
      client: this.client,
      ...rest,
      kind,
      group,
      seq,
      correlation: seq + 1_000,
    };
    this.#router.submit(encodeFrame(header, body), this);
    return seq;
  }

  answer(frame: Buffer): void {
    this.answers.push({ header: decodeHeader(frame), body: Buffer.from(bodyOf(frame)) });
  }

  /** Kinds of the answers in order, or of one request. */
  kinds(seq?: number): readonly FrameKind[] {
    return this.answers
      .filter(({ header }) => seq === undefined || header.seq === seq)
      .map(({ header }) => header.kind);
  }
}
