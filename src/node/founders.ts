import type { NodeId } from '../base/ids.ts';
import { decodeBootstrap } from '../raft/index.ts';
import type { DurableState } from '../raft/types.ts';

/**
 * Who founds a group beside `main`: the members of `main`, as soon as this disk knows them. Members whose `peers` differ would
 * else found the group twice, each part with those that it names; `main` itself is guarded by the handshake.
 *
 * @param main - what the disk holds of `main`.
 * @param configured - the address book, for a directory that has no record of `main` yet.
 */
export function foundersOf(
  main: DurableState,
  configured: readonly NodeId[],
  self: NodeId,
): readonly NodeId[] {
  const first = main.entries.find(({ kind }) => kind === 'bootstrap');
  const bootstrap = first === undefined ? undefined : decodeBootstrap(first.data);
  const members = bootstrap?.members ?? main.hardState?.bootstrapSet;
  if (members === undefined) return configured;
  return [...new Set([self, ...members.map(({ id }) => id)])].sort();
}
