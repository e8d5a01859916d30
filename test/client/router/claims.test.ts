import { describe, expect, it } from 'vitest';
import {
  BucketInUseError,
  ConflictingMapError,
  DeadlineExceededError,
  ForbiddenError,
  LowerVersionError,
  ReloadInProgressError,
  ShardFileError,
} from '../../../src/base/errors.ts';
import { ShardDirectory } from '../../../src/sharding/shard-directory.ts';
import { FakeGroup } from './fake-group.ts';
import { directoryOf, FakeNetwork, mapOf, refused, shardOf, unknown } from './fake-nodes.ts';
import { rigOf, twoGroups, twoShards } from './router-rig.ts';

const shards = [shardOf({ name: 'a', number: 1 }), shardOf({ name: 'b', number: 2 })];
const version = (number: number, buckets: readonly number[]) => directoryOf(number, shards, buckets);

/** What became of a promise within a while of virtual time. */
async function outcome(promise: Promise<unknown>, advance: () => Promise<void>): Promise<unknown> {
  const settled = promise.then(
    () => 'done',
    (error: unknown) => error,
  );
  await advance();
  return settled;
}

const withC = (number: number, buckets: readonly number[]) =>
  directoryOf(number, [...shards, shardOf({ name: 'c', number: 3 })], buckets);

/** A third shard, which owns nothing yet. */
function addGroup(network: FakeNetwork): FakeGroup {
  const nodes = network.add('c', ['n1', 'n2', 'n3']);
  for (const node of nodes) node.lead('n1', 1);
  return new FakeGroup(nodes);
}

function idIn({ directory }: { readonly directory: ShardDirectory }, bucket: number): string {
  const map = directory.namespaces.get('default');
  for (let at = 0; ; at++) if (map?.bucketOf(`k${at}`) === bucket) return `k${at}`;
}

describe('claim', () => {
  it('of one namespace does not wait for a shard of another', async () => {
    const network = new FakeNetwork();
    const [a, d] = [network.add('a', ['n1']), network.add('d', ['n1'])];
    for (const node of [...a, ...d]) node.lead('n1', 1);
    const groupA = new FakeGroup(a);
    for (const node of d) node.crash();
    const here = shardOf({ name: 'a', number: 1, ids: ['n1'] });
    const there = shardOf({ name: 'd', number: 2, ids: ['n1'], namespace: 'other' });
    const maps = [mapOf(1, [here], [1, 1]), mapOf(1, [there], [2, 2], 'other')];
    const { router } = rigOf(network, new ShardDirectory(1, maps));
    router.start();
    const claimed = router.claim();
    await network.clock.advance(1_000);
    expect([groupA.owned(), router.status().claimed]).toEqual([[0, 1], false]);
    const groupD = new FakeGroup(d);
    for (const node of d) node.isUp = true;
    await network.clock.advance(20_000);
    await claimed;
    expect(groupD.owned()).toEqual([0, 1]);
  });

  it('has each group own what the map says, after every other promised not to', async () => {
    const { router, groupA, groupB } = await twoGroups();
    expect([groupA.owned(), groupB.owned()]).toEqual([
      [0, 1],
      [2, 3],
    ]);
    expect(groupA.claims).toEqual(['disown b v1', 'own a v1']);
    expect(groupB.claims).toEqual(['disown a v1', 'own b v1']);
    expect(groupA.state.ownership().owned).toEqual([{ from: 0, to: 1, epoch: 1 }]);
    expect(router.status().claimed).toBe(true);
    expect(router.explain('x', 'user-1').epoch).toBe(1);
  });

  it('done twice, or by two routers at once, changes nothing more', async () => {
    const { network, router, a, b, clock } = await twoShards();
    const [groupA, groupB] = [new FakeGroup(a), new FakeGroup(b)];
    const other = rigOf(network, router.directory, 2);
    other.router.start();
    const claims = Promise.all([router.claim(), other.router.claim()]);
    await clock.advance(100);
    await claims;
    const digests = [groupA.state.digest(), groupB.state.digest()];
    const again = router.claim();
    await clock.advance(100);
    await again;
    expect([groupA.owned(), groupB.owned()]).toEqual([
      [0, 1],
      [2, 3],
    ]);
    expect([groupA.state.digest(), groupB.state.digest()]).toEqual(digests);
    expect(groupB.state.ownership().owned).toEqual([{ from: 2, to: 3, epoch: 1 }]);
  });

  it('waits for a shard that is not there, and is done when it is: both are said, once', async () => {
    const { router, a, b, clock, told } = await twoShards();
    const [groupA, groupB] = [new FakeGroup(a), new FakeGroup(b)];
    for (const node of b) node.crash();
    const claimed = router.claim();
    await clock.advance(8_000);
    expect([groupA.claims, router.status().claimed]).toEqual([[], false]);
    for (const node of b) node.isUp = true;
    await clock.advance(10_000);
    await claimed;
    expect(groupB.owned()).toEqual([2, 3]);
    const late = ['the groups do not own yet what the map says', 'the groups own what the map says'];
    expect(told.said).toEqual(late);
  });

  it('goes on with another map that comes into force meanwhile, and has no trouble', async () => {
    const { router, a, b, clock, told } = await twoShards();
    for (const nodes of [a, b]) new FakeGroup(nodes);
    const claimed = router.claim();
    const reloaded = router.reload(version(2, [1, 1, 2, 2]));
    await clock.advance(1_000);
    await Promise.all([claimed, reloaded]);
    expect([told.said, router.status().claimed]).toEqual([[], true]);
  });

  it('is refused for good without the permission, and when a group has another map of this version', async () => {
    const { network, router, a, b, clock } = await twoShards();
    for (const node of [...a, ...b]) node.answer = () => refused('FORBIDDEN');
    expect(await outcome(router.claim(), () => clock.advance(50))).toBeInstanceOf(ForbiddenError);
    const [groupA, groupB] = [new FakeGroup(a), new FakeGroup(b)];
    await outcome(router.claim(), () => clock.advance(50));
    const other = rigOf(network, version(1, [2, 2, 1, 1]));
    other.router.start();
    await clock.advance(20);
    expect(await outcome(other.router.claim(), () => clock.advance(50))).toBeInstanceOf(ConflictingMapError);
    expect(other.told.problems.map(({ kind }) => kind)).toEqual(['conflictingMap']);
    expect([groupA.owned(), groupB.owned()]).toEqual([
      [0, 1],
      [2, 3],
    ]);
  });

  it('is refused when the map lacks a shard to which a group gave buckets: that one serves them still', async () => {
    const { router, network, groupA, groupB, clock } = await twoGroups();
    const nodes = network.add('c', ['n1', 'n2', 'n3']);
    for (const node of nodes) node.lead('n1', 1);
    const groupC = new FakeGroup(nodes);
    const three = directoryOf(2, [...shards, shardOf({ name: 'c', number: 3 })], [3, 1, 2, 2]);
    expect(await outcome(router.reload(three), () => clock.advance(100))).toBe('done');
    router.close();
    const later = rigOf(network, version(3, [1, 1, 2, 2]));
    later.router.start();
    await clock.advance(20);
    const error = await outcome(later.router.claim(), () => clock.advance(500));
    expect(error).toBeInstanceOf(ConflictingMapError);
    expect(`${error}`).toContain('shard a gave buckets to shard c, which this map does not have');
    expect([groupA.owned(), groupB.owned(), groupC.owned()]).toEqual([[1], [2, 3], [0]]);
    expect(later.told.problems.map(({ kind }) => kind)).toEqual(['conflictingMap']);
  });
});

describe('reload', () => {
  it('moves an empty bucket to its new owner under the next epoch', async () => {
    const { router, groupA, groupB, clock, told } = await twoGroups();
    const result = await outcome(router.reload(version(2, [1, 2, 2, 2])), () => clock.advance(50));
    expect(result).toBe('done');
    expect(groupA.owned()).toEqual([0]);
    expect(groupB.state.ownership().owned).toEqual([
      { from: 1, to: 1, epoch: 2 },
      { from: 2, to: 3, epoch: 1 },
    ]);
    expect([router.directory.version, router.status().mapVersion, told.mapChanges]).toEqual([2, 2, 1]);
    expect(router.status()).toMatchObject({ claimed: true, reloading: false });
  });

  it('brings in a shard that was not there before', async () => {
    const { network, router, origin, clock } = await twoGroups();
    const nodes = network.add('c', ['n1', 'n2', 'n3']);
    for (const node of nodes) node.lead('n1', 1);
    const groupC = new FakeGroup(nodes);
    const grown = directoryOf(2, [...shards, shardOf({ name: 'c', number: 3 })], [3, 1, 2, 3]);
    expect(await outcome(router.reload(grown), () => clock.advance(100))).toBe('done');
    expect(groupC.owned()).toEqual([0, 3]);
    origin.ask({ group: 3, bucket: 3 });
    await clock.advance(10);
    expect(origin.answers[0]?.header).toMatchObject({ kind: 'result', group: 3 });
  });

  it('is refused whole when a bucket that would move holds a task, and nothing has changed', async () => {
    const { router, groupA, groupB, clock, told } = await twoGroups();
    const { namespaces } = router.directory;
    const key = ['k1', 'k2', 'k3', 'k4', 'k5'].find(
      (each) => namespaces.get('default')!.bucketOf(each) === 0,
    )!;
    expect(groupA.put(key, 1)).toMatchObject({ type: 'put' });
    const error = await outcome(router.reload(version(2, [2, 2, 1, 2])), () => clock.advance(50));
    expect(error).toBeInstanceOf(BucketInUseError);
    expect(`${error}`).toContain('bucket 0 of default cannot go from a to b');
    expect(groupA.claims.concat(groupB.claims).filter((claim) => claim.includes('v2'))).toEqual([]);
    expect([router.directory.version, told.mapChanges]).toEqual([1, 0]);
  });

  it('met by a task that comes too late for the check goes on with the rest, and says what stayed', async () => {
    const { router, groupA, groupB, clock } = await twoGroups();
    const bucketOf = (key: string) => router.directory.namespaces.get('default')!.bucketOf(key);
    const key = ['k1', 'k2', 'k3', 'k4', 'k5'].find((each) => bucketOf(each) === 0)!;
    groupA.interfere = ({ map }) => {
      if (map.version === 2) groupA.put(key, 1);
      return undefined;
    };
    const error = await outcome(router.reload(version(2, [2, 1, 1, 2])), () => clock.advance(50));
    expect(error).toBeInstanceOf(BucketInUseError);
    expect(groupA.owned()).toEqual([0, 1, 2]);
    expect(groupB.owned()).toEqual([3]);
    expect(router.directory.version).toBe(1);
  });

  it('takes over where another router died between giving up and taking', async () => {
    const { router, network, groupA, groupB, clock } = await twoGroups();
    groupB.interfere = (claim) => (claim.type === 'own' ? unknown : undefined);
    const dead = router.reload(version(2, [1, 2, 2, 2])).catch(() => 'dead');
    await clock.advance(30);
    router.close();
    await dead;
    expect([groupA.owned(), groupB.owned()]).toEqual([[0], [2, 3]]);
    groupB.interfere = () => undefined;
    const second = rigOf(network, version(2, [1, 2, 2, 2]));
    second.router.start();
    await clock.advance(20);
    expect(await outcome(second.router.claim(), () => clock.advance(100))).toBe('done');
    expect([groupA.owned(), groupB.owned()]).toEqual([[0], [1, 2, 3]]);
  });

  it('looks again when it is through: an older map may have taken a bucket since it looked first', async () => {
    const { router, groupA, groupB, clock } = await twoGroups();
    const { name: map } = version(2, [2, 1, 2, 2]).namespaces.get('default')!;
    const older = { type: 'disown', map, to: 'b', ranges: [{ from: 0, to: 0 }] } as const;
    const said: string[] = [];
    groupB.interfere = (claim) => {
      if (claim.type === 'disown' && claim.map.version === 3) said.push(groupA.claim(older).type);
      return undefined;
    };
    const result = await outcome(router.reload(version(3, [1, 1, 1, 2])), () => clock.advance(500));
    expect([result, groupA.owned(), groupB.owned()]).toEqual(['done', [0, 1, 2], [3]]);
    expect([said, router.status().claimed]).toEqual([['disowned', 'refused'], true]);
  });

  it('is done when all has changed hands, though a shard that has no part in it dies before it is asked again', async () => {
    const { router, network, groupA, groupB, b, clock, origin } = await twoGroups();
    const groupC = addGroup(network);
    groupC.interfere = (claim) => {
      if (claim.type === 'own') for (const node of b) node.crash();
      return undefined;
    };
    expect(await outcome(router.reload(withC(2, [3, 1, 2, 2])), () => clock.advance(30_000))).toBe('done');
    expect([groupA.owned(), groupB.owned(), groupC.owned()]).toEqual([[1], [2, 3], [0]]);
    origin.ask({ bucket: 0, group: 1 });
    await clock.advance(100);
    expect([origin.kinds(), router.status().claimed]).toEqual([['result'], false]);
    for (const node of b) node.isUp = true;
    await clock.advance(20_000);
    expect(router.status().claimed).toBe(true);
  });

  it('once begun leaves no bucket without an owner: what is in use since stays, the rest goes on', async () => {
    const { router, groupA, groupB, clock } = await twoGroups();
    const used = idIn(router, 0);
    let lostUntilMs = 0;
    groupA.interfere = () => {
      if (lostUntilMs === 0) groupA.put(used, 1);
      lostUntilMs ||= clock.monotonicMs() + 5_500;
      return clock.monotonicMs() < lostUntilMs ? unknown : undefined;
    };
    const result = await outcome(router.reload(version(2, [2, 2, 1, 2])), () => clock.advance(10_000));
    expect(result).toBeInstanceOf(BucketInUseError);
    // Bucket 1 goes although bucket 0, of the same shard, stays.
    expect([groupA.owned(), groupB.owned()]).toEqual([
      [0, 2],
      [1, 3],
    ]);
    expect(router.directory.version).toBe(1);
  });

  it('gives up a shard again that never owned anything, though others had promised it a bucket', async () => {
    const { router, network, groupA, groupB, clock } = await twoGroups();
    const groupC = addGroup(network);
    const used = idIn(router, 0);
    groupA.interfere = (claim) => {
      if (claim.map.version === 2) groupA.put(used, 1);
      return undefined;
    };
    const into = await outcome(router.reload(withC(2, [3, 1, 2, 2])), () => clock.advance(1_000));
    expect(into).toBeInstanceOf(BucketInUseError);
    expect(groupB.state.ownership().ceded).toMatchObject([{ from: 0, to: 0, owner: 'c' }, { owner: 'a' }]);
    const result = await outcome(router.reload(version(3, [1, 1, 1, 2])), () => clock.advance(1_000));
    expect([result, groupA.owned(), groupB.owned(), groupC.owned()]).toEqual(['done', [0, 1, 2], [3], []]);
  });

  it('goes on when a claim was lost on the way', async () => {
    const { router, groupA, groupB, clock } = await twoGroups();
    let losses = 2;
    groupA.interfere = () => (losses-- > 0 ? unknown : undefined);
    const result = await outcome(router.reload(version(2, [1, 2, 2, 2])), () => clock.advance(2_000));
    expect([result, groupA.owned(), groupB.owned()]).toEqual(['done', [0], [1, 2, 3]]);
  });

  it('waits for nobody when nothing changes hands, and one at a time is enough', async () => {
    const { router, groupA, a, b, clock } = await twoGroups();
    for (const node of b) node.crash();
    const before = groupA.claims.length;
    expect(await outcome(router.reload(version(2, [1, 1, 2, 2])), () => clock.advance(50))).toBe('done');
    expect([groupA.claims.length, router.status().claimed]).toEqual([before, false]);
    const slow = router.reload(version(3, [2, 1, 2, 2]));
    await expect(router.reload(version(4, [1, 1, 2, 2]))).rejects.toBeInstanceOf(ReloadInProgressError);
    expect(await outcome(slow, () => clock.advance(30_000))).toBeInstanceOf(DeadlineExceededError);
    expect([router.directory.version, a[0]!.isUp]).toEqual([2, true]);
  });

  it('tells every group a version that changes no owner, so that an older map that is still carried out is refused', async () => {
    const { router, groupA, groupB, clock } = await twoGroups();
    await outcome(router.reload(version(2, [1, 1, 2, 2])), () => clock.advance(50));
    expect([groupA.state.ownership().map?.version, groupB.state.ownership().map?.version]).toEqual([2, 2]);
    expect(router.status().claimed).toBe(true);
  });

  it('puts right what another router left half-way, though this one has known the same owners all along', async () => {
    const { router, network, groupA, groupB, clock } = await twoGroups();
    const other = rigOf(network, router.directory);
    other.router.start();
    await clock.advance(20);
    groupB.interfere = (claim) => (claim.type === 'own' ? unknown : undefined);
    const dead = other.router.reload(version(2, [1, 2, 2, 2])).catch(() => 'dead');
    await clock.advance(30);
    other.router.close();
    await dead;
    groupB.interfere = () => undefined;
    expect([groupA.owned(), groupB.owned()]).toEqual([[0], [2, 3]]);
    expect(await outcome(router.reload(version(3, [1, 1, 2, 2])), () => clock.advance(50))).toBe('done');
    expect([groupA.owned(), groupB.owned()]).toEqual([
      [0, 1],
      [2, 3],
    ]);
  });

  it('moves a bucket by a map that also corrects the address at which nobody was', async () => {
    const { network, groupA, groupB, clock } = await twoGroups();
    const wrong = new Map([...shards[0]!.nodes, ['n1', 'ws://nobody']]);
    const misled = [{ ...shards[0]!, nodes: wrong }, shards[1]!];
    const late = rigOf(network, directoryOf(1, misled, [1, 1, 2, 2]));
    late.router.start();
    await clock.advance(20);
    const result = await outcome(late.router.reload(version(2, [1, 2, 2, 2])), () => clock.advance(500));
    expect([result, groupA.owned(), groupB.owned()]).toEqual(['done', [0], [1, 2, 3]]);
  });

  it('of a map that cannot follow, or that a group is ahead of, changes nothing', async () => {
    const { router, network, clock } = await twoGroups();
    await expect(router.reload(version(1, [1, 1, 2, 2]))).rejects.toBeInstanceOf(ShardFileError);
    const other = rigOf(network, router.directory);
    other.router.start();
    await clock.advance(20);
    await outcome(other.router.reload(version(5, [1, 2, 2, 2])), () => clock.advance(50));
    const error = await outcome(router.reload(version(4, [2, 1, 2, 2])), () => clock.advance(50));
    expect(error).toBeInstanceOf(LowerVersionError);
    expect(router.directory.version).toBe(1);
  });
});
