import { describe, expect, it } from 'vitest';
import { encodeBundle, splitBundle } from '../../src/wire/client-bundle.ts';
import { encodeGet, encodeQueueName, readRefused } from '../../src/wire/client-frame.ts';
import { bodyOf, decodeHeader, noBucket } from '../../src/wire/client-header.ts';
import { encodeCommand } from '../../src/wire/queue-codec.ts';
import { encodeOperation } from '../../src/wire/queue-operation.ts';
import { decodeResult } from '../../src/wire/queue-result.ts';
import { type ClaimBody, encodeClaim, readOwnership, readRedirect } from '../../src/wire/shard-frames.ts';
import { idOf, map, putOf, type RawFrame, RawRouter, routed } from './raw-router.ts';
import { TestCluster } from './test-cluster.ts';

const client = idOf(1);
const own = (version: number, epoch: number): ClaimBody => ({
  type: 'own',
  map: { ...map, version, digest: version },
  shard: 'east',
  ranges: [{ from: 0, to: 0, epoch }],
});
const disown = (version: number): ClaimBody => ({
  type: 'disown',
  map: { ...map, version, digest: version },
  to: 'west',
  ranges: [{ from: 0, to: 0 }],
});
const get = encodeGet({ queue: 'tokens', id: 't1', any: false, maxAgeMs: undefined });

async function started(): Promise<{ cluster: TestCluster; router: RawRouter }> {
  const cluster = new TestCluster();
  cluster.lead('a');
  const router = new RawRouter(cluster, 'a');
  await router.attach(client, 1);
  return { cluster, router };
}
async function claim(router: RawRouter, body: ClaimBody): Promise<string> {
  const [answer] = await router.ask(routed({ kind: 'claim', client }, encodeClaim(body)));
  expect(answer?.header.kind).toBe('result');
  const result = decodeResult(answer?.body ?? Buffer.alloc(0));
  return result.type === 'refused' ? result.code : result.type;
}
const redirectOf = (frame: RawFrame | undefined): object => ({
  kind: frame?.header.kind,
  ...readRedirect(frame?.body ?? Buffer.alloc(0)),
});
const put = (cluster: TestCluster, seq: number, mapVersion: number): Buffer =>
  routed({ kind: 'request', client, stream: 1, seq, mapVersion }, putOf(cluster, 't1'));

describe('a claim', () => {
  it('goes into the log, and the ownership that is read afterwards holds it', async () => {
    const { router } = await started();
    const read = async () => {
      const [answer] = await router.ask(routed({ kind: 'ownership', client }));
      expect(answer?.header.kind).toBe('ownershipResult');
      return readOwnership(answer?.body ?? Buffer.alloc(0));
    };
    expect(await read()).toMatchObject({ map: undefined, owned: [] });
    expect(await claim(router, own(1, 1))).toBe('owned');
    expect(await read()).toMatchObject({ shard: 'east', owned: [{ from: 0, to: 0, epoch: 1 }] });
    expect(await claim(router, disown(2))).toBe('disowned');
    expect(await read()).toMatchObject({ owned: [], ceded: [{ from: 0, to: 0, epoch: 1, owner: 'west' }] });
    expect(await claim(router, own(1, 3))).toBe('LOWER_VERSION');
  });
});

describe('a claim of the largest map', () => {
  it('fits into the log and its answer into a frame when every bucket is a range of its own; all replicas agree', async () => {
    const { cluster, router } = await started();
    const large = { ...map, bucketCount: 65_536 };
    const odd = Array.from({ length: 32_768 }, (_, at) => ({ from: 2 * at + 1, to: 2 * at + 1 }));
    const even = odd.map(({ from }, at) => ({ from: from - 1, to: from - 1, epoch: 1 + (at % 2) }));
    expect(await claim(router, { type: 'own', map: large, shard: 'east', ranges: even })).toBe('owned');
    expect(await claim(router, { type: 'disown', map: large, to: 'west', ranges: odd })).toBe('disowned');
    const [answer] = await router.ask(routed({ kind: 'ownership', client }));
    expect(answer?.body.length).toBeLessThan(2 * 1024 * 1024);
    const body = readOwnership(answer?.body ?? Buffer.alloc(0));
    expect([body.owned.length, body.ceded.length]).toEqual([32_768, 32_768]);
    const digests = [...cluster.nodes.values()].map(({ group }) => group.machine.digest());
    expect(new Set(digests).size).toBe(1);
  });
});

describe('a request for a key that is not here', () => {
  it('is told who owns it, or that nobody knows yet; it was not applied and may be asked again', async () => {
    const { cluster, router } = await started();
    const [unsharded] = await router.ask(put(cluster, 1, 1));
    expect(redirectOf(unsharded)).toEqual({ kind: 'frozen', owner: undefined, version: 0 });
    await claim(router, disown(2));
    const [ceded] = await router.ask(put(cluster, 1, 1));
    expect(redirectOf(ceded)).toEqual({ kind: 'wrongShard', owner: 'west', version: 2 });
    expect(ceded?.header).toMatchObject({
      client,
      stream: 1,
      seq: 1,
      settledUpTo: cluster.main.entries.length,
    });
    expect(await claim(router, own(3, 1))).toBe('owned');
    const [served] = await router.ask(put(cluster, 1, 3));
    expect(served?.header.kind).toBe('result');
  });

  it('is told so when it reads, at the leader and at the replica next door', async () => {
    const { cluster, router } = await started();
    const atB = new RawRouter(cluster, 'b');
    await claim(router, disown(2));
    for (const mapVersion of [0, 1, 2]) {
      const strict = await router.ask(routed({ kind: 'get', client, mapVersion }, get));
      const any = await atB.ask(routed({ kind: 'get', client, mapVersion, any: true }, get));
      for (const [frame] of [strict, any]) {
        expect(redirectOf(frame)).toEqual({ kind: 'wrongShard', owner: 'west', version: 2 });
      }
    }
    const [stats] = await router.ask(routed({ kind: 'stats', client }, encodeQueueName('tokens')));
    expect(stats?.header.kind).toBe('statsResult');
  });

  for (const node of ['a', 'b']) {
    it(`passes through the gateway of a plain client at node ${node} as it is`, async () => {
      const { cluster, router } = await started();
      await claim(router, disown(2));
      const plain = cluster.dial(node, client);
      const answers: Buffer[] = [];
      plain.channel.onFrame = (message) => void answers.push(...splitBundle(message));
      for (const frame of [
        routed({ kind: 'request', client, stream: 1, seq: 1, marked: false }, putOf(cluster, 't1')),
        routed(
          { kind: 'get', client, marked: false },
          encodeGet({ queue: 'tokens', id: 't1', any: true, maxAgeMs: undefined }),
        ),
      ])
        plain.channel.send(encodeBundle([frame]));
      await cluster.clock.advance(10);
      const redirects = answers.filter((frame) => decodeHeader(frame).kind === 'wrongShard');
      expect(redirects.map((frame) => readRedirect(bodyOf(frame)).owner)).toEqual(['west', 'west']);
    });
  }

  it('of which an earlier attempt may be applied is unknown to its gateway, not redirected (P1)', async () => {
    const { cluster } = await started();
    const plain = cluster.dial('b', client);
    const kinds: string[] = [];
    plain.channel.onFrame = (message) =>
      void kinds.push(...splitBundle(message).map((frame) => decodeHeader(frame).kind));
    cluster.fate = 'lose';
    const request = routed(
      { kind: 'request', client, stream: 1, seq: 1, marked: false },
      putOf(cluster, 't1'),
    );
    plain.channel.send(encodeBundle([request]));
    await cluster.clock.advance(10);
    cluster.main.commit(cluster.node('a').group, [encodeCommand({ type: 'claim', claim: disown(2) })]);
    cluster.lead('a');
    await cluster.clock.advance(10);
    expect(kinds.filter((kind) => kind !== 'leader')).toEqual(['unknown']);
  });
});

describe('a frame that names another bucket than that of its key', () => {
  const four = { ...map, bucketCount: 4 };
  const bucket = { t1: 3, user1: 1 } as const;

  async function shared(): Promise<{ cluster: TestCluster; router: RawRouter }> {
    const { cluster, router } = await started();
    const gone = [{ from: bucket.t1, to: bucket.t1 }];
    expect(await claim(router, { type: 'disown', map: four, to: 'west', ranges: gone })).toBe('disowned');
    const here = [{ from: 0, to: 2, epoch: 1 }];
    expect(await claim(router, { type: 'own', map: four, shard: 'east', ranges: here })).toBe('owned');
    return { cluster, router };
  }
  const refusal = (frame: RawFrame | undefined) =>
    frame?.header.kind === 'refused' ? readRefused(frame.body).code : frame?.header.kind;

  it('sends nobody elsewhere: routers would take it for word of that bucket, for all their clients', async () => {
    const { cluster, router } = await shared();
    const ids = { client, stream: 1, mapVersion: 1 };
    const honest = routed({ kind: 'request', ...ids, seq: 1, bucket: bucket.t1 }, putOf(cluster, 't1'));
    expect(redirectOf((await router.ask(honest))[0])).toMatchObject({ kind: 'wrongShard', owner: 'west' });
    for (const [seq, wrong] of [bucket.user1, 0, 4, noBucket].entries()) {
      const lie = routed({ kind: 'request', ...ids, seq: 2 + seq, bucket: wrong }, putOf(cluster, 't1'));
      expect(refusal((await router.ask(lie))[0])).toBe('UNKNOWN_GROUP');
    }
    const unsharded = { ...ids, mapVersion: 0, seq: 9, bucket: bucket.user1 };
    const older = await router.ask(routed({ kind: 'request', ...unsharded }, putOf(cluster, 't1')));
    expect(refusal(older[0])).toBe('UNKNOWN_GROUP');
  });

  it('is refused as a read and as a question, too, by leader and replica', async () => {
    const { cluster, router } = await shared();
    const atB = new RawRouter(cluster, 'b');
    const lie = { client, mapVersion: 1, bucket: bucket.user1 };
    expect(refusal((await router.ask(routed({ kind: 'get', ...lie }, get)))[0])).toBe('UNKNOWN_GROUP');
    const any = await atB.ask(routed({ kind: 'get', ...lie, any: true }, get));
    expect(refusal(any[0])).toBe('UNKNOWN_GROUP');
    const question = encodeOperation({ type: 'resolve', queue: 'tokens', id: 't1' });
    const asked = await router.ask(routed({ kind: 'request', ...lie, stream: 1, seq: 1 }, question));
    expect(refusal(asked[0])).toBe('UNKNOWN_GROUP');
  });
});

describe('a word that answers are not needed any more', () => {
  it('goes into the log once at a time per stream, the newest last, and nobody is answered', async () => {
    const { cluster, router } = await started();
    for (const seq of [1, 2, 3]) await router.ask(put(cluster, seq, 0));
    const before = cluster.proposalCount;
    const settles = [1, 2, 3].map((settledUpTo) =>
      routed({ kind: 'settle', client, stream: 1, settledUpTo }),
    );
    const many = Array.from({ length: 50 }, () => settles).flat();
    expect(await router.ask(...many, routed({ kind: 'settle', client, stream: 2, settledUpTo: 9 }))).toEqual(
      [],
    );
    expect(cluster.proposalCount - before).toBe(3);
    const [again] = await router.ask(put(cluster, 3, 0));
    expect(decodeResult(again?.body ?? Buffer.alloc(0))).toMatchObject({ code: 'REQUEST_SETTLED' });
  });

  it('is carried for a plain client by its gateway', async () => {
    const { cluster, router } = await started();
    await router.ask(put(cluster, 1, 0));
    const plain = cluster.dial('b', client);
    plain.channel.send(
      encodeBundle([routed({ kind: 'settle', client, stream: 1, settledUpTo: 1, marked: false })]),
    );
    await cluster.clock.advance(10);
    const [again] = await router.ask(put(cluster, 1, 0));
    expect(decodeResult(again?.body ?? Buffer.alloc(0))).toMatchObject({ code: 'REQUEST_SETTLED' });
  });
});
