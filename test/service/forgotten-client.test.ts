import { expect, it } from 'vitest';
import { json } from '../../src/client/codec.ts';
import { resolved, testClient } from './test-client.ts';
import { TestCluster } from './test-cluster.ts';

const codec = json<string>();

it('a put is applied once, also if the group forgets the client while its gateway holds the put and cannot reach the leader', async () => {
  const cluster = new TestCluster();
  const { clock } = cluster;
  cluster.lead('a');
  await clock.settle();
  const other = testClient(cluster, { endpoints: ['c'], seed: 99 }).client.queue('tokens', { codec });
  await resolved(cluster, other.setPolicy({ sessionTimeoutMs: 800, clientTimeoutMs: 850 }));
  await clock.advance(3_100);
  const { client } = testClient(cluster, { endpoints: ['b'] });
  await clock.advance(50);
  const expiresAt = clock.wallMs() + 3_600_000;
  cluster.fate = 'commitAndLose';
  const put = client
    .queue('tokens', { codec })
    .put({ id: 't1', payload: 'old', expiresAt })
    .catch((error: { code: string }) => error.code);
  await clock.advance(20);
  cluster.fate = 'commit';
  cluster.cut('b', 'c');
  cluster.lead('c');
  await clock.advance(860);
  await resolved(cluster, other.put({ id: 't1', payload: 'new', expiresAt }), 100);
  await clock.advance(20);
  cluster.cut('b', 'c', false);
  await clock.advance(1_500);
  expect(await put).toBe('UNKNOWN_OUTCOME');
  expect(await resolved(cluster, other.get('t1'))).toMatchObject({ payload: 'new', version: 2 });
});
