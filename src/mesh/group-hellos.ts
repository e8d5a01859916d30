import type { GroupId, NodeId } from '../base/ids.ts';
import { groupCode } from '../wire/group-code.ts';
import type { GroupHello } from '../wire/handshake.ts';
import type { LocalGroup, PeerGroup } from './types.ts';

const stranger: PeerGroup = { hosted: false, recorded: false, knowsLeader: false };

/** What this node says of its groups to one other. */
export function helloOfGroups(groups: ReadonlyMap<GroupId, LocalGroup>, to: NodeId): readonly GroupHello[] {
  return [...groups].map(([id, { hosted, recorded, leaderId }]) => ({
    code: groupCode(id),
    hosted,
    recorded,
    knowsLeader: leaderId !== undefined && leaderId !== to,
  }));
}

/** What the other said of the groups that this node has; a group that it did not name is unknown to it. */
export function groupsOfHello(
  groups: ReadonlyMap<GroupId, LocalGroup>,
  said: readonly GroupHello[],
): ReadonlyMap<GroupId, PeerGroup> {
  const byCode = new Map(said.map(({ code, ...group }) => [code, group]));
  return new Map([...groups.keys()].map((id) => [id, byCode.get(groupCode(id)) ?? stranger]));
}

/** @returns two groups that frames could not tell apart; undefined when there are none. */
export function clashOf(groups: Iterable<GroupId>): readonly [GroupId, GroupId] | undefined {
  const byCode = new Map<number, GroupId>();
  for (const group of groups) {
    const code = groupCode(group);
    const other = byCode.get(code);
    if (other !== undefined) return [other, group];
    byCode.set(code, group);
  }
  return undefined;
}
