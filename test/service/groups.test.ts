import { describe, expect, it } from 'vitest';
import { groupId, nodeId } from '../../src/base/ids.ts';
import { ServiceHub } from '../../src/service/service-hub.ts';
import { encodeBundle, splitBundle } from '../../src/wire/client-bundle.ts';
import { encodeAttach, encodeQueueName, readRefused } from '../../src/wire/client-frame.ts';
import { bodyOf, type ClientHeader, decodeHeader, type FrameKind } from '../../src/wire/client-header.ts';
import { groupCode } from '../../src/wire/group-code.ts';
import { idOf, putOf, routed, sessionOf } from './raw-router.ts';
import { TestCluster, type TestSocket } from './test-cluster.ts';

const east = groupCode(groupId('east'));
const client = idOf(1);
const attach = encodeAttach({ session: sessionOf(1), workerId: '', registration: 0 });
const plainFrame = (header: Partial<ClientHeader> & { kind: FrameKind }, body?: Uint8Array): Buffer =>
  routed({ client, marked: false, ...header }, body);

/** Two groups, led by different nodes, and a plain client at a third. */
async function started(): Promise<{
  readonly cluster: TestCluster;
  readonly socket: TestSocket;
  readonly ask: (...frames: readonly Buffer[]) => Promise<readonly Buffer[]>;
  readonly sessions: () => readonly number[];
}> {
  const cluster = new TestCluster(['a', 'b', 'c'], ['east']);
  cluster.lead('a');
  cluster.logs.get('east')?.lead('c');
  const socket = cluster.dial('b', client);
  const answers: Buffer[] = [];
  socket.channel.onFrame = (message) => void answers.push(...splitBundle(message));
  const ask = async (...frames: readonly Buffer[]): Promise<readonly Buffer[]> => {
    answers.length = 0;
    socket.channel.send(encodeBundle(frames));
    await cluster.clock.advance(10);
    return answers.filter((frame) => decodeHeader(frame).kind !== 'leader');
  };
  const sessions = (): readonly number[] =>
    cluster.node('b').groups.map(({ machine }) => machine.state.stats('tokens').sessions);
  return { cluster, socket, ask, sessions };
}

describe('a node with two groups', () => {
  it('carries what a plain client asks to the leader of the group it names', async () => {
    const { cluster, ask } = await started();
    await ask(plainFrame({ kind: 'attach', group: east }, attach));
    const put = { kind: 'request', stream: 1, seq: 1 } as const;
    const [served] = await ask(plainFrame({ ...put, group: east }, putOf(cluster, 't1')));
    expect(decodeHeader(served ?? Buffer.alloc(0))).toMatchObject({ kind: 'result', group: east, seq: 1 });
    const found = cluster
      .node('b')
      .groups.map(({ machine }) => machine.state.get('tokens', 't1') !== undefined);
    expect(found).toEqual([false, true]);
  });

  it('refuses a group that it does not host, and keeps the link', async () => {
    const { socket, ask } = await started();
    const answers = await ask(
      plainFrame({ kind: 'stats', group: 99 }, encodeQueueName('tokens')),
      plainFrame({ kind: 'settle', group: 99 }),
      plainFrame({ kind: 'stats' }, encodeQueueName('tokens')),
    );
    expect(answers.map((frame) => decodeHeader(frame).kind)).toEqual(['refused', 'statsResult']);
    const refused = readRefused(bodyOf(answers[0] ?? Buffer.alloc(0)));
    expect(refused).toMatchObject({ code: 'UNKNOWN_GROUP', message: expect.stringContaining('main, east') });
    expect(socket.closedWith).toBeUndefined();
  });

  it('renews the session of a link in every group that it was attached to, and ends it in all', async () => {
    const { cluster, socket, ask, sessions } = await started();
    for (const group of [0, east]) await ask(plainFrame({ kind: 'attach', group }, attach));
    for (let round = 0; round < 16; round++) {
      await ask(plainFrame({ kind: 'ping' }));
      await cluster.clock.advance(500);
    }
    expect(sessions()).toEqual([1, 1]);
    socket.cut('remote');
    await cluster.clock.advance(50);
    expect(sessions()).toEqual([0, 0]);
  });

  it('lets a client that is heard no more expire in both', async () => {
    const { cluster, ask, sessions } = await started();
    for (const group of [0, east]) await ask(plainFrame({ kind: 'attach', group }, attach));
    await cluster.clock.advance(6_000);
    expect(sessions()).toEqual([0, 0]);
  });

  it('drops a frame of another node for a group that it does not host, and counts it', async () => {
    const { cluster } = await started();
    const { service } = cluster.node('b');
    service.fromNode(nodeId('a'), routed({ kind: 'stats', group: 99 }, encodeQueueName('tokens')));
    expect(service.malformedCount).toBe(1);
    expect(cluster.warnings).toHaveLength(1);
  });

  it('does not start when their codes are the same', () => {
    const cluster = new TestCluster(['a']);
    const handle = cluster.node('a').group;
    const group = { handle, machine: handle.machine };
    const logger = { debug: () => {}, info: () => {}, warn: () => {}, error: () => {} };
    const deps = { groups: [group, group], sendToNode: () => true, clock: cluster.clock, logger };
    expect(() => new ServiceHub(deps)).toThrow('same code');
  });
});

describe('a link that is read no further', () => {
  it('is read on when its requests are answered, without another word of its client', async () => {
    const { cluster, socket, ask } = await started();
    await ask(plainFrame({ kind: 'attach' }, attach));
    const paused: boolean[] = [];
    socket.link.pause = (value) => void paused.push(value);
    const body = putOf(cluster, 't1');
    const puts = Array.from({ length: 3_000 }, (_, at) =>
      plainFrame({ kind: 'request', stream: 1 + (at >> 9), seq: 1 + (at & 511) }, body),
    );
    const first = await ask(...puts);
    await cluster.clock.advance(100);
    expect(paused).toEqual([true, false]);
    expect(first.length).toBeGreaterThan(0);
    expect(cluster.proposalCount).toBeGreaterThanOrEqual(3_000);
  });
});
