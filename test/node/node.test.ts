import { afterEach, describe, expect, it } from 'vitest';
import {
  ClosedError,
  DeadlineExceededError,
  InvalidArgumentError,
  NodeFailedError,
  NotLeaderError,
  TransferFailedError,
} from '../../src/base/errors.ts';
import type { Leadership } from '../../src/node/leadership.ts';
import type { NodeView } from '../../src/node/node-events.ts';
import { commandBytesMax } from '../../src/node/proposals.ts';
import { Cluster } from './cluster.ts';

let cluster: Cluster;
afterEach(() => cluster.close());

/** A callback that holds until its signal aborts. */
function untilAborted({ signal }: Leadership): Promise<void> {
  return new Promise((resolve) => signal.addEventListener('abort', () => resolve(), { once: true }));
}

const idsOf = () => [...cluster.running.keys()];

describe('three nodes', () => {
  it('elect one leader that all know', async () => {
    cluster = await Cluster.started(3);
    const leaderId = cluster.leader().id;
    for (const { node } of cluster.running.values()) {
      expect(node.view()).toMatchObject({ leaderId, state: 'running', health: 'normal', missed: 0 });
    }
  });

  it('replace a killed leader without waiting for an election timeout, and take it back as a follower', async () => {
    cluster = await Cluster.started(3);
    const { id } = cluster.leader();
    cluster.kill(id);
    await cluster.clock.advance(300);
    const second = cluster.leader();
    expect(second.id).not.toBe(id);
    await cluster.start(id);
    await cluster.clock.advance(500);
    expect(cluster.node(id).view()).toMatchObject({
      role: 'follower',
      leaderId: second.id,
      health: 'normal',
    });
  });

  it('open scopes one after the other, never two at once, with tokens that grow (I12, I14)', async () => {
    cluster = await Cluster.started(3);
    const open = new Set<string>();
    const tokens: number[] = [];
    const run = (id: string): void => {
      const callback = async (leadership: Leadership): Promise<void> => {
        expect([...open]).toEqual([]);
        open.add(id);
        tokens.push(leadership.fencingToken);
        await untilAborted(leadership);
        open.delete(id);
      };
      cluster
        .node(id)
        .runWhileLeader(callback)
        .catch(() => {});
    };
    for (const id of idsOf()) run(id);
    await cluster.clock.advance(100);
    for (let i = 0; i < 4; i++) {
      const { id } = cluster.leader();
      expect([...open]).toEqual([id]);
      cluster.kill(id);
      open.delete(id);
      // Writes are back at once; the scope waits for the dead leader's lease.
      await cluster.clock.advance(300);
      expect(cluster.leader().id).not.toBe(id);
      expect([...open]).toEqual([]);
      await cluster.clock.advance(900);
      expect(open.size).toBe(1);
      await cluster.start(id);
      run(id);
      await cluster.clock.advance(500);
    }
    expect(tokens).toEqual([...tokens].sort((a, b) => a - b));
    expect(new Set(tokens).size).toBe(tokens.length);
  });
});

describe('observe', () => {
  it('gives the current view first, then the newest, and counts what was missed (pitfall 77)', async () => {
    cluster = await Cluster.started(3);
    const node = cluster.followers()[0]!;
    const stop = new AbortController();
    const views = node.observe({ signal: stop.signal });
    const first = await views.next();
    expect(first.value).toMatchObject({ leaderId: cluster.leader().id, missed: 0 });
    cluster.kill(cluster.leader().id);
    await cluster.clock.advance(500);
    const { value } = await views.next();
    expect(value).toMatchObject({ leaderId: cluster.leader().id, missed: expect.any(Number) });
    expect(value?.missed).toBeGreaterThan(0);
    stop.abort();
    expect(await views.next()).toEqual({ done: true, value: undefined });
  });

  it('gives each reader a stream of its own, and the last view when the node stops', async () => {
    cluster = await Cluster.started(1);
    const node = cluster.node('a');
    const seen: NodeView[][] = [[], []];
    const readers = seen.map(async (list) => {
      for await (const view of node.observe()) list.push(view);
    });
    await cluster.clock.settle();
    await cluster.settled(node.close());
    await Promise.all(readers);
    for (const list of seen) {
      expect(list[0]?.state).toBe('running');
      expect(list.at(-1)).toMatchObject({ state: 'stopped', leaderId: null, health: 'abnormal' });
    }
    const late: NodeView[] = [];
    for await (const view of node.observe()) late.push(view);
    expect(late.map(({ state }) => state)).toEqual(['stopped']);
  });
});

describe('events', () => {
  it('say who leads, and a listener that throws harms nobody (pitfall 86)', async () => {
    cluster = await Cluster.started(3);
    const node = cluster.followers()[0]!;
    const leaders: (string | null)[] = [];
    node.on('leaderChange', ({ leaderId }) => leaders.push(leaderId));
    node.on('leaderChange', () => {
      throw new Error('a defect of the application');
    });
    cluster.kill(cluster.leader().id);
    await cluster.clock.advance(500);
    expect(leaders.at(-1)).toBe(cluster.leader().id);
    expect(node.view().state).toBe('running');
  });

  it('can be listened to once, and left', async () => {
    cluster = await Cluster.started(3);
    const node = cluster.followers()[0]!;
    const calls: string[] = [];
    const listener = (): number => calls.push('on');
    node.on('stateChange', listener).once('leaderChange', () => calls.push('once'));
    node.off('stateChange', listener);
    cluster.kill(cluster.leader().id);
    await cluster.clock.advance(500);
    expect(calls).toEqual(['once']);
  });
});

describe('waitForLeader', () => {
  it('resolves with the view that names one, now or later', async () => {
    cluster = new Cluster(3);
    const node = await cluster.start('a');
    const waiting = node.waitForLeader();
    await cluster.start('b');
    await cluster.start('c');
    const { leaderId } = await cluster.settled(waiting);
    expect(idsOf()).toContain(leaderId);
    expect((await node.waitForLeader()).leaderId).toBe(leaderId);
  });

  it('rejects after timeoutMs with the reason, when aborted with its reason, and when the node closes', async () => {
    cluster = new Cluster(3);
    const node = await cluster.start('a');
    const late = node.waitForLeader({ timeoutMs: 2_000 });
    late.catch(() => {});
    await expect(cluster.settled(late)).rejects.toThrow(
      /within 2000 ms: no leader: 1 of 3 voters are up.*missing: b, c/,
    );
    await expect(late).rejects.toBeInstanceOf(DeadlineExceededError);
    const stop = new AbortController();
    const aborted = node.waitForLeader({ signal: stop.signal });
    stop.abort(new Error('no longer wanted'));
    await expect(aborted).rejects.toThrow('no longer wanted');
    const closed = node.waitForLeader();
    closed.catch(() => {});
    await cluster.settled(node.close());
    await expect(closed).rejects.toBeInstanceOf(ClosedError);
  });
});

describe('transferLeadership', () => {
  it('drains the scope, hands over with a release, and the next scope opens at once', async () => {
    cluster = await Cluster.started(3);
    const from = cluster.leader();
    const to = cluster.followers()[1]!;
    const order: string[] = [];
    const run = from.runWhileLeader(async (leadership) => {
      await untilAborted(leadership);
      await new Promise<void>((resolve) => cluster.clock.after(50, resolve));
      order.push('drained');
    });
    to.runWhileLeader((leadership) => {
      order.push('next scope');
      return untilAborted(leadership);
    }).catch(() => {});
    run.catch(() => {});
    await cluster.clock.advance(1_000);
    const result = await cluster.settled(from.transferLeadership({ to: to.id }), 200);
    order.push('transferred');
    expect(result).toMatchObject({ from: from.id, to: to.id });
    expect(result.gapMs).toBeLessThan(50);
    expect(result.term).toBe(to.view().term);
    await cluster.clock.advance(20);
    expect(order[0]).toBe('drained');
    expect(order).toContain('next scope');
    expect(from.view().leaderId).toBe(to.id);
  });

  it('is refused elsewhere, towards nobody or oneself, and where there is no other voter', async () => {
    cluster = await Cluster.started(3);
    const leader = cluster.leader();
    await expect(cluster.followers()[0]!.transferLeadership()).rejects.toMatchObject({ leaderId: leader.id });
    await expect(cluster.followers()[0]!.transferLeadership()).rejects.toBeInstanceOf(NotLeaderError);
    await expect(leader.transferLeadership({ to: 'z' })).rejects.toBeInstanceOf(InvalidArgumentError);
    await expect(leader.transferLeadership({ to: leader.id })).rejects.toBeInstanceOf(InvalidArgumentError);
    await cluster.close();
    cluster = await Cluster.started(1);
    await expect(cluster.leader().transferLeadership()).rejects.toBeInstanceOf(TransferFailedError);
  });

  it('to a node that does not answer fails, and the scope opens again under a new token', async () => {
    cluster = await Cluster.started(3);
    const leader = cluster.leader();
    const tokens: number[] = [];
    leader
      .runWhileLeader((leadership) => {
        tokens.push(leadership.fencingToken);
        return untilAborted(leadership);
      })
      .catch(() => {});
    await cluster.clock.advance(1_000);
    const dead = cluster.followers()[0]!.id;
    cluster.kill(dead);
    await cluster.clock.advance(100);
    await expect(cluster.settled(leader.transferLeadership({ to: dead }))).rejects.toBeInstanceOf(
      TransferFailedError,
    );
    await cluster.clock.advance(500);
    expect(cluster.leader().id).toBe(leader.id);
    expect(tokens).toHaveLength(2);
    expect(tokens[1]).toBeGreaterThan(tokens[0]!);
  });
});

describe('a command', () => {
  it('that fits no frame is refused at once: in the log it would stop all replication', async () => {
    cluster = await Cluster.started(3);
    const group = cluster.leader().group();
    expect(() => group.propose(new Uint8Array(4 * 1024 * 1024), () => {})).toThrow(InvalidArgumentError);
    const results: string[] = [];
    group.propose(new Uint8Array(commandBytesMax), ({ type }) => results.push(type));
    await cluster.clock.advance(1_000);
    expect(results).toEqual(['applied']);
  });
});

describe('a callback that throws', () => {
  it('is handed to a voter that is there, not to the next by name', async () => {
    cluster = await Cluster.started(3);
    const leader = cluster.leader();
    const next = { a: 'b', b: 'c', c: 'a' }[leader.id]!;
    cluster.kill(next);
    await cluster.clock.advance(100);
    leader.runWhileLeader(() => Promise.reject(new Error('broken'))).catch(() => {});
    await cluster.clock.advance(400);
    expect(cluster.leader().id).not.toBe(leader.id);
  });

  it('hands leadership to a node where it may work, and stays away (pitfall 76)', async () => {
    cluster = await Cluster.started(3);
    const first = cluster.leader();
    const worked: string[] = [];
    const errors: unknown[] = [];
    first.on('scopeError', ({ error, retryInMs }) => errors.push([error, retryInMs]));
    for (const { node } of cluster.running.values()) {
      const callback = (leadership: Leadership): Promise<void> => {
        if (node === first) throw new Error('no database here');
        worked.push(node.id);
        return untilAborted(leadership);
      };
      node.runWhileLeader(callback).catch(() => {});
    }
    await cluster.clock.advance(1_500);
    expect(errors).toEqual([[new Error('no database here'), 1_000]]);
    expect(cluster.leader().id).not.toBe(first.id);
    expect(worked).toEqual([cluster.leader().id]);
  });

  it('on two of three nodes reaches the third, where it works', async () => {
    cluster = await Cluster.started(3);
    const worked: string[] = [];
    for (const { node } of cluster.running.values()) {
      const callback = (leadership: Leadership): Promise<void> => {
        if (node.id !== 'c') throw new Error('no database here');
        worked.push(node.id);
        return untilAborted(leadership);
      };
      node.runWhileLeader(callback).catch(() => {});
    }
    await cluster.clock.advance(1_200);
    expect(worked).toEqual(['c']);
    expect(cluster.leader().id).toBe('c');
  });

  it('keeps its node from leading for a while, also when the next leader dies', async () => {
    cluster = await Cluster.started(3);
    const first = cluster.leader();
    first
      .runWhileLeader(() => {
        throw new Error('no database here');
      })
      .catch(() => {});
    await cluster.clock.advance(400);
    const second = cluster.leader();
    expect(second.id).not.toBe(first.id);
    cluster.kill(second.id);
    await cluster.clock.advance(300);
    expect(cluster.leader().id).not.toBe(first.id);
  });

  it('on every node changes leaders no faster than they may try again', async () => {
    cluster = await Cluster.started(3);
    let calls = 0;
    for (const { node } of cluster.running.values()) {
      node
        .runWhileLeader(() => {
          calls++;
          throw new Error('the database is down');
        })
        .catch(() => {});
    }
    const { term } = cluster.leader().view();
    await cluster.clock.advance(30_000);
    // Each node tries at 0, 1, 3, 7, 15 s of its own: five times at most.
    expect(calls).toBeGreaterThan(4);
    expect(calls).toBeLessThanOrEqual(15);
    expect(cluster.leader().view().term - term).toBeLessThan(20);
  });

  it('on the only voter is tried again there', async () => {
    cluster = await Cluster.started(1);
    const node = cluster.node('a');
    const calls: number[] = [];
    node
      .runWhileLeader(() => {
        calls.push(cluster.clock.monotonicMs());
        throw new Error('once more');
      })
      .catch(() => {});
    await cluster.clock.advance(3_500);
    expect(calls).toHaveLength(3);
    expect(node.view().role).toBe('leader');
  });
});

describe('close', () => {
  it('drains the scope, hands over so that the next scope need not wait, and settles the run', async () => {
    cluster = await Cluster.started(3);
    const first = cluster.leader();
    const opened: string[] = [];
    for (const { node } of cluster.running.values()) {
      const callback = (leadership: Leadership): Promise<void> => {
        opened.push(node.id);
        return untilAborted(leadership);
      };
      node.runWhileLeader(callback).catch(() => {});
    }
    await cluster.clock.advance(1_000);
    await cluster.settled(first.close(), 300);
    await first.close();
    expect(first.view()).toMatchObject({ state: 'stopped', leaderId: null });
    cluster.running.delete(first.id);
    await cluster.clock.advance(50);
    expect(opened).toEqual([first.id, cluster.leader().id]);
  });

  it('waits for the transfer that is under way', async () => {
    cluster = await Cluster.started(3);
    const leader = cluster.leader();
    const transfer = leader.transferLeadership();
    await cluster.settled(leader.close(), 1_000);
    cluster.running.delete(leader.id);
    expect((await transfer).to).toBe(cluster.leader().id);
  });

  it('ends a transfer that leads nowhere: nothing of a closed node keeps the process alive', async () => {
    cluster = await Cluster.started(2);
    const leader = cluster.leader();
    cluster.kill(cluster.followers()[0]!.id);
    const transfer = leader.transferLeadership();
    transfer.catch(() => {});
    await cluster.clock.settle();
    await cluster.settled(leader.close(), 100);
    await expect(cluster.settled(transfer, 10)).rejects.toBeInstanceOf(TransferFailedError);
    cluster.running.clear();
  });

  it('is what await using calls', async () => {
    cluster = await Cluster.started(1);
    const node = cluster.node('a');
    await cluster.settled(node[Symbol.asyncDispose]());
    expect(node.status().state).toBe('stopped');
  });
});

describe('status', () => {
  it('tells normal, warning and abnormal by who is up, with the failures still tolerated', async () => {
    cluster = await Cluster.started(3);
    const leader = cluster.leader();
    const [one, two] = cluster.followers().map(({ id }) => id);
    expect(leader.status()).toMatchObject({
      health: 'normal',
      failuresTolerated: 1,
      reason: '3 of 3 voters are up',
    });
    cluster.kill(one!);
    await cluster.clock.advance(100);
    expect(leader.status()).toMatchObject({
      health: 'warning',
      failuresTolerated: 0,
      reason: `2 of 3 voters are up; missing: ${one}`,
    });
    cluster.kill(two!);
    await cluster.clock.advance(100);
    expect(leader.status()).toMatchObject({ health: 'abnormal', failuresTolerated: 0 });
    await cluster.clock.advance(2_500);
    expect(leader.status()).toMatchObject({ state: 'isolated', leaderId: null, health: 'abnormal' });
  });

  it('says voter by voter why nobody leads', async () => {
    cluster = await Cluster.started(3);
    const { id } = cluster.leader();
    const [one, two] = cluster.followers();
    cluster.kill(id);
    cluster.kill(one!.id);
    await cluster.clock.advance(4_000);
    const { leaderId, summary, voters } = two!.explain();
    expect(leaderId).toBeNull();
    expect(summary).toMatch(/^no leader: 1 of 3 voters are up, a quorum is 2/);
    const says = Object.fromEntries(voters.map((voter) => [voter.id, voter.says]));
    expect(says[two!.id]).toMatch(/^this node; isolated/);
    expect(says[id]).toMatch(/^not connected: /);
  });

  it('is plain data: it survives JSON', async () => {
    cluster = await Cluster.started(3);
    const status = cluster.leader().status();
    expect(JSON.parse(JSON.stringify(status))).toEqual(status);
    expect(status.members.map(({ id, self, connected }) => [id, self, connected])).toEqual(
      ['a', 'b', 'c'].map((id) => [id, id === status.id, true]),
    );
  });

  it('names the node whose wall clock is wrong', async () => {
    cluster = new Cluster(3);
    await cluster.start('a');
    await cluster.start('b');
    await cluster.start('c', { wallOffsetMs: -5_000 });
    await cluster.clock.advance(1_000);
    const { id, ...status } = cluster.leader().status();
    const skew = status.warnings.filter(({ code }) => code === 'clockSkew').map(({ message }) => message);
    if (id === 'c') expect(skew).toHaveLength(2);
    else expect(skew).toEqual(['the wall clock of c differs from this one by -5000 ms']);
    expect(status.health).toBe('warning');
  });

  it('warns of a slow disk and names the thread pool (pitfall 88)', async () => {
    cluster = new Cluster(1);
    const problems: string[] = [];
    const node = await cluster.start('a', { writeMs: 250 });
    const healths: string[] = [];
    node
      .on('problem', ({ kind }) => problems.push(kind))
      .on('stateChange', ({ health }) => healths.push(health));
    await cluster.clock.advance(1_500);
    const warning = node.status().warnings.find(({ code }) => code === 'slowDisk');
    expect(warning?.message).toMatch(/250 ms.*UV_THREADPOOL_SIZE/);
    expect(problems).toEqual(['slowDisk']);
    await cluster.clock.advance(120_000);
    expect(node.status().health).toBe('normal');
    expect(healths.at(-1)).toBe('normal');
    expect(healths).toContain('warning');
  });

  it('warns when the log and peers name different members: the log counts', async () => {
    cluster = await Cluster.started(3);
    const { id } = cluster.followers()[0]!;
    cluster.kill(id);
    const node = await cluster.start(id, { peerIds: ['a', 'b', 'c', 'd', 'e'] });
    await cluster.clock.advance(2_000);
    const { warnings, members } = node.status();
    expect(members.map((member) => member.id)).toEqual(['a', 'b', 'c']);
    expect(warnings).toEqual([
      { code: 'peersDiffer', message: 'the log names a, b, c; peers names a, b, c, d, e' },
    ]);
  });

  it('shows the open scope', async () => {
    cluster = await Cluster.started(1);
    const node = cluster.node('a');
    expect(node.status().scope).toBeNull();
    node.runWhileLeader(untilAborted).catch(() => {});
    await cluster.clock.advance(100);
    expect(node.status().scope).toMatchObject({ term: node.view().term, fencingToken: expect.any(Number) });
  });
});

describe('a node whose disk fails', () => {
  it('is gone for the others at once, says so, and rejects its run (pitfalls 3 and 86)', async () => {
    cluster = await Cluster.started(3);
    const leader = cluster.leader();
    const run = leader.runWhileLeader(untilAborted);
    run.catch(() => {});
    await cluster.clock.advance(1_000);
    const problems: string[] = [];
    leader.on('problem', ({ kind }) => problems.push(kind));
    cluster.disks.get(leader.id)!.fail(new Error('EIO'));
    leader.group().propose(new Uint8Array(8), () => {});
    await cluster.clock.advance(300);
    expect(leader.view()).toMatchObject({ state: 'failed', health: 'abnormal', leaderId: null });
    expect(leader.status().reason).toMatch(/this node failed: /);
    expect(problems).toContain('failed');
    await expect(run).rejects.toBeInstanceOf(NodeFailedError);
    await expect(leader.waitForLeader()).rejects.toBeInstanceOf(NodeFailedError);
    cluster.running.delete(leader.id);
    expect(cluster.leader().id).not.toBe(leader.id);
    await cluster.settled(leader.close());
  });
});
