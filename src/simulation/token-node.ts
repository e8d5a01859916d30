import type { QueueClient } from '../client/types.ts';
import type { ClientAccount } from '../mesh/keyring.ts';
import type { Permission } from '../mesh/types.ts';
import { assembleNode } from '../service/assemble-node.ts';
import { jobsOf, providers, tokensOf } from './shop.ts';
import { sleep } from './simulated-client.ts';
import type { AssembleNode } from './simulated-cluster.ts';
import type { SimulatedProcess } from './simulated-process.ts';

const clusterName = 'world';
const peerSecret = 'the secret of the members of this world';
export const clientSecrets = {
  web: 'the secret of the front ends of this world',
  updater: 'the secret of the updaters of this world',
  admin: 'the secret of the operators of this world',
} as const;
export type AccountName = keyof typeof clientSecrets;

const policy = { leadMs: 4_000, urgentMs: 1_000, sessionTimeoutMs: 3_000 };
const askAgainMs = 200;

function account(name: AccountName, may: readonly Permission[]): ClientAccount {
  return { account: name, secrets: [clientSecrets[name]], may: new Set(may) };
}

const accounts: readonly ClientAccount[] = [
  account('web', ['put', 'get']),
  account('updater', ['take', 'get']),
  account('admin', ['admin', 'put', 'get', 'take']),
];

/** A whole node, as `startNode` makes it, over simulated ports. */
export const assembleTokenNode: AssembleNode<Awaited<ReturnType<typeof assembleNode>>['node']> = async (
  { id, peers, process, transport, storage, logger },
  onBuilt,
) => {
  const config = { id, cluster: clusterName, peers, secrets: [peerSecret], clients: accounts, numbers: {} };
  const ports = { transport, storage, clock: process, random: process.random, logger };
  const { node } = await assembleNode(config, ports);
  onBuilt(node);
};

/** Says how the queues and providers behave, again and again until the cluster has heard it. */
export async function configureQueues(
  client: QueueClient,
  process: SimulatedProcess,
  suspectMs: number,
): Promise<void> {
  const tokens = tokensOf(client);
  const jobs = jobsOf(client);
  const steps = [
    () => tokens.setPolicy(policy),
    () => jobs.setPolicy(policy),
    () => tokens.setProvider(providers.rotating, { kind: 'rotating', suspectMs, onUnknown: 'retry' }),
    () => tokens.setProvider(providers.burying, { kind: 'rotating', suspectMs, onUnknown: 'bury' }),
    () => tokens.setProvider(providers.fixed, { kind: 'static' }),
    () => jobs.setProvider(providers.fixed, { kind: 'static' }),
  ];
  for (const step of steps) {
    while (!(await succeeds(step))) await sleep(process, askAgainMs);
  }
  await client.close();
}

async function succeeds(call: () => Promise<void>): Promise<boolean> {
  try {
    await call();
    return true;
  } catch {
    return false;
  }
}
