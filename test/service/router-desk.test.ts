import { describe, expect, it } from 'vitest';
import { groupId } from '../../src/base/ids.ts';
import type { Permission } from '../../src/mesh/types.ts';
import { encodeBundle } from '../../src/wire/client-bundle.ts';
import {
  encodeAttach,
  encodeDetach,
  encodeGet,
  encodeQueueName,
  readLeader,
  readRefused,
} from '../../src/wire/client-frame.ts';
import type { ClientHeader, FrameKind } from '../../src/wire/client-header.ts';
import { linkCodes } from '../../src/wire/close-codes.ts';
import { groupCode } from '../../src/wire/group-code.ts';
import { decodeRecord, decodeResult } from '../../src/wire/queue-result.ts';
import { idOf, proxy, putOf, RawRouter, routed, routerId, sessionOf, takeOf } from './raw-router.ts';
import { everything, TestCluster } from './test-cluster.ts';

async function started(others: readonly string[] = []): Promise<TestCluster> {
  const cluster = new TestCluster(['a', 'b', 'c'], others);
  cluster.lead('a');
  await cluster.clock.settle();
  return cluster;
}
const east = groupCode(groupId('east'));
const client = idOf(1);
const get = encodeGet({ queue: 'tokens', id: 't1', any: false, maxAgeMs: undefined });

describe('a router at a node', () => {
  it('is told of the leader of each group that the node hosts, at once and at each change', async () => {
    const cluster = await started(['east']);
    cluster.logs.get('east')?.lead('c');
    const router = new RawRouter(cluster, 'b');
    await cluster.clock.advance(5);
    cluster.logs.get('east')?.lead('a');
    cluster.lead(undefined);
    await cluster.clock.advance(5);
    const told = router.frames.map(({ header, body }) => ({ group: header.group, ...readLeader(body) }));
    expect(router.kinds).toEqual(Array(4).fill('leader'));
    expect(told).toEqual([
      { group: 0, leaderId: 'a', term: 1 },
      { group: east, leaderId: 'c', term: 1 },
      { group: east, leaderId: 'a', term: 2 },
      { group: 0, leaderId: undefined, term: 1 },
    ]);
  });

  it('is answered by the leader with its own numbers, for whichever client it speaks', async () => {
    const cluster = await started();
    const router = new RawRouter(cluster, 'a');
    await router.attach(client, 1);
    const ids = { correlation: 77, client, stream: 9, seq: 4 };
    const [answer] = await router.ask(routed({ kind: 'request', ...ids }, putOf(cluster, 't1')));
    expect(answer?.header).toMatchObject({ kind: 'result', group: 0, ...ids, settledUpTo: 3 });
    expect(decodeResult(answer?.body ?? Buffer.alloc(0))).toMatchObject({ type: 'put', created: true });
  });

  it('is answered notLeader by every other node, and its frames go no further (P2)', async () => {
    const cluster = await started();
    const router = new RawRouter(cluster, 'b');
    const frames: readonly (readonly [FrameKind, Uint8Array])[] = [
      ['request', putOf(cluster, 't1')],
      ['get', get],
      ['stats', encodeQueueName('tokens')],
      ['ownership', new Uint8Array(0)],
    ];
    await cluster.clock.advance(5);
    for (const [kind, body] of frames) {
      const answers = await router.ask(routed({ kind, client, seq: 1 }, body));
      expect(
        answers.map(({ header }) => header.kind),
        kind,
      ).toEqual(['notLeader']);
      expect(readLeader(answers[0]?.body ?? Buffer.alloc(0))).toEqual({ leaderId: 'a', term: 1 });
    }
    for (const kind of ['renew', 'cancel', 'settle'] as const) {
      const body = kind === 'renew' ? Buffer.of(0x90) : encodeQueueName('tokens');
      expect(await router.ask(routed({ kind, client }, body)), kind).toEqual([]);
    }
    expect(cluster.frames).toEqual([]);
    expect(router.socket.closedWith).toBeUndefined();
  });

  it('reaches each group by its code, and none by another', async () => {
    const cluster = await started(['east']);
    cluster.logs.get('east')?.lead('a');
    const router = new RawRouter(cluster, 'a');
    await router.attach(client, 1, { group: east });
    const put = { kind: 'request', client, stream: 1, seq: 1 } as const;
    const [answer] = await router.ask(routed({ ...put, group: east }, putOf(cluster, 't1')));
    expect(answer?.header).toMatchObject({ kind: 'result', group: east });
    const [, inEast] = cluster.node('a').groups;
    expect(inEast?.machine.state.get('tokens', 't1')).toBeDefined();
    expect(cluster.node('a').group.machine.state.get('tokens', 't1')).toBeUndefined();
    const [lost, ...more] = await router.ask(
      routed({ ...put, group: 12_345 }, putOf(cluster, 't1')),
      routed({ kind: 'settle', client, group: 12_345 }),
    );
    expect(more).toEqual([]);
    const refused = readRefused(lost?.body ?? Buffer.alloc(0));
    expect(refused).toMatchObject({ code: 'UNKNOWN_GROUP', message: expect.stringContaining('main, east') });
    expect(router.socket.closedWith).toBeUndefined();
  });

  it('reads from the replica at hand when any will do, with its age; from no replica that is too old', async () => {
    const cluster = await started();
    const leader = new RawRouter(cluster, 'a');
    await leader.attach(client, 1);
    await leader.ask(routed({ kind: 'request', client, stream: 1, seq: 1 }, putOf(cluster, 't1')));
    const router = new RawRouter(cluster, 'b');
    await cluster.clock.advance(500);
    const young = encodeGet({ queue: 'tokens', id: 't1', any: true, maxAgeMs: 100 });
    const [fits] = await router.ask(routed({ kind: 'get', client, any: true }, get));
    const record = decodeRecord(fits?.body ?? Buffer.alloc(0));
    expect(record.task?.id).toBe('t1');
    expect(record.ageMs).toBeGreaterThanOrEqual(500);
    const [late] = await router.ask(routed({ kind: 'get', client, any: true }, young));
    expect(late?.header.kind).toBe('notLeader');
    // Without the flag in the header it is a read of the leader's, whatever the body says.
    const [strict] = await router.ask(routed({ kind: 'get', client }, young));
    expect(strict?.header.kind).toBe('notLeader');
  });

  it('may have thousands of requests under way, and as many takes that wait do not stop the rest', async () => {
    const cluster = await started();
    const router = new RawRouter(cluster, 'a');
    const paused: boolean[] = [];
    router.socket.link.pause = (value) => void paused.push(value);
    await router.attach(client, 1);
    const wait = { kind: 'request', client, waitMs: 20_000, remainingMs: 30_000 } as const;
    const takes = (first: number, count: number): Buffer[] =>
      Array.from({ length: count }, (_, at) =>
        routed({ ...wait, stream: 1 + ((first + at) >> 9), seq: 1 + ((first + at) & 511) }, takeOf(1)),
      );
    await router.ask(...takes(0, 20_000));
    const [answer] = await router.ask(routed({ kind: 'stats', client }, encodeQueueName('tokens')));
    expect(answer?.header.kind).toBe('statsResult');
    expect(paused).toEqual([]);
    const refused = await router.ask(...takes(20_000, 12_769));
    expect(refused.map(({ header }) => header.kind)).toEqual(['refused']);
    expect(readRefused(refused[0]?.body ?? Buffer.alloc(0)).code).toBe('BUSY');
  });

  it('is read no further with too many requests under way', async () => {
    const cluster = await started();
    const router = new RawRouter(cluster, 'a');
    const paused: boolean[] = [];
    router.socket.link.pause = (value) => void paused.push(value);
    await cluster.clock.advance(5);
    cluster.fate = 'stall';
    const put = putOf(cluster, 't1');
    const many = Array.from({ length: 17_000 }, (_, at) =>
      routed({ kind: 'request', client, stream: 1, seq: at + 1 }, put),
    );
    await router.ask(...many);
    expect(paused).toEqual([true]);
    expect(cluster.proposalCount).toBeLessThanOrEqual(16_384 + 32);
  });
});

describe('a router that misbehaves', () => {
  const faults: readonly (readonly [
    string,
    Partial<ClientHeader> & { kind: FrameKind },
    ReadonlySet<Permission>,
  ])[] = [
    ['without a mark', { kind: 'stats', marked: false }, proxy],
    ['with an answer', { kind: 'result' }, proxy],
    ['with a push', { kind: 'leader' }, proxy],
  ];
  for (const [name, header, may] of faults) {
    it(`(${name}) loses its link, and nobody else anything`, async () => {
      const cluster = await started();
      const good = new RawRouter(cluster, 'a', proxy, idOf(5));
      const bad = new RawRouter(cluster, 'a', may);
      await bad.ask(routed(header, encodeQueueName('tokens')));
      expect(bad.socket.closedWith).toBe(linkCodes.badFrame);
      const [answer] = await good.ask(routed({ kind: 'stats', client }, encodeQueueName('tokens')));
      expect(answer?.header.kind).toBe('statsResult');
    });
  }

  it('with the frame of a plain client does not make one of it', async () => {
    const cluster = await started();
    const plain = cluster.dial('a', routerId);
    plain.channel.send(encodeBundle([routed({ kind: 'renew', marked: false }, Buffer.of(0x90))]));
    await cluster.clock.advance(5);
    expect(plain.closedWith).toBe(linkCodes.badFrame);
  });

  const bodies: readonly (readonly [string, Partial<ClientHeader> & { kind: FrameKind }, Uint8Array])[] = [
    ['no operation', { kind: 'request', seq: 1 }, Buffer.of(0xc1)],
    ['an operation without a number', { kind: 'request', seq: 0 }, takeOf(1)],
    ['half an operation', { kind: 'request', seq: 1 }, Buffer.of(0x91, 1)],
    ['no claim', { kind: 'claim' }, Buffer.of(0x92, 0, 0)],
    ['no read', { kind: 'get' }, Buffer.of(0x90)],
    ['no read of any replica', { kind: 'get', any: true }, Buffer.of(0x90)],
    ['no session', { kind: 'attach' }, Buffer.of(0x92, 1, 2)],
    ['no attachment', { kind: 'detach' }, Buffer.of(0xc0)],
  ];
  for (const [name, header, body] of bodies) {
    it(`by a body (${name}) costs one request its answer, not the link of all the others`, async () => {
      const cluster = await started();
      const router = new RawRouter(cluster, 'a');
      await cluster.clock.advance(5);
      const before = cluster.proposalCount;
      const [answer] = await router.ask(routed({ client, correlation: 5, ...header }, body));
      expect(answer?.header).toMatchObject({ kind: 'refused', correlation: 5, client });
      expect(readRefused(answer?.body ?? Buffer.alloc(0)).code).toBe('PROTOCOL');
      expect(cluster.proposalCount).toBe(before);
      for (const kind of ['renew', 'cancel'] as const) {
        expect(await router.ask(routed({ kind, client }, Buffer.of(0xc1)))).toEqual([]);
      }
      expect(router.socket.closedWith).toBeUndefined();
    });
  }

  it('by speaking for another client without `proxy` is told so, and nothing of it comes to the log', async () => {
    const cluster = await started();
    const router = new RawRouter(cluster, 'a', everything);
    const attachment = await router.attach(routerId, 1);
    const before = cluster.proposalCount;
    const frames = [
      routed({ kind: 'request', client, seq: 1 }, putOf(cluster, 't1')),
      routed(
        { kind: 'attach', client },
        encodeAttach({ session: sessionOf(2), workerId: '', registration: 0 }),
      ),
      routed({ kind: 'detach', client }, encodeDetach({ session: sessionOf(1), attachment })),
      routed({ kind: 'get', client, any: true }, get),
      routed({ kind: 'settle', client, settledUpTo: 5 }),
      routed({ kind: 'cancel', client }, encodeQueueName('tokens')),
    ];
    const answers = await router.ask(...frames);
    expect(answers.map(({ body }) => readRefused(body))).toEqual(
      Array(4).fill({ code: 'FORBIDDEN', message: expect.stringContaining("'proxy'"), retryAfterMs: 0 }),
    );
    expect(cluster.proposalCount).toBe(before);
    expect(router.socket.closedWith).toBeUndefined();
  });

  it('with frames that were passed on too often is refused; what has no answer is dropped', async () => {
    const cluster = await started();
    const router = new RawRouter(cluster, 'a');
    await router.attach(client, 1);
    const before = cluster.proposalCount;
    const put = routed({ kind: 'request', client, stream: 1, seq: 1, hops: 0 }, putOf(cluster, 't1'));
    const answers = await router.ask(put, routed({ kind: 'settle', client, hops: 0, settledUpTo: 1 }));
    expect(answers.map(({ body }) => readRefused(body).code)).toEqual(['TOO_MANY_HOPS']);
    expect(cluster.proposalCount).toBe(before);
  });
});

describe('what a router may ask', () => {
  const body = { claim: Buffer.of(0x90), ownership: Buffer.alloc(0), stats: encodeQueueName('tokens'), get };
  const asks: readonly (readonly [
    string,
    Partial<ClientHeader> & { kind: FrameKind },
    Uint8Array,
    Permission,
  ])[] = [
    ['a claim', { kind: 'claim' }, body.claim, 'admin'],
    ['ownership', { kind: 'ownership' }, body.ownership, 'admin'],
    ['stats', { kind: 'stats' }, body.stats, 'get'],
    ['a read', { kind: 'get' }, body.get, 'get'],
    ['a read of any replica', { kind: 'get', any: true }, body.get, 'get'],
    ['a take', { kind: 'request', seq: 1 }, takeOf(1), 'take'],
  ];
  for (const [name, header, bytes, permission] of asks) {
    it(`(${name}) is refused without '${permission}' in its own secret`, async () => {
      const cluster = await started();
      const may = new Set(proxy);
      may.delete(permission);
      const router = new RawRouter(cluster, 'a', may);
      await cluster.clock.advance(5);
      const [answer] = await router.ask(routed({ client, ...header }, bytes));
      expect(readRefused(answer?.body ?? Buffer.alloc(0))).toMatchObject({
        code: 'FORBIDDEN',
        message: expect.stringContaining(`'${permission}'`),
      });
    });
  }
});
