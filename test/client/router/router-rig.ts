import { clientId } from '../../../src/base/ids.ts';
import { Router } from '../../../src/client/router/router.ts';
import type { RouterProblem } from '../../../src/client/router/types.ts';
import type { Logger } from '../../../src/ports/logger.ts';
import type { ShardDirectory } from '../../../src/sharding/shard-directory.ts';
import { TestRandom } from '../../service/test-clock.ts';
import { FakeGroup } from './fake-group.ts';
import { directoryOf, FakeNetwork, type FakeNode, FakeOrigin, shardOf } from './fake-nodes.ts';

export const silent: Logger = { debug: () => {}, info: () => {}, warn: () => {}, error: () => {} };

export interface Told {
  readonly problems: RouterProblem[];
  /** Kinds of those that are over. */
  readonly over: string[];
  /** What was logged, in words. */
  readonly said: string[];
  readonly pushes: Buffer[];
  readonly leaders: string[];
  mapChanges: number;
}

export interface Rig {
  readonly network: FakeNetwork;
  readonly router: Router;
  readonly origin: FakeOrigin;
  readonly told: Told;
}

export function rigOf(network: FakeNetwork, directory: ShardDirectory, seed = 1): Rig {
  const told: Told = { problems: [], over: [], said: [], pushes: [], leaders: [], mapChanges: 0 };
  const say = (_: object, message: string): void => void told.said.push(message);
  const router = new Router({
    directory,
    openNode: network.openNode,
    clientId: clientId('9'.repeat(32)),
    clock: network.clock,
    random: new TestRandom(seed),
    logger: { ...silent, info: say, warn: say },
    events: {
      push: (frame) => told.pushes.push(Buffer.from(frame)),
      leader: (shard) => told.leaders.push(shard.name),
      mapChanged: () => {
        told.mapChanges++;
      },
      problem: (problem) => told.problems.push(problem),
      problemOver: ({ kind }) => told.over.push(kind),
    },
  });
  return { network, router, origin: new FakeOrigin(router), told };
}

export interface TwoShards extends Rig {
  readonly a: readonly FakeNode[];
  readonly b: readonly FakeNode[];
  readonly clock: FakeNetwork['clock'];
}

/** Buckets 0 and 1 with shard `a` (1), 2 and 3 with shard `b` (2); `n1` leads both in term 1. */
export async function twoShards(): Promise<TwoShards> {
  const network = new FakeNetwork();
  const ids = ['n1', 'n2', 'n3'];
  const a = network.add('a', ids);
  const b = network.add('b', ids);
  for (const node of [...a, ...b]) node.lead('n1', 1);
  const shards = [shardOf({ name: 'a', number: 1 }), shardOf({ name: 'b', number: 2 })];
  const rig = rigOf(network, directoryOf(1, shards, [1, 1, 2, 2]));
  rig.router.start();
  await network.clock.advance(20);
  return { ...rig, a, b, clock: network.clock };
}

/** The nodes elect another leader. */
export function elect(nodes: readonly FakeNode[], leaderId: string, term: number): void {
  for (const node of nodes) node.lead(leaderId, term);
}

export interface TwoGroups extends TwoShards {
  readonly groupA: FakeGroup;
  readonly groupB: FakeGroup;
}

/** As `twoShards`, with the real state machine on both, which own what the map says. */
export async function twoGroups(): Promise<TwoGroups> {
  const rig = await twoShards();
  const groupA = new FakeGroup(rig.a);
  const groupB = new FakeGroup(rig.b);
  const claimed = rig.router.claim();
  await rig.clock.advance(50);
  await claimed;
  return { ...rig, groupA, groupB };
}
