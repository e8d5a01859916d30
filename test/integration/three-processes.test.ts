import { rmSync } from 'node:fs';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { ProcessCluster } from './node-process.ts';

let cluster: ProcessCluster;
beforeEach(async () => {
  cluster = new ProcessCluster();
  await cluster.start();
});
afterEach(() => cluster.stop());

/** How fast all this is, is judged in virtual time (test/node) and measured by the failover bench, not on a machine of unknown load. */
describe('three node processes with files and WebSockets', () => {
  it('elect a leader, open its scope, and after kill -9 another one takes writes and a higher token', async () => {
    const first = await cluster.leader();
    const opened = await first.node.line('scopeOpened');
    expect((await first.node.answer('write', 'written')).result).toBe('applied');
    await first.node.kill();
    const second = await cluster.leader();
    expect(second.id).not.toBe(first.id);
    expect(second.term).toBeGreaterThan(first.term);
    expect((await second.node.answer('write', 'written')).result).toBe('applied');
    const reopened = await second.node.line('scopeOpened', { where: ({ term }) => term === second.term });
    expect(Number(reopened.token)).toBeGreaterThan(Number(opened.token));
  });

  it('take back a node that was killed: it has the log and follows', async () => {
    const first = await cluster.leader();
    await first.node.answer('write', 'written');
    await first.node.kill();
    const second = await cluster.leader();
    await second.node.answer('write', 'written');
    const back = cluster.startNode(first.id);
    await back.line('leaderChange', { where: ({ leaderId }) => leaderId === second.id });
    await back.line('stateChange', { where: ({ health }) => health === 'normal' });
    const { term } = await cluster.leader();
    expect(term).toBe(second.term);
  });

  it('leave a wiped node waiting for admission, and go on without it', async () => {
    const first = await cluster.leader();
    const wipedId = ['a', 'b', 'c'].find((id) => id !== first.id)!;
    await cluster.nodes.get(wipedId)!.kill();
    rmSync(cluster.dataDir(wipedId), { recursive: true });
    const wiped = cluster.startNode(wipedId);
    await wiped.line('stateChange', { where: ({ state }) => state === 'awaitingAdmission' });
    expect((await first.node.answer('write', 'written')).result).toBe('applied');
    const { id, term } = await cluster.leader();
    expect({ id, term }).toEqual({ id: first.id, term: first.term });
  });

  it('hand leadership over when the leader closes, and another one opens its scope', async () => {
    const first = await cluster.leader();
    await first.node.line('scopeOpened');
    const others = [...cluster.nodes].filter(([id]) => id !== first.id).map(([, node]) => node);
    await first.node.answer('close', 'closed');
    expect(await first.node.exited).toBe(0);
    const second = await cluster.leader();
    await second.node.line('scopeOpened', { where: ({ term }) => term === second.term });
    expect(others).toContain(second.node);
  });

  it('transfer leadership to the node that was asked for', async () => {
    const first = await cluster.leader();
    const to = ['a', 'b', 'c'].find((id) => id !== first.id)!;
    const result = await first.node.answer(`transfer ${to}`, 'transferred');
    expect(result).toMatchObject({ from: first.id, to });
    expect(Number(result.gapMs)).toBeGreaterThan(0);
    expect((await cluster.leader()).id).toBe(to);
  });

  it('replace a frozen leader, whose scope is over by assertHeld when it wakes (pitfall 90, I15)', async () => {
    const first = await cluster.leader();
    await first.node.line('scopeOpened');
    first.node.signal('SIGSTOP');
    const others = [...cluster.nodes.values()].filter((node) => node !== first.node);
    const isAnother = ({ leaderId }: Readonly<Record<string, unknown>>): boolean =>
      typeof leaderId === 'string' && leaderId !== first.id;
    const from = others.map((node) => node.lines.length);
    await Promise.all(
      others.map((node, i) => node.line('leaderChange', { from: from[i]!, where: isAnother })),
    );
    // Already in its input when it wakes: answered in the first turns of its loop.
    const before = first.node.lines.length;
    first.node.ask('check');
    first.node.signal('SIGCONT');
    const checked = await first.node.line('checked', { from: before });
    expect(checked).toMatchObject({ held: false, error: 'LeadershipLostError' });
    await first.node.line('leaderChange', { from: before, where: isAnother });
  });

  it('keep their leader through a blocked loop of 400 ms, and one of 1,500 ms fails assertHeld before any timer (pitfalls 82 and 90)', async () => {
    const first = await cluster.leader();
    await first.node.line('scopeOpened');
    expect(await first.node.answer('block 400', 'checked')).toMatchObject({ held: true });
    expect(await cluster.leader()).toMatchObject({ id: first.id, term: first.term });
    expect(await first.node.answer('block 1500', 'checked')).toMatchObject({
      held: false,
      error: 'LeadershipLostError',
    });
  });
});
