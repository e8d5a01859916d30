import { Buffer } from 'node:buffer';
import { type ClientId, clientId, type SessionId, sessionId } from '../../../src/base/ids.ts';
import { Front, type FrontRouter } from '../../../src/client/router/front.ts';
import type { Origin } from '../../../src/client/router/types.ts';
import type { ClientLink, Permission } from '../../../src/mesh/types.ts';
import type { Logger } from '../../../src/ports/logger.ts';
import type { ClosedBy } from '../../../src/ports/transport.ts';
import type { Shard } from '../../../src/sharding/types.ts';
import { encodeBundle, splitBundle } from '../../../src/wire/client-bundle.ts';
import { encodeAttach } from '../../../src/wire/client-frame.ts';
import {
  blankHeader,
  bodyOf,
  type ClientHeader,
  decodeHeader,
  encodeFrame,
  type FrameKind,
} from '../../../src/wire/client-header.ts';
import { encodeOperation } from '../../../src/wire/queue-operation.ts';
import { encodeResult } from '../../../src/wire/queue-result.ts';
import type { ShardTable } from '../../../src/wire/shard-frames.ts';
import { TestClock } from '../../service/test-clock.ts';

export interface Seen {
  readonly header: ClientHeader;
  readonly body: Buffer;
}

export const routerId: ClientId = clientId('f'.repeat(32));
export const clientOne: ClientId = clientId('1'.repeat(32));
export const clientTwo: ClientId = clientId('2'.repeat(32));
export const sessionOne: SessionId = sessionId('a'.repeat(32));
export const sessionTwo: SessionId = sessionId('b'.repeat(32));
export const nothing: Buffer = Buffer.alloc(0);
export const aTake: Buffer = encodeOperation({
  type: 'take',
  queue: 'tokens',
  limit: 1,
  session: sessionOne,
  ttrMs: 1_000,
  callMs: 500,
});
export const aPut: Buffer = encodeOperation({
  type: 'put',
  queue: 'tokens',
  id: 't1',
  payload: Buffer.from('secret'),
  expiresAtMs: 1_700_000_100_000,
  provider: 'acme',
  weight: 0,
  refreshAtMs: undefined,
  ifAbsent: false,
  ifVersion: undefined,
});

/** A router that keeps what it is given and answers when told to. */
export class TestRouter implements FrontRouter {
  readonly taken: (Seen & { readonly frame: Buffer; readonly origin: Origin })[] = [];
  readonly dropped: Set<Origin> = new Set();
  version = 1;

  submit(frame: Buffer, origin: Origin): void {
    this.taken.push({ header: decodeHeader(frame), body: bodyOf(frame), frame, origin });
  }

  drop(origin: Origin): void {
    this.dropped.add(origin);
  }

  table(): ShardTable {
    return { version: this.version, namespaces: [] };
  }

  of(kind: FrameKind): readonly Seen[] {
    return this.taken.filter(({ header }) => header.kind === kind);
  }

  /** Answers the newest frame of that kind, as the state machine or a node would. */
  answer(kind: FrameKind, answer: FrameKind, body: Uint8Array, index = 0): void {
    const taken = this.taken.filter(({ header }) => header.kind === kind).at(-1);
    if (taken === undefined) throw new Error(`nobody sent ${kind}`);
    const { correlation, client, group, stream, seq } = taken.header;
    const ids = { client, group, correlation, stream, seq, settledUpTo: index };
    taken.origin.answer(encodeFrame({ ...blankHeader, kind: answer, hops: 0, ...ids }, body));
  }
}

/** The socket of one client, from both sides. */
export class TestSocket implements ClientLink {
  readonly account = 'test';
  readonly name = 'test';
  readonly remoteAddress = 'test';
  readonly router = false;
  readonly clientId: ClientId;
  readonly may: ReadonlySet<Permission>;
  onFrame: ((frame: Uint8Array) => void) | undefined;
  onClose: ((by: ClosedBy) => void) | undefined;
  /** What the front sent, frame by frame. */
  readonly got: Seen[] = [];
  messageCount = 0;
  queued = 0;
  paused = false;
  closedWith: number | undefined;

  constructor(id: ClientId, may: readonly Permission[]) {
    this.clientId = id;
    this.may = new Set(may);
  }

  send(message: Uint8Array): void {
    this.messageCount++;
    for (const frame of splitBundle(message)) {
      this.got.push({ header: decodeHeader(frame), body: bodyOf(frame) });
    }
  }

  queuedBytes(): number {
    return this.queued;
  }

  pause(paused: boolean): void {
    this.paused = paused;
  }

  close(reason?: { readonly code: number }): void {
    this.closedWith = reason?.code;
  }

  /** The client sends frames, all in one message. */
  say(...frames: readonly (Partial<ClientHeader> & Pick<ClientHeader, 'kind'> & { body?: Buffer })[]): void {
    const made = frames.map(({ body = nothing, ...header }) =>
      encodeFrame({ ...blankHeader, client: this.clientId, ...header }, body),
    );
    this.onFrame?.(encodeBundle(made));
  }

  of(kind: FrameKind): readonly Seen[] {
    return this.got.filter(({ header }) => header.kind === kind);
  }
}

export const everything: readonly Permission[] = ['put', 'get', 'take', 'admin'];

/** A front with clients before it and a router of the test's own behind it. */
export class FrontWorld {
  readonly clock: TestClock = new TestClock();
  readonly router: TestRouter = new TestRouter();
  readonly warnings: string[] = [];
  readonly front: Front;

  constructor() {
    const note = (data: object, message: string): void => {
      this.warnings.push(`${message} ${JSON.stringify(data)}`);
    };
    const logger: Logger = { debug: () => {}, info: () => {}, warn: note, error: note };
    this.front = new Front({ router: this.router, clientId: routerId, clock: this.clock, logger });
  }

  async dial(id: ClientId = clientOne, may: readonly Permission[] = everything): Promise<TestSocket> {
    const socket = new TestSocket(id, may);
    this.front.clientUp(socket);
    await this.clock.settle();
    return socket;
  }

  /** The session is attached at the shard, by the log entry `index`. */
  async attach(
    socket: TestSocket,
    shard = 1,
    how: { readonly session?: SessionId; readonly attachment?: number; readonly index?: number } = {},
  ): Promise<void> {
    const { session = sessionOne, attachment = 1, index = 10 } = how;
    const body = encodeAttach({ session, workerId: 'w', registration: 0 });
    socket.say({ kind: 'attach', group: shard, correlation: 7, remainingMs: 2_000, body });
    const result = encodeResult({ type: 'attached', attachment, registration: 3 });
    this.router.answer('attach', 'result', result, index);
    await this.clock.settle();
  }
}

export function shardOf(number: number): Shard {
  return {
    name: `s${number}`,
    number,
    namespace: 'default',
    cluster: 'c',
    group: 'main',
    nodes: new Map([['a', 'a']]),
  };
}
