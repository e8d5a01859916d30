import { afterEach, describe, expect, it } from 'vitest';
import { Cluster } from './cluster.ts';

let cluster: Cluster;
afterEach(() => cluster.close());

describe('three nodes over memory', () => {
  it('elect one leader that all know', async () => {
    cluster = await Cluster.started(3);
    const leaderId = cluster.leader().id;
    for (const node of cluster.running.values())
      expect(node.node.view()).toMatchObject({ leaderId, state: 'running', health: 'normal' });
  });
});
