import { Buffer } from 'node:buffer';
import { describe, expect, it } from 'vitest';
import { shardRequestsMax } from '../../../src/client/router/types.ts';
import { encodeBundle, splitBundle } from '../../../src/wire/client-bundle.ts';
import { readRefused } from '../../../src/wire/client-frame.ts';
import { blankHeader, encodeFrame, noBucket } from '../../../src/wire/client-header.ts';
import { done, FakeOrigin, frozen, type Said } from './fake-nodes.ts';
import { elect, type TwoShards, twoShards } from './router-rig.ts';

const aTake = { bucket: noBucket, waitMs: 60_000, remainingMs: 61_000 } as const;

/** The nodes of shard `a` keep takes that wait. */
async function withTakes(): Promise<TwoShards> {
  const rig = await twoShards();
  for (const node of rig.a) node.answer = ({ header }) => (header.waitMs > 0 ? undefined : done);
  return rig;
}

describe('many takes that wait at one shard', () => {
  it('leave room for requests: waiting is not work', async () => {
    const { router, origin, a, clock } = await withTakes();
    for (let i = 0; i < shardRequestsMax; i++) origin.ask(aTake);
    await clock.advance(5);
    expect(a[0]!.requests).toHaveLength(shardRequestsMax);
    const put = origin.ask();
    await clock.advance(5);
    expect(origin.kinds(put)).toEqual(['result']);
    router.close();
  });

  it('are bounded all the same', async () => {
    const { router, origin, clock } = await withTakes();
    for (let i = 0; i < shardRequestsMax; i++) origin.ask(aTake);
    const one = origin.ask(aTake);
    await clock.advance(5);
    expect(origin.kinds(one)).toEqual(['refused']);
    expect(readRefused(origin.answers[0]!.body)).toMatchObject({ code: 'BUSY', retryAfterMs: 100 });
    router.close();
  });

  it('are found again by their request ids, also when one id is there twice', async () => {
    const { router, origin, a, clock } = await withTakes();
    const again = new FakeOrigin(router, origin.client);
    origin.ask(aTake);
    router.drop(origin);
    again.ask(aTake);
    again.ask(aTake);
    await clock.advance(5);
    again.ask({ kind: 'cancel', seq: 2, bucket: noBucket });
    again.ask({ kind: 'cancel', seq: 1, bucket: noBucket });
    await clock.advance(5);
    const cancels = a[0]!.requests.filter(({ header }) => header.kind === 'cancel');
    expect(cancels.map(({ header }) => header.seq)).toEqual([2, 1]);
    const before = a[0]!.requests.length;
    elect(a, 'n2', 2);
    await clock.advance(20);
    expect(a[0]!.requests).toHaveLength(before);
    expect(a[1]!.requests.map(({ header }) => [header.seq, header.waitMs])).toEqual([
      [1, 0],
      [2, 0],
    ]);
    router.close();
  });
});

describe('what is held for a shard', () => {
  it('keeps its own bytes and not the messages that it came in', async () => {
    const { router, origin, a, clock } = await twoShards();
    a[0]!.isDeaf = true;
    const messages: Buffer[] = [];
    const ask = (seq: number): void => {
      const header = { ...blankHeader, kind: 'request', client: origin.client, group: 1, seq } as const;
      const frames = [Buffer.from('x'), Buffer.alloc(300_000)].map((body, at) =>
        encodeFrame({ ...header, bucket: 2 * at, remainingMs: 9_000, stream: 1 }, body),
      );
      const message = encodeBundle(frames);
      const [held, other] = splitBundle(message);
      messages.push(message);
      router.submit(held!, origin);
      router.submit(other!, origin);
    };
    ask(1); // Was under way when the leader was lost.
    await clock.advance(5);
    for (const node of a) node.lead(undefined, 1);
    a[0]!.cut();
    ask(2);
    await clock.advance(5);
    expect(router.status().shards[0]).toMatchObject({ held: 2 });
    for (const message of messages) message.fill(0xff);
    elect(a, 'n2', 2);
    await clock.advance(5);
    expect(a[1]!.requests.map(({ header, body }) => [header.seq, body.toString()])).toEqual([
      [1, 'x'],
      [2, 'x'],
    ]);
    router.close();
  });
});

describe('a node that takes no frames', () => {
  it('is not sent settles without end', async () => {
    const { router, origin, a, clock } = await twoShards();
    a[0]!.queuedBytes = 8 * 1024 * 1024;
    origin.ask();
    await clock.advance(5);
    for (let i = 0; i < 100; i++) origin.ask({ kind: 'settle', bucket: noBucket });
    await clock.advance(5);
    expect(a[0]!.requests.filter(({ header }) => header.kind === 'settle')).toEqual([]);
    router.close();
  });
});

describe('a read that any replica may answer', () => {
  const stale: readonly [string, Said][] = [['frozen', frozen]];
  it.each(stale)('and whose replica is behind (%s) asks the leader, and holds nobody', async (_, said) => {
    const { router, origin, a, clock } = await twoShards();
    for (const node of a.slice(1)) node.answer = () => said;
    const read = origin.ask({ kind: 'get', any: true });
    await clock.advance(2);
    const put = origin.ask();
    await clock.advance(4);
    expect(origin.kinds(put)).toEqual(['result']);
    expect(origin.kinds(read)).toEqual(['result']);
    expect(a[0]!.requests.map(({ header }) => header.any)).not.toContain(true);
    router.close();
  });
});
