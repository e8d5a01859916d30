import { Buffer } from 'node:buffer';
import { describe, expect, it } from 'vitest';
import { clientId } from '../../../src/base/ids.ts';
import { readRefused } from '../../../src/wire/client-frame.ts';
import { noBucket, noDeadlineMs } from '../../../src/wire/client-header.ts';
import { encodeResult } from '../../../src/wire/queue-result.ts';
import { done, FakeOrigin, notLeader, type Received, refused, unknown, wrongShard } from './fake-nodes.ts';
import { elect, twoShards } from './router-rig.ts';

const seqs = (received: readonly Received[]) => received.map(({ header }) => header.seq);

describe('a frame on its way', () => {
  it('goes to the leader marked, for its group, with one hop less, and is otherwise untouched', async () => {
    const { origin, a, clock } = await twoShards();
    origin.ask({ bucket: 1, mapVersion: 1, group: 1, body: Buffer.from('opaque') });
    await clock.advance(5);
    const [request] = a[0]!.requests;
    expect(request?.header).toMatchObject({
      marked: true,
      group: 0,
      hops: 3,
      bucket: 1,
      mapVersion: 1,
      stream: 1,
      seq: 1,
    });
    expect(request?.body.toString()).toBe('opaque');
    expect(origin.answers[0]?.header).toMatchObject({
      kind: 'result',
      correlation: 1_001,
      group: 1,
      settledUpTo: 7,
    });
  });

  it("goes where the router's own map says, and the answer names the shard that gave it", async () => {
    const { origin, b, clock } = await twoShards();
    origin.ask({ bucket: 3, group: 1 });
    await clock.advance(5);
    expect(b[0]!.requests).toHaveLength(1);
    expect(origin.answers[0]?.header).toMatchObject({ kind: 'result', group: 2 });
  });

  it('without a key goes to the shard that it names', async () => {
    const { origin, b, clock } = await twoShards();
    origin.ask({ bucket: noBucket, group: 2 });
    await clock.advance(5);
    expect(seqs(b[0]!.requests)).toEqual([1]);
  });

  it('that is redirected without a bucket goes back to its sender, and disturbs no other', async () => {
    const { origin, a, clock } = await twoShards();
    a[0]!.answer = ({ header }) => (header.bucket === noBucket ? wrongShard('b', 1) : done);
    origin.ask({ bucket: noBucket, group: 1, remainingMs: noDeadlineMs });
    await clock.advance(1);
    for (let i = 0; i < 20; i++) origin.ask({ bucket: 1, group: 1 });
    await clock.advance(5);
    expect(origin.answers.map(({ header }) => header.kind)).toEqual([
      'wrongShard',
      ...Array<string>(20).fill('result'),
    ]);
    expect(a[0]!.requests).toHaveLength(21);
  });

  it("carries the client's map version, whatever the router's is", async () => {
    const { origin, a, clock } = await twoShards();
    origin.ask({ mapVersion: 77 });
    await clock.advance(5);
    expect(a[0]!.requests[0]?.header.mapVersion).toBe(77);
  });

  it('loses the time that it was held, and never the word for "as long as it takes"', async () => {
    const { origin, a, clock } = await twoShards();
    a[0]!.crash();
    origin.ask({ remainingMs: 1_000 });
    origin.ask({ remainingMs: noDeadlineMs });
    await clock.advance(300);
    elect(a, 'n2', 2);
    await clock.advance(5);
    const [first, second] = a[1]!.requests;
    expect(first?.header.remainingMs).toBeLessThanOrEqual(700);
    expect(first?.header.remainingMs).toBeGreaterThan(690);
    expect(second?.header.remainingMs).toBe(noDeadlineMs);
  });

  it('to a shard that the map does not have is refused, later and not inside submit', async () => {
    const { origin, clock } = await twoShards();
    origin.ask({ group: 9 });
    expect(origin.answers).toEqual([]);
    await clock.settle();
    expect(readRefused(origin.answers[0]!.body).code).toBe('UNKNOWN_GROUP');
    expect(origin.answers[0]?.header).toMatchObject({ correlation: 1_001, group: 9 });
  });

  it('with no hop left, or a bucket that does not exist, is refused', async () => {
    const { origin, clock } = await twoShards();
    origin.ask({ hops: 0 });
    origin.ask({ bucket: 4 });
    await clock.settle();
    expect(origin.answers.map(({ body }) => readRefused(body).code)).toEqual(['TOO_MANY_HOPS', 'PROTOCOL']);
  });

  it('may be answered out of order', async () => {
    const { origin, a, clock } = await twoShards();
    a[0]!.answer = () => undefined;
    origin.ask();
    origin.ask();
    await clock.advance(5);
    const [first, second] = a[0]!.requests;
    a[0]!.say(second!, done);
    await clock.advance(5);
    a[0]!.say(first!, done);
    await clock.advance(5);
    expect(origin.answers.map(({ header }) => header.seq)).toEqual([2, 1]);
  });
});

describe('a shard whose leader is lost', () => {
  it('gets everything again from its next leader, first what was under way, all in order, with the same ids and bodies', async () => {
    const { origin, a, clock } = await twoShards();
    a[0]!.answer = () => undefined;
    for (let count = 0; count < 500; count++) origin.ask({ bucket: count % 2 });
    await clock.advance(5);
    expect(a[0]!.requests).toHaveLength(500);
    a[0]!.crash();
    for (let count = 0; count < 100; count++) origin.ask({ bucket: count % 2 });
    await clock.advance(200);
    expect(origin.answers).toEqual([]);
    elect(a, 'n2', 2);
    await clock.advance(500);
    const again = a[1]!.requests;
    expect(seqs(again)).toEqual(Array.from({ length: 600 }, (_, at) => at + 1));
    for (const { header, body } of again) expect(body.toString()).toBe(`body of ${header.seq}`);
    expect(new Set(origin.kinds())).toEqual(new Set(['result']));
    expect(origin.answers).toHaveLength(600);
  });

  it("does not touch another shard's requests", async () => {
    const { origin, a, b, clock, router } = await twoShards();
    a[0]!.crash();
    for (let count = 0; count < 50; count++) {
      origin.ask({ bucket: 0 });
      const seq = origin.ask({ bucket: 2 });
      await clock.advance(2);
      expect(origin.kinds(seq)).toEqual(['result']);
    }
    expect(b[0]!.requests).toHaveLength(50);
    expect(router.status().shards.map(({ state, held }) => [state, held])).toEqual([
      ['holding', 50],
      ['open', 0],
    ]);
  });

  it('is filled again through a window that grows with the answers', async () => {
    const { origin, a, clock } = await twoShards();
    a[0]!.crash();
    for (let count = 0; count < 300; count++) origin.ask();
    a[1]!.answer = () => undefined;
    elect(a, 'n2', 2);
    await clock.advance(5);
    expect(a[1]!.requests).toHaveLength(64);
    for (const request of a[1]!.requests) a[1]!.say(request, done);
    await clock.advance(5);
    expect(a[1]!.requests).toHaveLength(64 + 128);
  });

  it('is not asked before its new leader says itself that it leads', async () => {
    const { origin, a, clock } = await twoShards();
    a[0]!.crash();
    origin.ask();
    a[2]!.lead('n2', 2);
    await clock.advance(50);
    expect(a[1]!.requests).toEqual([]);
    a[1]!.lead('n2', 2);
    await clock.advance(5);
    expect(a[1]!.requests).toHaveLength(1);
  });

  it('is given up where it stands when a higher term has another leader', async () => {
    const { origin, a, clock } = await twoShards();
    a[0]!.answer = () => undefined;
    origin.ask();
    await clock.advance(5);
    elect(a.slice(1), 'n3', 2);
    await clock.advance(5);
    expect(seqs(a[2]!.requests)).toEqual([1]);
    a[0]!.say(a[0]!.requests[0]!, done);
    await clock.advance(5);
    expect(origin.kinds()).toEqual(['result']);
  });

  it('takes no late word of a leader that was given up, unless its log speaks', async () => {
    const { origin, a, clock } = await twoShards();
    for (const node of a) node.answer = () => undefined;
    origin.ask();
    origin.ask();
    await clock.advance(5);
    elect(a.slice(1), 'n3', 2);
    await clock.advance(5);
    const [first, second] = a[0]!.requests;
    a[0]!.say(first!, refused('TOO_LARGE'));
    a[0]!.say(first!, unknown);
    a[0]!.say(second!, done);
    await clock.advance(50);
    expect(origin.answers.map(({ header }) => [header.seq, header.kind])).toEqual([[2, 'result']]);
    expect(seqs(a[2]!.requests)).toEqual([1, 2]);
  });

  it('asks nothing of who leads an older term', async () => {
    const { origin, a, clock } = await twoShards();
    elect(a.slice(1), 'n3', 5);
    await clock.advance(5);
    a[0]!.lead('n1', 4);
    await clock.advance(5);
    origin.ask();
    await clock.advance(5);
    expect([a[0]!.requests.length, a[2]!.requests.length]).toEqual([0, 1]);
  });
});

describe('a shard that bounces', () => {
  it('is sent nothing more until all in flight is answered, then all again in order', async () => {
    const { origin, a, clock } = await twoShards();
    let isFull = true;
    a[0]!.answer = ({ header }) => (isFull ? (header.seq === 2 ? undefined : refused('BUSY', 30)) : done);
    for (let count = 0; count < 4; count++) origin.ask();
    await clock.advance(100);
    origin.ask();
    await clock.advance(100);
    expect(seqs(a[0]!.requests)).toEqual([1, 2, 3, 4]);
    isFull = false;
    a[0]!.say(a[0]!.requests[1]!, done);
    await clock.advance(50);
    expect(seqs(a[0]!.requests).slice(4)).toEqual([1, 3, 4, 5]);
    expect(origin.answers.map(({ header }) => [header.seq, header.kind])).toEqual([
      [2, 'result'],
      [1, 'result'],
      [3, 'result'],
      [4, 'result'],
      [5, 'result'],
    ]);
  });

  it('does not wait for takes that wait', async () => {
    const { origin, a, clock } = await twoShards();
    let count = 0;
    a[0]!.answer = ({ header }) => {
      if (header.waitMs > 0) return undefined;
      return count++ === 0 ? refused('BUSY', 20) : done;
    };
    origin.ask({ bucket: noBucket, waitMs: 5_000 });
    origin.ask();
    await clock.advance(60);
    expect(origin.answers.map(({ header }) => header.seq)).toEqual([2]);
  });

  it('keeps two nodes that send us to each other from making us spin', async () => {
    const { origin, a, clock } = await twoShards();
    let term = 1;
    for (const [at, node] of a.entries()) {
      node.answer = () => {
        const other = a[(at + 1) % 2]!;
        term++;
        for (const each of a) each.lead(other.id, term);
        return notLeader(other.id, term);
      };
    }
    origin.ask({ remainingMs: 2_000 });
    await clock.advance(1_000);
    const times = a.flatMap(({ requests }) => requests.map(({ atMs }) => atMs)).sort((x, y) => x - y);
    expect(times.length).toBeGreaterThan(10);
    for (const [at, time] of times.entries())
      if (at > 1) expect(time - times[at - 1]!).toBeGreaterThanOrEqual(10);
    await clock.advance(2_000);
    expect(origin.kinds()).toEqual(['unknown']);
  });

  it('is asked at a pace when its leader says that nobody else leads, and did nothing', async () => {
    const { origin, a, clock } = await twoShards();
    a[0]!.answer = () => notLeader('n1', 1);
    origin.ask({ remainingMs: 500 });
    await clock.advance(600);
    expect(a[0]!.requests.length).toBeLessThan(60);
    expect(readRefused(origin.answers[0]!.body).code).toBe('DEADLINE_EXCEEDED');
  });

  it('never ends as refused what an earlier attempt may have done', async () => {
    const { origin, a, clock } = await twoShards();
    const script = [unknown, refused('BUSY', 10), refused('LOG_FULL')];
    a[0]!.answer = () => script.shift() ?? done;
    origin.ask();
    await clock.advance(200);
    expect(a[0]!.requests).toHaveLength(3);
    expect(origin.kinds()).toEqual(['unknown']);
  });

  it('passes on a refusal that is final for what nobody tried before', async () => {
    const { origin, a, clock } = await twoShards();
    a[0]!.answer = () => refused('TOO_LARGE');
    origin.ask();
    await clock.advance(5);
    expect(origin.kinds()).toEqual(['refused']);
  });

  it('that forgot the client, or had no room, says nothing about an earlier attempt', async () => {
    const { origin, a, clock } = await twoShards();
    const result = encodeResult({ type: 'refused', code: 'CLIENT_EXPIRED', message: '' });
    const script = [unknown, { kind: 'result', body: result } as const];
    a[0]!.answer = () => script.shift();
    origin.ask();
    await clock.advance(100);
    expect(origin.kinds()).toEqual(['unknown']);
    a[0]!.answer = () => ({ kind: 'result', body: result });
    origin.ask();
    await clock.advance(100);
    expect(origin.kinds(2)).toEqual(['result']);
  });

  it('that forgot the client says so to its attach for good, whatever became of an earlier attempt', async () => {
    const { origin, a, clock } = await twoShards();
    const result = encodeResult({ type: 'refused', code: 'CLIENT_EXPIRED', message: '' });
    const script = [unknown, { kind: 'result', body: result } as const];
    a[0]!.answer = () => script.shift();
    origin.ask({ kind: 'attach' });
    await clock.advance(100);
    expect(origin.kinds()).toEqual(['result']);
  });
});

describe('the bounds of a shard', () => {
  it('refuse one request too many as busy, which was never sent', async () => {
    const { origin, a, clock } = await twoShards();
    a[0]!.crash();
    for (let count = 0; count < 10_001; count++) origin.ask({ body: Buffer.alloc(0) });
    await clock.settle();
    expect(origin.answers).toHaveLength(1);
    const { code, retryAfterMs } = readRefused(origin.answers[0]!.body);
    expect([origin.answers[0]?.header.seq, code, retryAfterMs > 0]).toEqual([10_001, 'BUSY', true]);
    origin.ask({ bucket: 2 });
    await clock.advance(5);
    expect(origin.kinds(10_002)).toEqual(['result']);
  });

  it('count bytes too', async () => {
    const { origin, a, clock } = await twoShards();
    a[0]!.crash();
    for (let count = 0; count < 65; count++) origin.ask({ body: Buffer.alloc(1024 * 1024) });
    await clock.settle();
    expect(origin.answers.map(({ header }) => header.seq)).toEqual([64, 65]);
  });

  it('end what was never sent as refused at its deadline, and say why; what was sent as unknown', async () => {
    const { origin, a, clock } = await twoShards();
    a[0]!.answer = () => undefined;
    origin.ask({ remainingMs: 300 });
    await clock.advance(5);
    a[0]!.crash();
    origin.ask({ remainingMs: 200 });
    origin.ask({ kind: 'get', remainingMs: 250 });
    await clock.advance(500);
    expect(origin.answers.map(({ header }) => [header.seq, header.kind])).toEqual([
      [2, 'refused'],
      [3, 'refused'],
      [1, 'unknown'],
    ]);
    const { code, message } = readRefused(origin.answers[0]!.body);
    expect(code).toBe('DEADLINE_EXCEEDED');
    expect(message).toContain('memory:a-n1');
    expect(message).toContain('refuses');
  });
});

describe('back-pressure of a node', () => {
  it('holds what would pile up before it and lets it go when the node takes it', async () => {
    const { origin, a, clock } = await twoShards();
    origin.ask();
    a[0]!.queuedBytes = 5 * 1024 * 1024;
    await clock.advance(5);
    for (let count = 0; count < 200; count++) origin.ask();
    await clock.advance(50);
    expect(a[0]!.requests).toHaveLength(1);
    a[0]!.queuedBytes = 0;
    await clock.advance(20);
    expect(seqs(a[0]!.requests)).toEqual(Array.from({ length: 201 }, (_, at) => at + 1));
  });
});

describe('a client that is gone', () => {
  it('has nothing sent any more that was not under way, and hears nothing', async () => {
    const { router, origin, a, clock } = await twoShards();
    const other = new FakeOrigin(router, clientId('b'.repeat(32)));
    a[0]!.answer = () => undefined;
    origin.ask();
    await clock.advance(5);
    a[0]!.crash();
    origin.ask();
    other.ask();
    router.drop(origin);
    elect(a, 'n2', 2);
    await clock.advance(50);
    expect(a[1]!.requests.map(({ header }) => header.client)).toEqual([other.client]);
    expect(origin.answers).toEqual([]);
  });

  it('still has its attach answered, so that it can be detached', async () => {
    const { router, origin, a, clock } = await twoShards();
    a[0]!.answer = () => undefined;
    origin.ask({ kind: 'attach', bucket: noBucket });
    origin.ask();
    await clock.advance(5);
    router.drop(origin);
    for (const request of a[0]!.requests) a[0]!.say(request, done);
    await clock.advance(5);
    expect(origin.answers.map(({ header }) => header.seq)).toEqual([1]);
  });
});

describe('frames without an answer', () => {
  it('go to the leader now or nowhere', async () => {
    const { origin, a, clock } = await twoShards();
    origin.ask({ kind: 'renew', bucket: noBucket });
    origin.ask({ kind: 'settle', bucket: noBucket });
    await clock.advance(5);
    a[0]!.crash();
    origin.ask({ kind: 'renew', bucket: noBucket });
    elect(a, 'n2', 2);
    await clock.advance(50);
    expect(a[0]!.requests.map(({ header }) => header.kind)).toEqual(['renew', 'settle']);
    expect(a[1]!.requests).toEqual([]);
    expect(origin.answers).toEqual([]);
  });

  it('cancel ends the wait of a take where it is, or before it is sent', async () => {
    const { origin, a, clock } = await twoShards();
    a[0]!.answer = () => undefined;
    origin.ask({ bucket: noBucket, waitMs: 5_000 });
    await clock.advance(5);
    origin.ask({ kind: 'cancel', bucket: noBucket, seq: 1 });
    await clock.advance(5);
    expect(a[0]!.requests.map(({ header }) => [header.kind, header.seq])).toEqual([
      ['request', 1],
      ['cancel', 1],
    ]);
    a[0]!.crash();
    elect(a, 'n2', 2);
    await clock.advance(50);
    expect(a[1]!.requests.map(({ header }) => header.waitMs)).toEqual([0]);
  });
});

describe('a read that any replica may answer', () => {
  it('goes to nodes that do not lead, in turn, also while nobody leads', async () => {
    const { origin, a, clock } = await twoShards();
    a[0]!.crash();
    for (let count = 0; count < 4; count++) origin.ask({ kind: 'get', any: true });
    await clock.advance(5);
    expect([a[1]!.requests.length, a[2]!.requests.length]).toEqual([2, 2]);
    expect(a[1]!.requests[0]?.header.any).toBe(true);
    expect(origin.answers).toHaveLength(4);
  });

  it('is asked of the leader when the replica cannot', async () => {
    const { origin, a, clock } = await twoShards();
    for (const node of a.slice(1)) node.answer = () => notLeader('n1', 1);
    origin.ask({ kind: 'get', any: true });
    await clock.advance(10);
    expect(a[0]!.requests.map(({ header }) => header.any)).toEqual([false]);
    expect(origin.kinds()).toEqual(['result']);
  });
});

describe('a router that is closed', () => {
  it('tells who waits what is known', async () => {
    const { router, origin, a, clock } = await twoShards();
    a[0]!.answer = () => undefined;
    origin.ask();
    await clock.advance(5);
    a[0]!.crash();
    origin.ask();
    router.close();
    router.close();
    origin.ask();
    await clock.advance(20);
    expect(origin.kinds()).toEqual(['unknown', 'refused', 'refused']);
    await clock.advance(10_000);
    expect(clock.timerCount).toBe(0);
  });
});
