import { describe, expect, it } from 'vitest';
import { json } from '../../src/client/codec.ts';
import { MemoryEscrow, MemoryEscrowDisk } from '../../src/storage/memory/memory-escrow.ts';
import { resolved, testClient } from '../service/test-client.ts';
import { type Fate, TestCluster } from '../service/test-cluster.ts';

const hour = 3_600_000;

describe('the answer of a provider', () => {
  for (const fate of ['logFull', 'busy', 'lose'] as const satisfies readonly Fate[]) {
    it(`is offered until the cluster has judged it: a cluster that cannot take it now (${fate}) is waited for`, async () => {
      const cluster = new TestCluster();
      cluster.lead('a');
      const disk = new MemoryEscrowDisk();
      const openEscrow = () => Promise.resolve(new MemoryEscrow({ disk }));
      const { client } = testClient(cluster, { endpoints: ['b'], openEscrow });
      const tokens = client.queue('tokens', { codec: json<string>() });
      await resolved(
        cluster,
        tokens.put({ id: 't1', payload: 'old', expiresAt: cluster.clock.wallMs() + 30_000 }),
      );
      const errors: unknown[] = [];
      const handler = () => {
        cluster.fate = fate;
        return { payload: 'new', expiresAt: cluster.clock.wallMs() + hour };
      };
      const loop = tokens.work(handler, { workerId: 'w1', onError: (error) => errors.push(error) });
      loop.catch(() => undefined);
      await cluster.clock.advance(1_500);
      expect(disk.records.size).toBe(1);
      cluster.fate = 'commit';
      cluster.lead('c');
      await cluster.clock.advance(3_000);
      expect(await resolved(cluster, tokens.get('t1'))).toMatchObject({ payload: 'new', version: 2 });
      expect(disk.records.size).toBe(0);
      expect(errors.length).toBeLessThanOrEqual(1);
    });
  }

  it('is offered again when the cluster forgot the client while its ack was under way', async () => {
    const cluster = new TestCluster();
    cluster.lead('a');
    const disk = new MemoryEscrowDisk();
    const openEscrow = () => Promise.resolve(new MemoryEscrow({ disk }));
    const { client, down, sockets } = testClient(cluster, { endpoints: ['b'], openEscrow });
    const admin = testClient(cluster, { endpoints: ['c'], seed: 99 }).client.queue('tokens');
    await resolved(cluster, admin.setProvider('acme', { suspectMs: 600_000 }));
    await resolved(cluster, admin.setPolicy({ clientTimeoutMs: 5_000 }));
    const tokens = client.queue('tokens', { codec: json<string>() });
    const expiresAt = cluster.clock.wallMs() + 30_000;
    await resolved(cluster, tokens.put({ id: 't1', payload: 'old', provider: 'acme', expiresAt }));
    const handler = () => {
      cluster.fate = 'stall';
      return { payload: 'new', expiresAt: cluster.clock.wallMs() + hour };
    };
    tokens.work(handler, { workerId: 'w1' }).catch(() => undefined);
    await cluster.clock.advance(100);
    down.add('b');
    sockets[0]?.cut('timeout');
    cluster.fate = 'commit';
    cluster.lead('c');
    await cluster.clock.advance(20_000);
    down.delete('b');
    await cluster.clock.advance(10_000);
    expect(await resolved(cluster, admin.get('t1'))).toMatchObject({ version: 2 });
    expect(disk.records.size).toBe(0);
  });
});
