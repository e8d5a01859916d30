import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type NodeProcess, ProcessCluster } from './node-process.ts';

interface GroupLine {
  readonly id: string;
  readonly clusterId: string | null;
  readonly leaderId: string | null;
  readonly role: string;
  readonly term: number;
  readonly commitIndex: number;
}

const names = ['main', 'books'];
/** For a machine that does much else; how fast it all is, is judged in virtual time. */
const patienceMs = 60_000;
let cluster: ProcessCluster;
beforeEach(async () => {
  cluster = new ProcessCluster({ groups: ['books'] });
  await cluster.start();
}, patienceMs);
afterEach(() => cluster.stop());

async function groupsOf(node: NodeProcess): Promise<readonly GroupLine[]> {
  const { status } = await node.answer('status', 'status');
  return (status as { readonly groups: readonly GroupLine[] }).groups;
}

/** Asks all that run until they are of one mind about every group and the condition holds. */
async function agreed(
  where: (groups: readonly GroupLine[]) => boolean = () => true,
): Promise<readonly GroupLine[]> {
  for (let attempt = 0; attempt < 2_000; attempt++) {
    const running = [...cluster.nodes.values()].filter((node) => node.running);
    const all = await Promise.all(running.map(groupsOf));
    const minds = new Set(
      all.map((groups) =>
        JSON.stringify(groups.map(({ leaderId, term, commitIndex }) => [leaderId, term, commitIndex])),
      ),
    );
    const [first] = all;
    if (
      first !== undefined &&
      minds.size === 1 &&
      first.every(({ leaderId }) => leaderId !== null) &&
      where(first)
    ) {
      return first;
    }
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
  throw new Error('the nodes do not agree');
}

describe('two groups in three node processes, with files and WebSockets', () => {
  it(
    'share the sockets, and both are back after the one that led both was killed, and again when it returns',
    async () => {
      const first = await agreed();
      expect(first.map(({ id }) => id)).toEqual(names);
      for (const { id, leaderId } of first) {
        if (leaderId !== 'b')
          await cluster.nodes.get(leaderId ?? '')!.answer(`transfer b ${id}`, 'transferred');
      }
      await agreed((groups) => groups.every(({ leaderId }) => leaderId === 'b'));
      for (const name of names) {
        expect(await cluster.nodes.get('b')!.answer(`write ${name}`, 'written')).toMatchObject({
          result: 'applied',
        });
      }
      // One to each of the two others, however many groups there are.
      for (const node of cluster.nodes.values())
        expect((await node.answer('sockets', 'sockets')).count).toBe(2);
      const before = await agreed();

      await cluster.nodes.get('b')!.kill();
      // A leader is known before the first entry of its term is committed.
      const second = await agreed((groups) =>
        groups.every(
          ({ leaderId, commitIndex }, at) => leaderId !== 'b' && commitIndex > before[at]!.commitIndex,
        ),
      );
      for (const [at, { id, leaderId, term, clusterId }] of second.entries()) {
        expect(clusterId).toBe(before[at]!.clusterId);
        expect(term).toBeGreaterThan(before[at]!.term);
        expect(await cluster.nodes.get(leaderId ?? '')!.answer(`write ${id}`, 'written')).toMatchObject({
          result: 'applied',
        });
      }

      await cluster.startNode('b').line('started', { timeoutMs: patienceMs });
      const third = await agreed((groups) =>
        groups.every(({ commitIndex }, at) => commitIndex > second[at]!.commitIndex),
      );
      expect(third.map(({ clusterId }) => clusterId)).toEqual(before.map(({ clusterId }) => clusterId));
      for (const node of cluster.nodes.values())
        expect((await node.answer('sockets', 'sockets')).count).toBe(2);
    },
    patienceMs,
  );

  it(
    'are both recovered when all three were killed at once',
    async () => {
      const first = await agreed();
      for (const { id, leaderId } of first)
        await cluster.nodes.get(leaderId ?? '')!.answer(`write ${id}`, 'written');
      const before = await agreed((groups) =>
        groups.every(({ commitIndex }, at) => commitIndex > first[at]!.commitIndex),
      );
      await Promise.all([...cluster.nodes.values()].map((node) => node.kill()));
      for (const id of ['a', 'b', 'c']) cluster.startNode(id);
      await Promise.all(
        [...cluster.nodes.values()].map((node) => node.line('started', { timeoutMs: patienceMs })),
      );
      const after = await agreed((groups) =>
        groups.every(({ commitIndex }, at) => commitIndex > before[at]!.commitIndex),
      );
      expect(after.map(({ clusterId }) => clusterId)).toEqual(before.map(({ clusterId }) => clusterId));
    },
    patienceMs,
  );
});
