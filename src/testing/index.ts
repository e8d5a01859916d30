export type { ContractCase } from './contract-case.ts';
export { type LocalCluster, type LocalClusterOptions, localCluster } from './local-cluster.ts';
export { type StorageHarness, storageContract } from './storage-contract.ts';
export {
  type TransportContractCase,
  type TransportHarness,
  transportContract,
} from './transport-contract.ts';
