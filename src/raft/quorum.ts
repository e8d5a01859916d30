import { assert } from '../base/assert.ts';
import type { NodeId } from '../base/ids.ts';

/** Ids that vote, one list per configuration in force. Votes, commits, rounds, lease and check-quorum all count through this file. */
export type Voters = readonly (readonly NodeId[])[];

/**
 * The highest value that a quorum of every configuration has reached.
 *
 * @param reached - what one voter has reached; read once per voter and configuration.
 * @see Raft §5.3, §6
 */
export function quorumValue(configurations: Voters, reached: (id: NodeId) => number): number {
  let lowest = Number.POSITIVE_INFINITY;
  for (const voters of configurations) lowest = Math.min(lowest, majorityValue(voters, reached));
  return lowest;
}

/** @returns true if a majority of every configuration agrees. */
export function hasQuorum(configurations: Voters, agrees: (id: NodeId) => boolean): boolean {
  return quorumValue(configurations, (id) => (agrees(id) ? 1 : 0)) === 1;
}

function majorityValue(voters: readonly NodeId[], reached: (id: NodeId) => number): number {
  assert(voters.length > 0, 'a configuration has at least one voter');
  const descending: number[] = [];
  for (const id of voters) descending.push(reached(id));
  descending.sort((a, b) => b - a);
  return descending[Math.floor(descending.length / 2)]!;
}
