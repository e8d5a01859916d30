import { describe, expect, it } from 'vitest';
import { clientId, sessionId } from '../../src/base/ids.ts';
import { json } from '../../src/client/codec.ts';
import type { ClientLink } from '../../src/mesh/types.ts';
import { encodeBundle, splitBundle } from '../../src/wire/client-bundle.ts';
import { encodeAttach, encodeGet, readRefused } from '../../src/wire/client-frame.ts';
import { bodyOf, type ClientHeader, decodeHeader, encodeFrame } from '../../src/wire/client-header.ts';
import { encodeOperation } from '../../src/wire/queue-operation.ts';
import { resolved, testClient } from './test-client.ts';
import { everything, TestCluster, type TestSocket } from './test-cluster.ts';

const client = clientId('ab'.repeat(16));
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
const attachOf = (number: number): Buffer => {
  const session = sessionId(number.toString(16).padStart(32, '0'));
  return encodeFrame(
    { ...blank, kind: 'attach', correlation: number },
    encodeAttach({ session, workerId: '', registration: 0 }),
  );
};

async function started(): Promise<TestCluster> {
  const cluster = new TestCluster();
  cluster.lead('a');
  await cluster.clock.settle();
  return cluster;
}

/** A client made of bytes at node b, and the kinds of what it is answered. */
async function raw(cluster: TestCluster): Promise<{ socket: TestSocket; answers: Buffer[] }> {
  const socket = cluster.dial('b', client);
  const answers: Buffer[] = [];
  socket.channel.onFrame = (message) => void answers.push(...splitBundle(message));
  socket.channel.send(encodeBundle([attachOf(1)]));
  await cluster.clock.advance(10);
  answers.length = 0;
  return { socket, answers };
}

const put = (cluster: TestCluster): Buffer =>
  encodeOperation({
    type: 'put',
    queue: 'tokens',
    id: 't1',
    payload: Buffer.alloc(60_000),
    expiresAtMs: cluster.clock.wallMs() + 30_000,
    provider: 'acme',
    weight: 0,
    refreshAtMs: undefined,
    ifAbsent: false,
    ifVersion: undefined,
  });

describe('a gateway whose time is over', () => {
  for (const loss of ['nothing', 'the way', 'the leader'] as const) {
    it(`says unknown, not refused, of what it sent and is not answered (lost: ${loss}) (P1)`, async () => {
      const cluster = await started();
      const { socket, answers } = await raw(cluster);
      cluster.fate = 'stall';
      const request: ClientHeader = { ...blank, kind: 'request', seq: 1, remainingMs: 100 };
      socket.channel.send(encodeBundle([encodeFrame(request, put(cluster))]));
      await cluster.clock.advance(50);
      if (loss === 'the way') cluster.cut('a', 'b');
      if (loss === 'the leader') cluster.lead(undefined);
      await cluster.clock.advance(100);
      const kinds = answers.map((frame) => decodeHeader(frame).kind).filter((kind) => kind !== 'leader');
      expect(kinds).toEqual(['unknown']);
    });
  }
});

describe('an answer that finds the way to its gateway full', () => {
  it('waits for room: the request does not wait for its deadline', async () => {
    const cluster = await started();
    const { client } = testClient(cluster, { endpoints: ['b'] });
    const tokens = client.queue('tokens', { codec: json<string>() });
    const expiresAt = cluster.clock.wallMs() + 30_000;
    await resolved(cluster, tokens.put({ id: 't1', payload: 'x', expiresAt }));
    cluster.full.add('a/b');
    const puts = [2, 3, 4].map((number) => tokens.put({ id: `t${number}`, payload: 'x', expiresAt }));
    await cluster.clock.advance(200);
    cluster.full.delete('a/b');
    await resolved(cluster, Promise.all(puts), 50);
  });

  it('is not kept for a gateway that is cut off: that asks again', async () => {
    const cluster = await started();
    const { client } = testClient(cluster, { endpoints: ['b'] });
    const tokens = client.queue('tokens', { codec: json<string>() });
    const expiresAt = cluster.clock.wallMs() + 30_000;
    await resolved(cluster, tokens.put({ id: 't1', payload: 'x', expiresAt }));
    cluster.full.add('a/b');
    const put = tokens.put({ id: 't2', payload: 'x', expiresAt }, { ifAbsent: true });
    await cluster.clock.advance(100);
    const before = cluster.frames.length;
    cluster.cut('a', 'b');
    cluster.full.delete('a/b');
    cluster.cut('a', 'b', false);
    expect(await resolved(cluster, put, 50)).toMatchObject({ created: true });
    const passed = cluster.frames
      .slice(before)
      .map(({ from, frame }) => `${from} ${decodeHeader(frame).kind}`);
    const asked = passed.filter((frame) => frame === 'b request');
    expect(passed.filter((frame) => frame === 'a result')).toHaveLength(asked.length);
  });
});

describe('a client that asks without taking its answers', () => {
  it('costs its node a few megabytes, however much one message asks for; the rest is answered when it reads', async () => {
    const cluster = await started();
    const { socket } = await raw(cluster);
    const request: ClientHeader = { ...blank, kind: 'request', seq: 1 };
    socket.channel.send(encodeBundle([encodeFrame(request, put(cluster))]));
    await cluster.clock.advance(10);
    let queuedBytes = 0;
    let answerCount = 0;
    const link: ClientLink = {
      account: 'test',
      name: 'test',
      may: everything,
      router: false,
      clientId: client,
      remoteAddress: 'test',
      send: (message) => {
        queuedBytes += message.length;
        answerCount += splitBundle(message).filter((frame) => decodeHeader(frame).kind === 'record').length;
      },
      queuedBytes: () => queuedBytes,
      pause: () => {},
      close: () => {},
      onFrame: undefined,
      onClose: undefined,
    };
    cluster.node('b').service.clientUp(link);
    const body = encodeGet({ queue: 'tokens', id: 't1', any: true, maxAgeMs: undefined });
    const get = encodeFrame({ ...blank, kind: 'get' }, body);
    link.onFrame?.(encodeBundle(new Array<Buffer>(1_000).fill(get)));
    await cluster.clock.advance(500);
    expect(queuedBytes).toBeGreaterThan(4_000_000);
    expect(queuedBytes).toBeLessThan(8_000_000);
    for (let round = 0; round < 30; round++) {
      queuedBytes = 0;
      await cluster.clock.advance(20);
    }
    expect(answerCount).toBe(1_000);
  });

  it('cannot fill the cluster with sessions: a link has a few', async () => {
    const cluster = await started();
    const { socket, answers } = await raw(cluster);
    const attaches = Array.from({ length: 200 }, (_, number) => attachOf(number + 2));
    socket.channel.send(encodeBundle(attaches));
    await cluster.clock.advance(20);
    const refused = answers.filter((frame) => decodeHeader(frame).kind === 'refused');
    expect(new Set(refused.map((frame) => readRefused(bodyOf(frame)).code))).toEqual(new Set(['BUSY']));
    expect(cluster.node('a').group.machine.state.stats('tokens').sessions).toBe(16);
    // One that is there may be attached again.
    answers.length = 0;
    socket.channel.send(encodeBundle([attachOf(1)]));
    await cluster.clock.advance(20);
    expect(answers.map((frame) => decodeHeader(frame).kind)).toEqual(['result']);
  });
});
