import type { GroupId } from '../base/ids.ts';
import type { ClientAccount } from '../mesh/keyring.ts';
import type { Permission } from '../mesh/types.ts';
import { assembleNode } from '../service/assemble-node.ts';
import type { AssembleNode } from './simulated-cluster.ts';

const peerSecret = 'the secret of the members of this world';
/** The account of the programs, by whatever way they come. */
export const programSecret = 'the secret of the programs of this world';
/** The account of the proxies at the nodes. */
export const proxySecret = 'the secret of the proxies of this world';
export const programName = 'program';
export const proxyName = 'proxy';

function account(name: string, secret: string, may: readonly Permission[]): ClientAccount {
  return { account: name, secrets: [secret], may: new Set(may) };
}

/** Who may connect, at nodes and proxies alike. */
export const shardAccounts: readonly ClientAccount[] = [
  account(programName, programSecret, ['put', 'get', 'take', 'admin']),
  account(proxyName, proxySecret, ['put', 'get', 'take', 'admin', 'proxy']),
];

/** A whole node that hosts these groups, as `startNode` makes it, over simulated ports. */
export function shardNode(
  cluster: string,
  groups: readonly GroupId[],
): AssembleNode<Awaited<ReturnType<typeof assembleNode>>['node']> {
  return async ({ id, peers, process, transport, storage, logger }, onBuilt) => {
    const config = { id, cluster, peers, groups, secrets: [peerSecret], clients: shardAccounts, numbers: {} };
    const ports = { transport, storage, clock: process, random: process.random, logger };
    const { node } = await assembleNode(config, ports);
    onBuilt(node);
  };
}
