import { describe, expect, it } from 'vitest';
import { clientId, sessionId } from '../../src/base/ids.ts';
import { defaultProvider, queueLimits } from '../../src/queue/limits.ts';
import { Bench, bucketOf, disownOf, mapOf, minute, ownOf, putOf, queue, takeOf } from './bench.ts';

const bucket = bucketOf('a');
const others = Array.from({ length: 16 }, (_, at) => at).filter((at) => at !== bucket);
const just = { from: bucket, to: bucket };

/** A group that owns every bucket under version 1, and the task `a` in one of them. */
function founded(): Bench {
  const bench = new Bench();
  bench.claim(ownOf(1));
  return bench;
}

/** Bucket of `a` went to `b` under version 2. */
function moved(): Bench {
  const bench = founded();
  expect(bench.claim(disownOf(2, 'b', bucket))).toMatchObject({ type: 'disowned' });
  return bench;
}

function putAt(bench: Bench, mapVersion: number, seq = 1): unknown {
  return bench.requestAs({ seq, mapVersion }, putOf('a', bench.nowMs));
}

describe('a group that was never told of a map', () => {
  it('serves whoever knows no shards, and holds whoever does', () => {
    const bench = new Bench();
    expect(putAt(bench, 1)).toEqual({ type: 'redirected', why: 'frozen', owner: undefined, version: 0 });
    expect(bench.stateOf('a')).toBeUndefined();
    expect(putAt(bench, 0)).toMatchObject({ type: 'put' });
    expect(bench.state.judge('a', 0)).toBeUndefined();
    expect(bench.state.judge('a', 1)).toMatchObject({ why: 'frozen' });
    expect(bench.state.ownership()).toEqual({
      map: undefined,
      shard: undefined,
      owned: [],
      ceded: [],
      occupied: [],
    });
  });

  it('may claim what it has, but not leave out a task', () => {
    const bench = new Bench();
    putAt(bench, 0);
    const ranges = others.map((at) => ({ from: at, to: at }));
    const refused = bench.claim(ownOf(1, ranges));
    expect(refused).toMatchObject({ code: 'BUCKET_IN_USE' });
    expect(refused).toMatchObject({ message: expect.stringContaining(`bucket ${bucket} holds 1 task`) });
    expect(bench.state.ownership().map).toBeUndefined();
    expect(putAt(bench, 0, 2)).toMatchObject({ type: 'put' });
    expect(bench.claim(ownOf(1, [just]))).toEqual({ type: 'owned', version: 1 });
  });

  it('cedes no bucket of which it remembers an answer, until that is settled', () => {
    const bench = new Bench();
    bench.put('a');
    bench.ackDone(bench.takeOne());
    expect(bench.claim(disownOf(1, 'b', bucket))).toMatchObject({ code: 'BUCKET_IN_USE' });
    bench.settle();
    expect(bench.claim(disownOf(1, 'b', bucket))).toMatchObject({ type: 'disowned' });
  });
});

describe('a keyed request', () => {
  it('is served by the owner of its bucket, by any map version of an owner that is the first', () => {
    const bench = founded();
    for (const [at, version] of [0, 1, 7].entries())
      expect(putAt(bench, version, at + 1)).toMatchObject({ type: 'put', version: at + 1 });
  });

  it('of a bucket that was given up goes to whom it was given, whatever its map', () => {
    const bench = moved();
    const elsewhere = { type: 'redirected', why: 'wrongShard', owner: 'b', version: 2 };
    for (const version of [0, 1, 2, 3]) expect(putAt(bench, version)).toEqual(elsewhere);
    expect(bench.state.judge('a', 2)).toEqual(elsewhere);
    expect(bench.stateOf('a')).toBeUndefined();
  });

  it('of an older map than the one that brought the bucket here is never run: it may be a late copy', () => {
    const bench = moved();
    expect(bench.claim(ownOf(3, [just], 3))).toEqual({ type: 'owned', version: 3 });
    bench.claim(ownOf(7, [], 1));
    for (const version of [0, 1, 2])
      expect(putAt(bench, version)).toEqual({
        type: 'redirected',
        why: 'wrongShard',
        owner: 'a',
        version: 3,
      });
    expect(putAt(bench, 3)).toMatchObject({ type: 'put' });
  });

  it('of a bucket that nobody was told of is held if its map is newer than ours', () => {
    const bench = new Bench();
    bench.claim(ownOf(2, [{ from: others[0]!, to: others[0]! }]));
    const answer = { type: 'redirected', owner: undefined, version: 2 };
    expect(putAt(bench, 3)).toEqual({ ...answer, why: 'frozen' });
    expect(putAt(bench, 2)).toEqual({ ...answer, why: 'wrongShard' });
  });

  it('that was redirected leaves no row and may run later under its own id', () => {
    const bench = moved();
    putAt(bench, 2, 2);
    const digest = bench.state.digest();
    putAt(bench, 2);
    expect(bench.state.digest()).toBe(digest);
    bench.claim(ownOf(3, [just], 2));
    expect(putAt(bench, 3)).toMatchObject({ type: 'put', created: true });
  });

  it('that was redirected settles what it says is settled, and its client was heard', () => {
    const bench = founded();
    bench.requestAs({ seq: 1 }, putOf('b', bench.nowMs));
    bench.claim(disownOf(2, 'b', bucket));
    bench.requestAs({ seq: 2, settledUpTo: 1, mapVersion: 1 }, putOf('a', bench.nowMs));
    expect(bench.requestAs({ seq: 1 }, putOf('b', bench.nowMs))).toMatchObject({ code: 'REQUEST_SETTLED' });
    bench.setPolicy({ sessionTimeoutMs: 1_000, clientTimeoutMs: 10_000 });
    bench.pass(9_000);
    putAt(bench, 1, 50);
    bench.pass(9_000);
    expect(bench.requestAs({ seq: 60 }, putOf('b', bench.nowMs))).toMatchObject({ type: 'put' });
  });

  it('that was answered here is answered again, not redirected, though the map moved on', () => {
    const bench = founded();
    const first = putAt(bench, 1);
    bench.claim(ownOf(5, [], 1));
    expect(putAt(bench, 0)).toEqual(first);
    expect(bench.claim(disownOf(6, 'b', bucket))).toMatchObject({ code: 'BUCKET_IN_USE' });
  });

  it('that cannot be meant is refused as ever: it has no bucket', () => {
    const bench = moved();
    for (const id of ['', '\ud800', 'x'.repeat(257)]) {
      const refused = bench.requestAs({ seq: id.length + 1 }, putOf(id, bench.nowMs));
      expect(refused).toMatchObject({ type: 'refused' });
      expect(bench.state.judge(id, 1)).toBeUndefined();
    }
    expect(bench.claim(disownOf(3, 'b', ...others))).toMatchObject({ type: 'disowned' });
  });

  it('is judged by its bucket whatever it does; takes and settings are not judged', () => {
    const bench = moved();
    const lease = { queue, id: 'a', fence: 1 };
    const keyed = [
      { type: 'ackDone', ...lease },
      { type: 'bury', ...lease, reason: '' },
      { type: 'ack', ...lease, payload: new Uint8Array(1), expiresAtMs: bench.nowMs + minute },
      { type: 'release', ...lease, delayMs: 0, scope: 'task', callMade: false },
      { type: 'resolve', queue, id: 'a' },
    ] as const;
    for (const operation of keyed)
      expect(bench.requestAs({ mapVersion: 1 }, operation)).toMatchObject({ type: 'redirected' });
    expect(bench.requestAs({ mapVersion: 1 }, takeOf(bench.session, 1))).toMatchObject({ type: 'taken' });
    const settings = { type: 'setProvider', queue, provider: 'acme', settings: defaultProvider } as const;
    expect(bench.requestAs({ seq: 2, mapVersion: 1 }, settings)).toEqual({ type: 'done' });
  });
});

describe('a claim to own', () => {
  it('twice is one', () => {
    const bench = founded();
    const digest = bench.state.digest();
    expect(bench.claim(ownOf(1))).toEqual({ type: 'owned', version: 1 });
    expect(bench.state.digest()).toBe(digest);
  });

  it('needs an epoch above every one seen of the bucket', () => {
    const bench = moved();
    const refused = bench.claim(ownOf(3, [just], 1));
    expect(refused).toMatchObject({ code: 'CONDITION_FAILED' });
    const message = expect.stringContaining(`bucket ${bucket}: its epoch must be above 1`);
    expect(refused).toMatchObject({ message });
    expect(bench.claim(ownOf(3, [just], 2))).toEqual({ type: 'owned', version: 3 });
    bench.claim(disownOf(4, 'b', bucket));
    expect(bench.claim(ownOf(5, [just], 2))).toMatchObject({ code: 'CONDITION_FAILED' });
  });

  it('may name what is owned already together with what is new', () => {
    const bench = moved();
    const ranges = [{ from: 0, to: 15 }].map((range) => ({ ...range, epoch: 2 }));
    expect(bench.claim({ ...ownOf(3), ranges })).toEqual({ type: 'owned', version: 3 });
    expect(bench.claim(ownOf(4, [{ from: 0, to: 15 }], 1))).toMatchObject({ code: 'CONDITION_FAILED' });
    expect(bench.claim({ ...ownOf(4), ranges: ranges.slice(0, 1) })).toEqual({ type: 'owned', version: 4 });
  });

  it('of a newer map leaves what was owned as it was: requests of older maps are served', () => {
    const bench = founded();
    bench.claim(ownOf(9));
    expect(bench.state.judge('a', 1)).toBeUndefined();
    expect(bench.state.ownership().map).toEqual(mapOf(9));
  });
});

describe('a claim to give up', () => {
  it.each(['ready', 'delayed', 'taken', 'suspect', 'buried'])(
    'is refused while the bucket holds a task that is %s',
    (state) => {
      const bench = founded();
      bench.put(
        'a',
        state === 'delayed'
          ? { refreshAtMs: bench.nowMs + minute, expiresAtMs: bench.nowMs + 2 * minute }
          : {},
      );
      if (state === 'taken' || state === 'suspect') bench.takeOne();
      if (state === 'suspect') bench.detach();
      if (state === 'buried') bench.bury(bench.takeOne());
      expect(bench.stateOf('a')).toBe(state);
      bench.settle();
      const refused = bench.claim(disownOf(2, 'b', bucket));
      expect(refused).toMatchObject({ code: 'BUCKET_IN_USE' });
      expect(refused).toMatchObject({ message: expect.stringContaining(`bucket ${bucket} holds 1 tasks`) });
    },
  );

  it('is refused while an answer is remembered, a refusal too, until it is settled', () => {
    const bench = founded();
    const lease = { queue, id: 'a', fence: 1 };
    expect(bench.request({ type: 'ackDone', ...lease })).toMatchObject({ code: 'TASK_NOT_FOUND' });
    expect(bench.claim(disownOf(2, 'b', bucket))).toMatchObject({ code: 'BUCKET_IN_USE' });
    expect(bench.state.ownership().occupied).toEqual([just]);
    bench.settle();
    expect(bench.state.ownership().occupied).toEqual([]);
    expect(bench.claim(disownOf(2, 'b', bucket))).toMatchObject({ type: 'disowned' });
  });

  it.each(['its client is forgotten', 'a later request settles it'])('is accepted once %s', (how) => {
    const bench = founded();
    bench.requestAs({ seq: 1 }, { type: 'resolve', queue, id: 'a' });
    expect(bench.claim(disownOf(2, 'b', bucket))).toMatchObject({ code: 'BUCKET_IN_USE' });
    if (how.startsWith('its')) bench.pass(62 * minute);
    else bench.requestAs({ seq: 2, settledUpTo: 1 }, takeOf(bench.session, 1));
    expect(bench.claim(disownOf(2, 'b', bucket))).toMatchObject({ type: 'disowned' });
  });

  it('is all or nothing', () => {
    const bench = founded();
    bench.put('a');
    const before = bench.state.digest();
    expect(bench.claim({ ...disownOf(2, 'b'), ranges: [{ from: 0, to: 15 }] })).toMatchObject({
      code: 'BUCKET_IN_USE',
    });
    expect(bench.state.digest()).toBe(before);
  });

  it('answers the highest epochs seen, zero for buckets never owned here', () => {
    const bench = new Bench();
    bench.claim(ownOf(1, [{ from: 4, to: 7 }], 3));
    const claim = {
      ...disownOf(2, 'b'),
      ranges: [
        { from: 2, to: 5 },
        { from: 7, to: 8 },
      ],
    };
    const epochs = [
      { from: 2, to: 3, epoch: 0 },
      { from: 4, to: 5, epoch: 3 },
      { from: 7, to: 7, epoch: 3 },
      { from: 8, to: 8, epoch: 0 },
    ];
    for (const _ of ['once', 'again'])
      expect(bench.claim(claim)).toEqual({ type: 'disowned', version: 2, epochs });
    expect(bench.state.ownership()).toEqual({
      map: mapOf(2),
      shard: 'a',
      owned: [{ from: 6, to: 6, epoch: 3 }],
      ceded: epochs.map((range) => ({ ...range, owner: 'b' })),
      occupied: [],
    });
  });

  it('is a promise, also for what was never owned: an older claim comes too late', () => {
    const bench = new Bench();
    bench.claim(disownOf(5, 'b', bucket));
    expect(bench.claim(ownOf(4, [just], 9))).toMatchObject({ code: 'LOWER_VERSION' });
    expect(putAt(bench, 5)).toMatchObject({ why: 'wrongShard', owner: 'b' });
  });

  it('to the group itself is refused', () => {
    expect(founded().claim(disownOf(2, 'a', bucket))).toMatchObject({ code: 'INVALID_ARGUMENT' });
  });
});

describe('a claim', () => {
  it('of a lower version is refused', () => {
    const bench = moved();
    expect(bench.claim(ownOf(1))).toMatchObject({ code: 'LOWER_VERSION' });
    expect(bench.claim(disownOf(1, 'b', bucket))).toMatchObject({ code: 'LOWER_VERSION' });
  });

  it('of another map of the same version is refused', () => {
    const bench = moved();
    const map = mapOf(2, { digest: 1 });
    expect(bench.claim({ ...ownOf(2), map })).toMatchObject({ code: 'CONFLICTING_MAP' });
    expect(bench.claim({ ...disownOf(2, 'b', bucket), map })).toMatchObject({ code: 'CONFLICTING_MAP' });
  });

  it('of another namespace, partition or shard name is refused by a group that is a shard', () => {
    const bench = founded();
    bench.claim({ ...disownOf(2, 'b'), ranges: [{ from: 0, to: 15 }] });
    for (const fields of [{ namespace: 'books' }, { bucketCount: 17 }, { partitioner: 'crc32' }] as const)
      expect(bench.claim({ ...ownOf(3, [], 1), map: mapOf(3, fields) })).toMatchObject({
        code: 'CONFLICTING_MAP',
      });
    expect(bench.claim({ ...ownOf(3), shard: 'z', ranges: [] })).toMatchObject({ code: 'CONFLICTING_MAP' });
    expect(bench.claim(ownOf(3, [just], 2))).toEqual({ type: 'owned', version: 3 });
  });

  it('of another namespace is accepted by a group that only made promises and holds nothing', () => {
    const bench = new Bench();
    bench.claim({ ...disownOf(1, 'b', bucket), map: mapOf(1, { namespace: 'books', bucketCount: 32 }) });
    expect(bench.claim(ownOf(2))).toEqual({ type: 'owned', version: 2 });
    expect(bench.state.ownership()).toMatchObject({ owned: [{ from: 0, to: 15, epoch: 1 }], ceded: [] });
  });

  it.each([
    ['no version', ownOf(0)],
    ['a namespace that is no name', { ...ownOf(1), map: mapOf(1, { namespace: 'a b' }) }],
    ['a shard that is no name', { ...disownOf(1, '-', 1), to: '' }],
    ['a negative digest', { ...ownOf(1), map: mapOf(1, { digest: -1 }) }],
    ['no buckets', { ...ownOf(1, []), map: mapOf(1, { bucketCount: 0 }) }],
    ['too many buckets', { ...ownOf(1, []), map: mapOf(1, { bucketCount: 65_537 }) }],
    ['a bucket there is not', ownOf(1, [{ from: 15, to: 16 }])],
    ['a range that ends before it begins', ownOf(1, [{ from: 5, to: 4 }])],
    ['ranges that overlap', disownOf(1, 'b', 5, 5)],
    ['ranges that descend', disownOf(1, 'b', 5, 3)],
    ['epoch 0', ownOf(1, [just], 0)],
    ['an epoch beyond the last', ownOf(1, [just], queueLimits.epochMax + 1)],
  ])('with %s is refused and changes nothing', (_, claim) => {
    const bench = new Bench();
    expect(bench.claim(claim)).toMatchObject({ code: 'INVALID_ARGUMENT' });
    expect(bench.state.ownership().map).toBeUndefined();
    expect(putAt(bench, 0)).toMatchObject({ type: 'put' });
  });
});

describe('what a group holds', () => {
  it('is counted right when claims begin after years of use', () => {
    const bench = new Bench();
    for (let at = 0; at < 40; at += 1) bench.put(`t${at}`);
    for (const task of bench.take(40).slice(0, 20)) bench.ackDone(task);
    bench.settle();
    bench.claim(ownOf(1));
    const held = new Set(
      Array.from({ length: 40 }, (_, at) => `t${at}`)
        .filter((id) => bench.state.get(queue, id))
        .map(bucketOf),
    );
    const occupied = bench.state
      .ownership()
      .occupied.flatMap(({ from, to }) => Array.from({ length: to - from + 1 }, (_, at) => from + at));
    expect(occupied).toEqual([...held].sort((one, other) => one - other));
    for (let at = 0; at < 40; at += 1) bench.put(`t${at}`, { expiresAtMs: bench.nowMs + 1_000 });
    for (const task of bench.take(40)) bench.ackDone(task);
    bench.settle();
    expect(bench.state.ownership().occupied).toEqual([]);
  });

  it('is in the digest: whoever owns, since when, and to whom it was given', () => {
    const digests = [founded(), moved(), new Bench()].map((bench) => bench.state.digest());
    const back = moved();
    back.claim(ownOf(3, [just], 2));
    const later = moved();
    later.claim({ ...ownOf(4, [], 2), map: mapOf(3) });
    const toAnother = founded();
    toAnother.claim(disownOf(2, 'c', bucket));
    for (const bench of [back, later, toAnother]) digests.push(bench.state.digest());
    expect(new Set(digests).size).toBe(digests.length);
  });
});

describe('a fence', () => {
  it('of a task rises with each owner of its bucket', () => {
    const bench = moved();
    bench.claim(ownOf(3, [just], 3));
    bench.requestAs({ seq: 1, mapVersion: 3 }, putOf('a', bench.nowMs));
    const taken = bench.requestAs({ seq: 2 }, takeOf(bench.session, 1));
    expect(taken).toMatchObject({ tasks: [{ id: 'a', fence: 2 * 2 ** 40 + 1 }] });
    const ack = { type: 'ackDone', queue, id: 'a', fence: 2 * 2 ** 40 + 1 } as const;
    expect(bench.requestAs({ seq: 3, mapVersion: 3 }, ack)).toEqual({ type: 'done' });
    expect(Number.isSafeInteger((queueLimits.epochMax - 1) * 2 ** 40 + 2 ** 40 - 1)).toBe(true);
  });

  it('of a bucket that never moved is the counter alone', () => {
    const bench = founded();
    bench.put('a');
    expect(bench.takeOne().fence).toBe(1);
  });
});

describe('news of a session', () => {
  it('name its client and gateway as they were when the entry was applied', () => {
    const bench = new Bench();
    bench.put('a');
    bench.takeOne();
    bench.state.takeEvents();
    bench.detach();
    const { holders, leasesLost, sessionsEnded } = bench.state.takeEvents();
    expect([leasesLost.length, sessionsEnded.length]).toEqual([1, 1]);
    expect([...holders]).toEqual([[sessionId('s1'), { client: clientId('c1'), gateway: 'a' }]]);
    expect(bench.state.takeEvents().holders.size).toBe(0);
  });
});
