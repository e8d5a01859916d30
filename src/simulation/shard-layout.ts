import { type GroupId, groupId, mainGroup } from '../base/ids.ts';
import type { RaftsmanNode } from '../service/assemble-node.ts';
import type { Shard } from '../sharding/types.ts';
import type { Prng } from './prng.ts';
import { shardNode } from './shard-node.ts';
import type { ClusterObserver } from './simulated-cluster.ts';
import { SimulatedCluster } from './simulated-cluster.ts';
import type { Stage } from './stage.ts';

/** One shard of a world and where its group lives. */
export interface ShardSite {
  readonly shard: Shard;
  readonly group: GroupId;
  readonly cluster: SimulatedCluster<RaftsmanNode>;
}

/** How the shards of a world lie on its machines. */
export const layoutKinds = ['two', 'three', 'colocated', 'namespaces'] as const;
export type LayoutKind = (typeof layoutKinds)[number];

export interface ShardLayout {
  readonly kind: LayoutKind;
  readonly clusters: readonly SimulatedCluster<RaftsmanNode>[];
  readonly sites: readonly ShardSite[];
}

/** The namespace that all queues of a world but one belong to. */
export const tokenNamespace = 'tokens';
export const addressNamespace = 'addressBook';

interface Plan {
  /** Groups of each cluster, with the namespace of each. */
  readonly clusters: readonly (readonly { readonly group: string; readonly namespace: string }[])[];
}

const tokens = { group: mainGroup, namespace: tokenNamespace };
const plans: Readonly<Record<LayoutKind, Plan>> = {
  two: { clusters: [[tokens], [tokens]] },
  three: { clusters: [[tokens], [tokens], [tokens]] },
  /** Two groups on the same three nodes. */
  colocated: { clusters: [[tokens, { group: 'second', namespace: tokenNamespace }]] },
  /** A slow, rare workload beside the hot one, on nodes of its own. */
  namespaces: { clusters: [[tokens], [tokens], [{ group: mainGroup, namespace: addressNamespace }]] },
};

/** Builds the clusters of a layout; `observe` is asked for the watcher of each. */
export function layOut(
  stage: Stage,
  random: Prng,
  observe: (cluster: number) => ClusterObserver<RaftsmanNode>,
): ShardLayout {
  const kind = random.pick(['two', 'two', 'three', 'colocated', 'colocated', 'namespaces'] as const);
  const sites: ShardSite[] = [];
  const clusters = plans[kind].clusters.map((groups, place) => {
    const name = `k${place + 1}`;
    const cluster = new SimulatedCluster<RaftsmanNode>({
      world: stage.world,
      network: stage.network,
      size: 3,
      suffix: String(place + 1),
      assemble: shardNode(
        name,
        groups.map(({ group }) => groupId(group)),
      ),
      observer: observe(place),
    });
    for (const { group, namespace } of groups) {
      const number = sites.length + 1;
      const nodes = new Map(cluster.members.map((member) => [member.name, member.address]));
      const shard = { name: `s${number}`, number, namespace, cluster: name, group, nodes };
      sites.push({ shard, group: groupId(group), cluster });
    }
    return cluster;
  });
  return { kind, clusters, sites };
}
