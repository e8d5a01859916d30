import { describe, expect, it } from 'vitest';
import { clientId, nodeId, sessionId } from '../../src/base/ids.ts';
import type { Answer } from '../../src/service/answers.ts';
import { LeaderService } from '../../src/service/leader-service.ts';
import { encodeAttach, readLeader, readRefused } from '../../src/wire/client-frame.ts';
import type { ClientHeader } from '../../src/wire/client-header.ts';
import { encodeOperation } from '../../src/wire/queue-operation.ts';
import { decodeResult } from '../../src/wire/queue-result.ts';
import { TestCluster } from './test-cluster.ts';

const client = clientId('ab'.repeat(16));
const session = sessionId('cd'.repeat(16));
const header: ClientHeader = {
  kind: 'request',
  hops: 3,
  marked: true,
  any: false,
  group: 0,
  bucket: 0,
  mapVersion: 0,
  correlation: 1,
  remainingMs: 10_000,
  waitMs: 0,
  client,
  stream: 1,
  seq: 1,
  settledUpTo: 0,
};
const take = encodeOperation({
  type: 'take',
  queue: 'tokens',
  limit: 1,
  session,
  ttrMs: 1_000,
  callMs: 1_000,
});

const put = (cluster: TestCluster): Buffer =>
  encodeOperation({
    type: 'put',
    queue: 'tokens',
    id: 't1',
    payload: new Uint8Array(0),
    expiresAtMs: cluster.clock.wallMs() + 30_000,
    provider: 'acme',
    weight: 0,
    refreshAtMs: undefined,
    ifAbsent: false,
    ifVersion: undefined,
  });

/** The leader's part alone, asked by a gateway `b`. */
async function leading(): Promise<{
  cluster: TestCluster;
  service: LeaderService;
  ask: (more: Partial<ClientHeader>, body: Uint8Array) => Answer[];
}> {
  const cluster = new TestCluster();
  cluster.lead('a');
  const { group } = cluster.node('a');
  const service = new LeaderService(group, group.machine, cluster.clock);
  group.onView(() => service.onView());
  group.onApplied((entry) => service.onApplied(entry));
  service.onView();
  const ask = (more: Partial<ClientHeader>, body: Uint8Array): Answer[] => {
    const answers: Answer[] = [];
    service.receive(nodeId('b'), { ...header, ...more }, body, (answer) => answers.push(answer));
    return answers;
  };
  ask({ kind: 'attach', seq: 0 }, encodeAttach({ session, workerId: '', registration: 0 }));
  await cluster.clock.advance(10);
  return { cluster, service, ask };
}

describe('the leader of the service', () => {
  it('appends nothing whose time is over', async () => {
    const { cluster, ask } = await leading();
    const before = cluster.proposalCount;
    const answers = ask({ remainingMs: 0 }, take);
    expect(answers.map((answer) => readRefused(answer.body).code)).toEqual(['DEADLINE_EXCEEDED']);
    expect(cluster.proposalCount).toBe(before);
  });

  it('tells waiting takes, when it leads no more, who does', async () => {
    const { cluster, ask } = await leading();
    const answers = ask({ waitMs: 5_000 }, take);
    await cluster.clock.advance(10);
    expect(answers).toEqual([]);
    cluster.lead('c');
    expect(answers.map(({ kind, body }) => [kind, readLeader(body).leaderId])).toEqual([['notLeader', 'c']]);
  });

  it('answers a waiting take and every copy of it, each on its own way: one wait, one entry that ends it', async () => {
    const { cluster, ask } = await leading();
    const first = ask({ waitMs: 5_000 }, take);
    await cluster.clock.advance(10);
    const before = cluster.proposalCount;
    const copy = ask({ waitMs: 100, correlation: 2 }, take);
    await cluster.clock.advance(200);
    for (const answers of [first, copy])
      expect(answers.map(({ body }) => decodeResult(body))).toMatchObject([{ type: 'taken', tasks: [] }]);
    expect(cluster.proposalCount).toBe(before + 1);
  });

  for (const waitMs of [0, 50]) {
    it(`gives nothing to a copy that comes after its take (waitMs ${waitMs}) was answered empty (pitfall 95)`, async () => {
      const { cluster, ask } = await leading();
      expect(ask({ waitMs }, take)).toEqual([]);
      await cluster.clock.advance(100);
      ask({ seq: 2 }, put(cluster));
      await cluster.clock.advance(100);
      const copy = ask({ waitMs }, take);
      await cluster.clock.advance(100);
      expect(copy.map(({ body }) => decodeResult(body))).toMatchObject([{ type: 'taken', tasks: [] }]);
      expect(cluster.node('a').group.machine.state.stats('tokens').states).toMatchObject({ ready: 1 });
    });
  }

  it('asks the log what a waiting take gets whose session is over', async () => {
    const { cluster, ask } = await leading();
    const answers = ask({ waitMs: 20_000, remainingMs: 30_000 }, take);
    await cluster.clock.advance(6_500);
    expect(answers.map(({ body }) => decodeResult(body))).toMatchObject([
      { type: 'refused', code: 'STALE_LEASE' },
    ]);
  });

  it('says of a frame it cannot read that it was not applied', async () => {
    const { ask } = await leading();
    for (const body of [new Uint8Array(0), Uint8Array.of(0x91, 2), Uint8Array.of(0xc1)]) {
      expect(ask({}, body).map((answer) => readRefused(answer.body).code)).toEqual(['PROTOCOL']);
    }
  });
});
