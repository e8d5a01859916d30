import { describe, expect, it } from 'vitest';
import { clientId, sessionId } from '../../src/base/ids.ts';
import { json } from '../../src/client/codec.ts';
import type { Operation } from '../../src/queue/types.ts';
import { encodeBundle, splitBundle } from '../../src/wire/client-bundle.ts';
import { encodeAttach, readRefused } from '../../src/wire/client-frame.ts';
import {
  bodyOf,
  type ClientHeader,
  decodeHeader,
  encodeFrame,
  type FrameKind,
} from '../../src/wire/client-header.ts';
import { linkCodes } from '../../src/wire/close-codes.ts';
import { encodeOperation } from '../../src/wire/queue-operation.ts';
import { decodeResult } from '../../src/wire/queue-result.ts';
import { resolved, testClient } from './test-client.ts';
import { TestCluster, type TestSocket } from './test-cluster.ts';

const client = clientId('ab'.repeat(16));
const session = sessionId('cd'.repeat(16));
const blank: Omit<ClientHeader, 'kind'> = {
  hops: 4,
  marked: false,
  any: false,
  group: 0,
  bucket: 0,
  mapVersion: 0,
  correlation: 1,
  remainingMs: 10_000,
  waitMs: 0,
  client,
  stream: 1,
  seq: 0,
  settledUpTo: 0,
};

/** A client made of bytes, attached at node b. */
async function rawClient(
  cluster: TestCluster,
): Promise<{ socket: TestSocket; answers: Buffer[]; send: (frame: Uint8Array) => void }> {
  const socket = cluster.dial('b', client);
  const answers: Buffer[] = [];
  socket.channel.onFrame = (message) => void answers.push(...splitBundle(message));
  const send = (frame: Uint8Array): void => socket.channel.send(encodeBundle([frame]));
  send(encodeFrame({ ...blank, kind: 'attach' }, encodeAttach({ session, workerId: '', registration: 0 })));
  await cluster.clock.advance(10);
  answers.length = 0;
  return { socket, answers, send };
}

async function started(): Promise<TestCluster> {
  const cluster = new TestCluster();
  cluster.lead('a');
  await cluster.clock.settle();
  return cluster;
}

function put(cluster: TestCluster, id: string, payload = 'x'): Buffer {
  const operation: Operation = {
    type: 'put',
    queue: 'tokens',
    id,
    payload: Buffer.from(payload),
    expiresAtMs: cluster.clock.wallMs() + 30_000,
    provider: 'acme',
    weight: 0,
    refreshAtMs: undefined,
    ifAbsent: false,
    ifVersion: undefined,
  };
  return encodeOperation(operation);
}

describe('bytes of a client that are no frames', () => {
  const frame = (kind: FrameKind, more: Partial<ClientHeader> = {}, body = new Uint8Array(0)): Buffer =>
    encodeFrame({ ...blank, kind, ...more }, body);
  const cases: readonly (readonly [string, Uint8Array])[] = [
    ['nothing at all', new Uint8Array(0)],
    ['garbage', new Uint8Array(200).fill(0xc1)],
    ['a bundle cut short', encodeBundle([frame('ping')]).subarray(0, 40)],
    ['an unknown version', encodeBundle([frame('ping').fill(9, 0, 1)])],
    ['an unknown kind', encodeBundle([frame('ping').fill(200, 1, 2)])],
    ['a number that is not safe', encodeBundle([frame('ping').fill(255, 48, 56)])],
    ['another client', encodeBundle([frame('ping', { client: clientId('00'.repeat(16)) })])],
    ['a mark of its own', encodeBundle([frame('ping', { marked: true })])],
    ['no hops left', encodeBundle([frame('ping', { hops: 0 })])],
    ['a frame between nodes', encodeBundle([frame('renew')])],
    ['an answer', encodeBundle([frame('result')])],
    ['a request without an operation', encodeBundle([frame('request', { seq: 1 })])],
    ['a request without a number', encodeBundle([frame('request', { seq: 0 }, Buffer.of(0x91, 4))])],
    [
      'an operation that the leader cannot read',
      encodeBundle([frame('request', { seq: 1 }, Buffer.of(0x91, 1))]),
    ],
    ['a read of nothing', encodeBundle([frame('get')])],
  ];
  for (const [name, message] of cases) {
    it(`(${name}) close its link, and nothing else`, async () => {
      const cluster = await started();
      const good = testClient(cluster, { endpoints: ['b'] }).client.queue('tokens', {
        codec: json<string>(),
      });
      await cluster.clock.advance(10);
      const { socket } = await rawClient(cluster);
      socket.channel.send(message);
      await cluster.clock.advance(10);
      expect(socket.closedWith).toBe(linkCodes.badFrame);
      expect(cluster.warnings).toHaveLength(1);
      const expiresAt = cluster.clock.wallMs() + 30_000;
      expect(await resolved(cluster, good.put({ id: 't', payload: 'p', expiresAt }))).toMatchObject({
        created: true,
      });
    });
  }
});

describe('a request id', () => {
  it('that comes again gets the same answer and changes nothing', async () => {
    const cluster = await started();
    const { answers, send } = await rawClient(cluster);
    const body = put(cluster, 't1');
    for (const correlation of [7, 8]) {
      send(encodeFrame({ ...blank, kind: 'request', correlation, seq: 1 }, body));
      await cluster.clock.advance(10);
    }
    expect(answers.map((answer) => decodeHeader(answer).correlation)).toEqual([7, 8]);
    expect(answers.map((answer) => decodeResult(bodyOf(answer)))).toEqual(
      Array(2).fill({ type: 'put', version: 1, created: true }),
    );
  });

  it('that comes again with another body is refused', async () => {
    const cluster = await started();
    const { answers, send } = await rawClient(cluster);
    send(encodeFrame({ ...blank, kind: 'request', seq: 1 }, put(cluster, 't1')));
    send(encodeFrame({ ...blank, kind: 'request', seq: 1 }, put(cluster, 't2')));
    await cluster.clock.advance(10);
    expect(answers.map((answer) => decodeResult(bodyOf(answer)))).toMatchObject([
      { type: 'put' },
      { type: 'refused', code: 'REQUEST_ID_REUSED' },
    ]);
  });

  it('at or below what is settled is refused, never applied', async () => {
    const cluster = await started();
    const { answers, send } = await rawClient(cluster);
    send(encodeFrame({ ...blank, kind: 'request', seq: 5, settledUpTo: 4 }, put(cluster, 't1')));
    send(encodeFrame({ ...blank, kind: 'request', seq: 3, settledUpTo: 0 }, put(cluster, 't2')));
    await cluster.clock.advance(10);
    expect(decodeResult(bodyOf(answers[1] ?? Buffer.alloc(0)))).toMatchObject({ code: 'REQUEST_SETTLED' });
  });

  it('whose time is over is not appended', async () => {
    const cluster = await started();
    const { answers, send } = await rawClient(cluster);
    const proposals = cluster.proposalCount;
    send(encodeFrame({ ...blank, kind: 'request', seq: 1, remainingMs: 0 }, put(cluster, 't1')));
    await cluster.clock.advance(10);
    expect(readRefused(bodyOf(answers[0] ?? Buffer.alloc(0))).code).toBe('DEADLINE_EXCEEDED');
    expect(cluster.proposalCount).toBe(proposals);
  });

  it('with a payload that is too large is refused before it is appended', async () => {
    const cluster = await started();
    const { answers, send } = await rawClient(cluster);
    const proposals = cluster.proposalCount;
    send(encodeFrame({ ...blank, kind: 'request', seq: 1 }, put(cluster, 't1', 'x'.repeat(65_537))));
    await cluster.clock.advance(10);
    expect(readRefused(bodyOf(answers[0] ?? Buffer.alloc(0))).code).toBe('TOO_LARGE');
    expect(cluster.proposalCount).toBe(proposals);
  });
});

describe('payloads', () => {
  it('appear in no warning and no error (canary)', async () => {
    const cluster = await started();
    // Short: a parser's message quotes only the first few characters.
    const canary = 'cnry7';
    const tokens = testClient(cluster, { endpoints: ['b'] }).client.queue('tokens', {
      codec: json<unknown>(),
    });
    const errors: unknown[] = [];
    const note = (error: unknown): void => void errors.push(error);
    const expiresAt = cluster.clock.wallMs() + 30_000;
    const cyclic: { self?: unknown; secret: string } = { secret: canary };
    cyclic.self = cyclic;
    void tokens.put({ id: 't1', payload: canary, expiresAt }).catch(note);
    void tokens.put({ id: 't1', payload: canary, expiresAt }, { ifVersion: 77 }).catch(note);
    void tokens.put({ id: 't2', payload: canary.repeat(14_000), expiresAt }).catch(note);
    void tokens.put({ id: 't3', payload: cyclic, expiresAt }).catch(note);
    void tokens.put({ id: 't4', payload: canary, expiresAt: Number.NaN }).catch(note);
    await cluster.clock.advance(50);
    const raw = testClient(cluster, { endpoints: ['b'], seed: 3 }).client.queue('tokens');
    await resolved(cluster, raw.put({ id: 't5', payload: Buffer.from(`${canary} is not json`), expiresAt }));
    void tokens.get('t5').catch(note);
    await cluster.clock.advance(50);
    cluster.fate = 'lose';
    void tokens.put({ id: 't6', payload: canary, expiresAt }, { timeoutMs: 500 }).catch(note);
    await cluster.clock.advance(1_000);
    const { send } = await rawClient(cluster);
    send(
      encodeFrame(
        { ...blank, kind: 'request', seq: 9 },
        Buffer.from([0x92, 1, 0xd9, 5, ...Buffer.from(canary)]),
      ),
    );
    await cluster.clock.advance(50);
    expect(errors.length).toBeGreaterThanOrEqual(5);
    const told = errors.map((error) =>
      error instanceof Error ? `${error.stack} ${JSON.stringify(error)}` : String(error),
    );
    expect([...told, ...cluster.warnings].filter((text) => text.includes(canary))).toEqual([]);
  });
});
