import { describe, expect, it } from 'vitest';
import { readRefused } from '../../../src/wire/client-frame.ts';
import { noBucket } from '../../../src/wire/client-header.ts';
import { readRedirect } from '../../../src/wire/shard-frames.ts';
import { directoryOf, done, frozen, type Received, refused, shardOf, wrongShard } from './fake-nodes.ts';
import { elect, twoGroups, twoShards } from './router-rig.ts';

const seqs = (received: readonly Received[]) => received.map(({ header }) => header.seq);
const shards = [shardOf({ name: 'a', number: 1 }), shardOf({ name: 'b', number: 2 })];

describe('a bucket that another shard owns', () => {
  it('is asked for there, in order, and from then on at once', async () => {
    const { origin, a, b, clock } = await twoShards();
    a[0]!.answer = ({ header }) => (header.bucket === 0 ? wrongShard('b', 2) : done);
    for (let count = 0; count < 20; count++) origin.ask({ bucket: count % 2 });
    await clock.advance(20);
    const moved = Array.from({ length: 10 }, (_, at) => at * 2 + 1);
    expect(seqs(b[0]!.requests)).toEqual(moved);
    expect(origin.answers).toHaveLength(20);
    origin.ask({ bucket: 0 });
    await clock.advance(5);
    expect(seqs(b[0]!.requests)).toEqual([...moved, 21]);
    expect(b[0]!.requests.every(({ header }) => header.mapVersion === 1)).toBe(true);
    expect(origin.answers.at(-1)?.header).toMatchObject({ kind: 'result', group: 2 });
  });

  it('is asked for by its first request alone until the owner has answered', async () => {
    const { origin, a, b, clock } = await twoShards();
    a[0]!.answer = () => wrongShard('b', 2);
    b[0]!.answer = () => undefined;
    for (let count = 0; count < 5; count++) origin.ask({ bucket: 0 });
    await clock.advance(100);
    expect(seqs(b[0]!.requests)).toEqual([1]);
    b[0]!.answer = () => done;
    b[0]!.say(b[0]!.requests[0]!, done);
    await clock.advance(10);
    expect(seqs(b[0]!.requests)).toEqual([1, 2, 3, 4, 5]);
    expect(origin.answers.map(({ header }) => header.seq)).toEqual([1, 2, 3, 4, 5]);
  });

  it('waits for what is still in flight at the shard that gave it up', async () => {
    const { origin, a, b, clock } = await twoShards();
    a[0]!.answer = ({ header }) => (header.seq === 1 ? wrongShard('b', 2) : undefined);
    origin.ask({ bucket: 0 });
    origin.ask({ bucket: 0 });
    await clock.advance(20);
    origin.ask({ bucket: 0 });
    await clock.advance(20);
    expect(b[0]!.requests).toEqual([]);
    a[0]!.say(a[0]!.requests[1]!, done);
    await clock.advance(20);
    expect(seqs(b[0]!.requests)).toEqual([1, 3]);
    expect(origin.answers.map(({ header }) => header.seq)).toEqual([2, 1, 3]);
  });

  it('does not hold other buckets, nor other shards', async () => {
    const { origin, a, clock } = await twoShards();
    a[0]!.answer = ({ header }) => (header.bucket === 0 ? frozen : done);
    origin.ask({ bucket: 0 });
    origin.ask({ bucket: 1 });
    origin.ask({ bucket: 2 });
    await clock.advance(5);
    expect(origin.answers.map(({ header }) => header.seq)).toEqual([2, 3]);
  });

  it("is the client's to ask for again when the owner wants to see a newer map", async () => {
    const { origin, a, clock } = await twoShards();
    a[0]!.answer = ({ header }) => (header.mapVersion < 5 ? wrongShard('a', 5) : done);
    origin.ask({ bucket: 0 });
    await clock.advance(5);
    expect(origin.answers[0]?.header).toMatchObject({ kind: 'wrongShard', group: 1, correlation: 1_001 });
    expect(readRedirect(origin.answers[0]!.body)).toEqual({ owner: 'a', version: 5 });
    origin.ask({ bucket: 0, seq: 1, mapVersion: 5 });
    await clock.advance(5);
    expect(origin.kinds()).toEqual(['wrongShard', 'result']);
    expect(a[0]!.requests).toHaveLength(2);
  });

  it('is handed to the client when nobody here knows the owner', async () => {
    const { origin, a, clock } = await twoShards();
    a[0]!.answer = () => wrongShard('z', 5);
    origin.ask({ bucket: 0 });
    origin.ask({ bucket: 0 });
    await clock.advance(10);
    expect(origin.kinds()).toEqual(['wrongShard', 'wrongShard']);
  });

  it('goes on at its old owner when that one fails over before it was asked', async () => {
    const { origin, a, b, clock } = await twoShards();
    a[0]!.answer = () => undefined;
    origin.ask({ bucket: 0 });
    await clock.advance(5);
    a[0]!.crash();
    a[1]!.answer = () => wrongShard('b', 2);
    elect(a, 'n2', 2);
    await clock.advance(20);
    expect(origin.kinds()).toEqual(['result']);
    expect(seqs(b[0]!.requests)).toEqual([1]);
  });
});

describe('a bucket that nobody owns', () => {
  it('is asked for again at a pace, and served in order', async () => {
    const { origin, a, clock } = await twoShards();
    let isFrozen = true;
    a[0]!.answer = () => (isFrozen ? frozen : done);
    origin.ask({ bucket: 0 });
    origin.ask({ bucket: 0 });
    await clock.advance(100);
    origin.ask({ bucket: 0 });
    await clock.advance(100);
    const times = a[0]!.requests.slice(1).map(({ atMs }) => atMs);
    expect(times.length).toBeGreaterThan(5);
    for (const [at, time] of times.entries())
      if (at > 1) expect(time - times[at - 1]!).toBeGreaterThanOrEqual(20);
    isFrozen = false;
    await clock.advance(50);
    expect(origin.answers.map(({ header }) => [header.seq, header.kind])).toEqual([
      [1, 'result'],
      [2, 'result'],
      [3, 'result'],
    ]);
  });

  it("is the client's to ask for again after a second", async () => {
    const { origin, a, clock } = await twoShards();
    a[0]!.answer = () => frozen;
    origin.ask({ bucket: 0 });
    await clock.advance(500);
    origin.ask({ bucket: 0 });
    await clock.advance(600);
    expect(origin.answers.map(({ header }) => [header.seq, header.kind])).toEqual([[1, 'frozen']]);
    await clock.advance(500);
    expect(origin.kinds()).toEqual(['frozen', 'frozen']);
    const count = a[0]!.requests.length;
    await clock.advance(1_000);
    expect(a[0]!.requests).toHaveLength(count);
  });

  it('does not outlive the deadline of a request: it is refused, for nobody did anything', async () => {
    const { origin, a, clock } = await twoShards();
    a[0]!.answer = () => frozen;
    origin.ask({ bucket: 0, remainingMs: 190 });
    await clock.advance(300);
    expect(readRefused(origin.answers[0]!.body).code).toBe('DEADLINE_EXCEEDED');
  });
});

describe('two shards that send us to each other', () => {
  it('are never quoted as if the shard that was named had spoken: only its own word is a proof', async () => {
    const { origin, a, b, clock } = await twoShards();
    a[0]!.answer = () => wrongShard('b', 2);
    b[0]!.answer = () => wrongShard('a', 2);
    for (let count = 0; count < 4; count++) origin.ask({ bucket: 0 });
    await clock.advance(1_500);
    expect(origin.kinds()).toEqual(['wrongShard', 'wrongShard', 'wrongShard', 'wrongShard']);
    const words = origin.answers.map(({ header, body }) => [header.group, readRedirect(body).owner]);
    expect(words.filter(([group, owner]) => owner === (group === 1 ? 'a' : 'b'))).toEqual([]);
  });

  it('are asked at a pace, and then the client is told', async () => {
    const { origin, a, b, clock } = await twoShards();
    let version = 1;
    a[0]!.answer = () => wrongShard('b', ++version);
    b[0]!.answer = () => wrongShard('a', ++version);
    origin.ask({ bucket: 0 });
    await clock.advance(900);
    expect(a[0]!.requests.length + b[0]!.requests.length).toBeLessThan(110);
    expect(origin.answers).toEqual([]);
    await clock.advance(300);
    expect(origin.kinds()).toEqual(['wrongShard']);
  });
});

describe('a map that is swapped', () => {
  it('sends what was held to the new owner, behind what the old one may have', async () => {
    const { router, origin, a, b, groupA, groupB, clock, told } = await twoGroups();
    groupA.answerRequest = () => undefined;
    origin.ask({ bucket: 0 });
    await clock.advance(5);
    const reload = router.reload(directoryOf(2, shards, [2, 1, 2, 2]));
    await clock.advance(1);
    origin.ask({ bucket: 0 });
    await clock.advance(50);
    await reload;
    expect([told.mapChanges, groupA.owned(), groupB.owned()]).toEqual([1, [1], [0, 2, 3]]);
    origin.ask({ bucket: 0 });
    await clock.advance(50);
    expect(seqs(b[0]!.requests.filter(isRequest))).toEqual([]);
    groupA.answerRequest = ({ header }) => (header.bucket === 0 ? wrongShard('b', 2) : done);
    a[0]!.crash();
    elect(a, 'n2', 2);
    await clock.advance(50);
    expect(seqs(b[0]!.requests.filter(isRequest))).toEqual([1, 2, 3]);
    expect(origin.answers.map(({ header }) => header.seq)).toEqual([1, 2, 3]);
  });

  it('keeps asking the old owner when this router may not tell groups what they own', async () => {
    const { router, origin, a, b, clock } = await twoShards();
    for (const node of [...a, ...b])
      node.answer = ({ header }) => (header.kind === 'ownership' ? refused('FORBIDDEN') : done);
    const reload = router.reload(directoryOf(2, shards, [2, 1, 2, 2]));
    await clock.advance(50);
    await reload;
    origin.ask({ bucket: 0 });
    await clock.advance(10);
    expect(seqs(a[0]!.requests.filter(isRequest))).toEqual([1]);
    a[0]!.answer = () => wrongShard('b', 2);
    origin.ask({ bucket: 0 });
    await clock.advance(20);
    expect(seqs(b[0]!.requests.filter(isRequest))).toEqual([2]);
  });

  it('dials new addresses and leaves old ones, with nothing lost', async () => {
    const { router, network, origin, a, clock } = await twoShards();
    const [n4] = network.add('a', ['n4']);
    for (const node of [...a, n4!]) node.lead('n1', 1);
    const grown = [shardOf({ name: 'a', number: 1, ids: ['n1', 'n4'] }), shards[1]!];
    const reload = router.reload(directoryOf(2, grown, [1, 1, 2, 2]));
    await clock.advance(10);
    await reload;
    await clock.advance(10);
    expect(router.status().shards[0]?.nodes.map(({ id, connected }) => [id, connected])).toEqual([
      ['n1', true],
      ['n4', true],
    ]);
    expect(a[1]!.received.at(-1)?.header.kind).toBe('move');
    origin.ask();
    await clock.advance(5);
    expect(origin.kinds()).toEqual(['result']);
  });
});

describe('explain', () => {
  it('says bucket, shard, leader and what waits, in fields and in one sentence', async () => {
    const { router, a, origin, clock } = await twoShards();
    const told = router.explain('tokens', 'user-1');
    const inWords = `user-1 of default is in bucket ${told.bucket}, which ${told.shard} owns; n1 leads it in term 1, and its requests are sent at once`;
    expect(told).toMatchObject({
      namespace: 'default',
      mapVersion: 1,
      leaderId: 'n1',
      term: 1,
      state: 'open',
      held: 0,
    });
    expect(told.summary).toBe(inWords);
    a[0]!.crash();
    origin.ask({ bucket: noBucket });
    await clock.advance(5);
    const key = ['k1', 'k2', 'k3', 'k4', 'k5', 'k6', 'k7'].find(
      (each) => router.explain('x', each).shard === 'a',
    );
    expect(router.explain('x', key!)).toMatchObject({ state: 'holding', leaderId: undefined, held: 1 });
    expect(() => router.explain('x', '')).toThrow('key');
  });
});

function isRequest({ header }: Received): boolean {
  return header.kind === 'request';
}
