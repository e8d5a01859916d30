import { afterEach, describe, expect, it } from 'vitest';
import { InvalidArgumentError, NotLeaderError } from '../../src/base/errors.ts';
import { groupId } from '../../src/base/ids.ts';
import type { NodeProblem } from '../../src/node/node-events.ts';
import type { ProposeResult } from '../../src/node/types.ts';
import { MemoryDisk } from '../../src/storage/memory/memory-disk.ts';
import { decodePeerFrame } from '../../src/wire/peer-frame.ts';
import { Cluster } from './cluster.ts';

let cluster: Cluster;
afterEach(() => cluster.close());

const noCommand = Uint8Array.of(0xff);

function statusOf(id: string, group: string) {
  return cluster
    .node(id)
    .status()
    .groups.find((status) => status.id === group);
}

/** Makes one node the leader of all these groups. */
async function lead(id: string, groups: readonly string[]): Promise<void> {
  for (const group of groups) {
    const leader = cluster.leaderOf(group);
    if (leader.id !== id) await cluster.settled(leader.transferLeadership({ group, to: id }));
  }
  await cluster.clock.advance(300);
}

/** Restarts a node with another list of groups. */
async function restart(id: string, groups: readonly string[]): Promise<void> {
  cluster.kill(id);
  await cluster.start(id, { groups });
  await cluster.clock.advance(1_500);
}

/** Writes something that every state machine takes as a command it cannot read. */
async function write(group: string): Promise<ProposeResult> {
  return cluster.settled(
    new Promise<ProposeResult>((resolve) => cluster.leaderOf(group).group(group).propose(noCommand, resolve)),
  );
}

function problemsOf(id: string): NodeProblem[] {
  const problems: NodeProblem[] = [];
  cluster.node(id).on('problem', (problem) => problems.push(problem));
  return problems;
}

describe('several groups in one node', () => {
  it('each have a cluster id, a leader and a log of their own', async () => {
    cluster = await Cluster.started(3, {}, ['books', 'films']);
    for (const { node } of cluster.running.values()) {
      const { groups, clusterId, leaderId } = node.status();
      expect(groups.map(({ id }) => id)).toEqual(['main', 'books', 'films']);
      expect(new Set(groups.map((group) => group.clusterId)).size).toBe(3);
      expect(groups[0]).toMatchObject({ clusterId, leaderId });
      for (const group of groups) expect(group.leaderId).toBe(cluster.leaderOf(group.id).id);
    }
    const before = statusOf('a', 'films')?.commitIndex;
    expect(await write('books')).toMatchObject({ type: 'applied' });
    await cluster.clock.advance(200);
    expect(statusOf('a', 'books')).toMatchObject({ commitIndex: 3, appliedIndex: 3, lastLogIndex: 3 });
    expect(statusOf('a', 'films')?.commitIndex).toBe(before);
  });

  it('are led by all nodes in equal shares after a first start, and those of a dead one go to both that are left', async () => {
    const groups = ['b1', 'b2', 'b3', 'b4', 'b5'];
    cluster = await Cluster.started(3, {}, groups);
    const share = (id: string): number =>
      ['main', ...groups].filter((group) => cluster.leaderOf(group).id === id).length;
    expect(['a', 'b', 'c'].map(share)).toEqual([2, 2, 2]);
    cluster.kill('a');
    await cluster.clock.advance(400);
    expect(['b', 'c'].map(share)).toEqual([3, 3]);
  });

  it('share one link per pair, one frame per peer and turn, and one write per turn', async () => {
    cluster = await Cluster.started(3, {}, ['books', 'films']);
    const groups = ['main', 'books', 'films'];
    await lead('b', groups);
    cluster.appends = [];
    cluster.frames = [];
    const results: ProposeResult[] = [];
    for (const group of groups) {
      cluster
        .node('b')
        .group(group)
        .propose(noCommand, (result) => results.push(result));
    }
    await cluster.clock.advance(5);
    expect(results.map(({ type }) => type)).toEqual(['applied', 'applied', 'applied']);
    // One append and one sync at the leader and at each follower, with the entries of all groups.
    for (const id of ['a', 'b', 'c']) {
      const batches = cluster.appends.filter((append) => append.id === id);
      expect(batches.map(({ batch }) => batch.map((one) => one.group).sort())).toEqual([[...groups].sort()]);
    }
    // One frame to each follower with the entries, one back with the acknowledgements, of all groups.
    const carrying = (id: string, type: string): readonly (readonly string[])[] =>
      cluster.frames
        .filter((frame) => frame.id === id)
        .map(({ frame }) =>
          decodePeerFrame(frame).flatMap((item) =>
            item.type === 'message' && item.message.type === type ? [String(item.group)] : [],
          ),
        )
        .filter((found) => found.length > 0);
    expect(carrying('b', 'appendEntries')).toEqual([groups, groups]);
    for (const id of ['a', 'c']) expect(carrying(id, 'appendEntriesReply')).toEqual([groups]);
    await cluster.clock.advance(1_000);
    // The two ends of the leader's two links: followers have nothing to say to each other.
    expect(new Set(cluster.frames.map(({ link }) => link)).size).toBe(4);
  });

  it('beat together: sixteen groups at rest cost the frames of one', async () => {
    const frames: number[] = [];
    for (const groups of [[], Array.from({ length: 15 }, (_, n) => `g${n}`)]) {
      cluster = await Cluster.started(3, {}, groups);
      await lead('b', ['main', ...groups]);
      cluster.frames = [];
      await cluster.clock.advance(1_000);
      frames.push(cluster.frames.length);
      if (groups.length === 0) await cluster.close();
    }
    // Ten rounds a second to two followers, and an answer to each.
    expect(frames).toEqual([40, 40]);
  });

  it('have one alarm: what waits for a deadline is not one timer per group', async () => {
    cluster = await Cluster.started(1);
    const alone = cluster.clock.armedTimers;
    await cluster.close();
    cluster = await Cluster.started(1, {}, ['books', 'films', 'games']);
    expect(cluster.clock.armedTimers).toBe(alone);
  });

  it('are handed over all at once when their leader closes: none waits for an election timeout', async () => {
    const groups = ['main', 'books', 'films', 'games'];
    cluster = await Cluster.started(3, {}, groups);
    await lead('c', groups);
    expect(groups.map((group) => cluster.leaderOf(group).id)).toEqual(['c', 'c', 'c', 'c']);
    const startedMs = cluster.clock.monotonicMs();
    const closing = cluster.node('c').close();
    await cluster.clock.advance(60);
    await closing;
    // It knew each successor before it went: nobody had to find out that it was gone.
    const known = groups.map((group) => cluster.node('c').group(group).view());
    expect(known.map(({ role }) => role)).toEqual(['follower', 'follower', 'follower', 'follower']);
    expect(known.map(({ leaderId }) => leaderId)).not.toContain(undefined);
    cluster.running.delete('c');
    expect(cluster.clock.monotonicMs() - startedMs).toBeLessThan(100);
    const leaders = groups.map((group) => cluster.leaderOf(group).id);
    expect(leaders.map((id, at) => cluster.node('a').group(groups[at]).view().leaderId === id)).not.toContain(
      false,
    );
    expect(new Set(leaders)).toEqual(new Set(['a', 'b']));
  });

  it('are recovered from one log, and each has a leader within a moment of the death of the one that led them', async () => {
    const groups = ['main', 'books', 'films'];
    cluster = await Cluster.started(3, {}, groups);
    await lead('b', groups);
    for (const group of groups) await write(group);
    const ids = groups.map((group) => statusOf('a', group)?.clusterId);
    const indexes = groups.map((group) => statusOf('b', group)?.commitIndex);
    cluster.kill('b');
    await cluster.clock.advance(300);
    expect(groups.map((group) => cluster.leaderOf(group).id)).not.toContain('b');
    await cluster.start('b');
    await cluster.clock.advance(500);
    for (const [at, group] of groups.entries()) {
      expect(statusOf('b', group)).toMatchObject({ role: 'follower', clusterId: ids[at] });
      expect(statusOf('b', group)?.commitIndex).toBe((indexes[at] ?? 0) + 1);
    }
  });

  it('transferLeadership and group say when the group is not here or led elsewhere', async () => {
    cluster = await Cluster.started(3, {}, ['books']);
    const leader = cluster.leaderOf('books');
    const other = cluster.node(leader.id === 'a' ? 'b' : 'a');
    expect(() => leader.group('films')).toThrow(InvalidArgumentError);
    await expect(leader.transferLeadership({ group: 'films' })).rejects.toThrow(InvalidArgumentError);
    await expect(other.transferLeadership({ group: 'books' })).rejects.toThrow(NotLeaderError);
    const main = cluster.leader().id;
    const moved = cluster.settled(leader.transferLeadership({ group: 'books', to: other.id }));
    expect(await moved).toMatchObject({ from: leader.id, to: other.id });
    expect(cluster.leader().id).toBe(main);
  });
});

describe('a group that comes later', () => {
  it('is founded when all members host it, restarted one by one, and the cluster goes on meanwhile', async () => {
    cluster = await Cluster.started(3);
    const { clusterId } = cluster.node('a').status();
    for (const id of ['a', 'b']) {
      await restart(id, ['books']);
      expect(statusOf(id, 'books')).toMatchObject({
        role: 'follower',
        term: 0,
        lastLogIndex: 0,
        clusterId: null,
      });
    }
    expect(statusOf('a', 'books')?.reason).toBe(
      'not founded yet: group books: c does not host it; name it in groups there',
    );
    await restart('c', ['books']);
    for (const id of ['a', 'b', 'c']) {
      expect(statusOf(id, 'books')).toMatchObject({ leaderId: cluster.leaderOf('books').id, commitIndex: 2 });
      expect(cluster.node(id).status()).toMatchObject({ clusterId, health: 'normal', warnings: [] });
    }
    expect(statusOf('a', 'books')?.clusterId).not.toBe(clusterId);
  });

  it('that one of three does not host is not founded, and every word about it is said once', async () => {
    cluster = new Cluster(3);
    for (const id of ['a', 'b']) await cluster.start(id, { groups: ['books'] });
    const problems = problemsOf('a');
    await cluster.start('c');
    await cluster.clock.advance(10_000);
    expect(problems.filter(({ kind }) => kind === 'groupsDiffer')).toEqual([
      {
        kind: 'groupsDiffer',
        peer: 'c',
        message: 'group books: c does not host it; name it in groups there',
      },
    ]);
    const { health, warnings, groups } = cluster.node('a').status();
    expect(health).toBe('warning');
    expect(warnings.map(({ code }) => code)).toEqual(['groupsDiffer']);
    expect(groups[1]).toMatchObject({ term: 0, leaderId: null, lastLogIndex: 0 });
    expect(cluster.node('c').status()).toMatchObject({ health: 'normal', unknownGroupCount: 0 });
    // Nobody asked for a vote in it: nothing of it is on any disk.
    for (const disk of cluster.disks.values()) expect([...disk.groups.keys()]).toEqual(['main']);
  });

  it('that a member does not host any more goes on with the others; its records stay, and messages for it are dropped and counted', async () => {
    cluster = await Cluster.started(3, {}, ['books']);
    await lead('a', ['books']);
    await write('books');
    const { clusterId } = statusOf('a', 'books')!;
    cluster.kill('c');
    await cluster.start('c', { groups: [] });
    const problems = problemsOf('c');
    await cluster.clock.advance(2_000);
    expect(cluster.node('c').status().unknownGroupCount).toBeGreaterThan(5);
    expect(problems.filter(({ kind }) => kind === 'unknownGroup')).toHaveLength(1);
    expect(
      cluster
        .node('c')
        .status()
        .warnings.map(({ code }) => code),
    ).toEqual(['unusedGroup']);
    expect(cluster.warnings.filter((text) => text.includes('which is not in groups'))).toHaveLength(1);
    expect(await write('books')).toMatchObject({ type: 'applied' });
    const kept = cluster.disks.get('c')!.groups.get(groupId('books'))!.entries.length;
    expect(kept).toBeGreaterThan(2);
    await restart('c', ['books']);
    expect(statusOf('c', 'books')).toMatchObject({ clusterId, leaderId: 'a' });
    expect(statusOf('c', 'books')?.commitIndex).toBe(statusOf('a', 'books')?.commitIndex);
  });

  it('is not founded a second time by members that dropped it and name it again while one of them was away', async () => {
    cluster = await Cluster.started(3, {}, ['books']);
    await write('books');
    const { clusterId } = statusOf('a', 'books')!;
    for (const id of ['a', 'b', 'c']) cluster.kill(id);
    for (const id of ['a', 'b', 'c']) await cluster.start(id, { groups: [] });
    await cluster.clock.advance(2_000);
    for (const id of ['a', 'b', 'c']) await restart(id, ['books']);
    for (const id of ['a', 'b', 'c']) expect(statusOf(id, 'books')?.clusterId).toBe(clusterId);
  });
});

describe('members whose peers differ', () => {
  it('do not found a group in two halves: it has the members that the log of main names', async () => {
    cluster = await Cluster.started(3);
    for (const id of ['a', 'b', 'c']) cluster.kill(id);
    await cluster.start('a', { groups: ['books'], peerIds: ['a'] });
    for (const id of ['b', 'c']) await cluster.start(id, { groups: ['books'], peerIds: ['b', 'c'] });
    await cluster.clock.advance(10_000);
    expect(cluster.node('b').view().leaderId).not.toBeNull();
    for (const id of ['a', 'b', 'c']) {
      expect(statusOf(id, 'books')).toMatchObject({ term: 0, leaderId: null, lastLogIndex: 0 });
    }
    for (const id of ['a', 'b', 'c']) await restart(id, ['books']);
    for (const id of ['a', 'b', 'c'])
      expect(statusOf(id, 'books')?.leaderId).toBe(cluster.leaderOf('books').id);
  });
});

describe('a wiped node', () => {
  it('founds no group again, whatever it names, and the groups go on without it', async () => {
    cluster = await Cluster.started(3, {}, ['books']);
    await write('books');
    const ids = ['main', 'books'].map((group) => statusOf('a', group)?.clusterId);
    cluster.kill('c');
    cluster.disks.set('c', new MemoryDisk());
    await cluster.start('c', { groups: ['books', 'films'] });
    await cluster.clock.advance(10_000);
    expect(cluster.node('c').status()).toMatchObject({ state: 'awaitingAdmission', clusterId: null });
    for (const group of ['main', 'books', 'films']) {
      expect(statusOf('c', group)).toMatchObject({
        term: 0,
        leaderId: null,
        lastLogIndex: 0,
        clusterId: null,
      });
    }
    expect(statusOf('c', 'films')?.reason).toBe('the disk of this node waits to be admitted');
    expect(['main', 'books'].map((group) => statusOf('a', group)?.clusterId)).toEqual(ids);
    expect(await write('books')).toMatchObject({ type: 'applied' });
  });

  it('and a member that was cut off since before the founding found none together', async () => {
    cluster = await Cluster.started(3);
    // All host the group from now on, but c never hears of the others.
    for (const id of ['a', 'b', 'c']) cluster.kill(id);
    cluster.network.cut('a', 'c');
    cluster.network.cut('b', 'c');
    for (const id of ['a', 'b', 'c']) await cluster.start(id, { groups: ['books'] });
    await cluster.clock.advance(5_000);
    // Two of three are a majority of main, and do not found a group that three are to have.
    expect(cluster.leaderOf('main').id).not.toBe('c');
    for (const id of ['a', 'b', 'c'])
      expect(statusOf(id, 'books')).toMatchObject({ term: 0, lastLogIndex: 0 });
    cluster.network.heal();
    await cluster.clock.advance(5_000);
    const { clusterId } = statusOf('a', 'books')!;
    for (const id of ['a', 'b', 'c']) expect(statusOf(id, 'books')?.clusterId).toBe(clusterId);
    cluster.network.cut('a', 'c');
    cluster.kill('b');
    cluster.disks.set('b', new MemoryDisk());
    await cluster.start('b', { groups: ['books'] });
    await cluster.clock.advance(5_000);
    expect(statusOf('b', 'books')).toMatchObject({ lastLogIndex: 0, clusterId: null });
    expect(statusOf('c', 'books')?.clusterId).toBe(clusterId);
  });
});
