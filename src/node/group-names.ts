import { InvalidOptionError } from '../base/errors.ts';
import { type GroupId, groupId, isName, mainGroup } from '../base/ids.ts';
import { requireThat, textOf } from '../base/option-checks.ts';
import { clashOf } from '../mesh/group-hellos.ts';

/** So many groups a node hosts at most, `main` included. */
export const groupsMax = 64;

/**
 * @param value - the option as it was given: names beside `main`, which may be named too.
 * @returns all groups of the node, `main` first.
 * @throws InvalidOptionError
 */
export function groupsOf(value: unknown): readonly GroupId[] {
  if (value === undefined) return [mainGroup];
  if (!Array.isArray(value)) throw new InvalidOptionError('groups must be a list of names');
  const named = value.map((name: unknown, place) => {
    const text = textOf(`groups[${place}]`, name);
    requireThat(
      isName(text),
      `groups[${place}] must be 1 to 64 characters of A-Z a-z 0-9 . _ -, got "${text}"`,
    );
    return groupId(text);
  });
  const groups = new Set([mainGroup, ...named]);
  const twice = named.find((name, place) => named.indexOf(name) !== place);
  requireThat(twice === undefined, `groups names ${twice} twice`);
  requireThat(
    groups.size <= groupsMax,
    `groups may name ${groupsMax} groups at most, main included, got ${groups.size}`,
  );
  const clash = clashOf(groups);
  requireThat(
    clash === undefined,
    `groups names ${clash?.join(' and ')}, which have the same code (CRC-32) in frames: rename one`,
  );
  return [...groups];
}

/**
 * How far the ranks of a group are turned: on a first start of all groups each voter leads its share, and the groups of a dead
 * leader go to different ones. Nodes whose lists differ differ here too, which costs a repeated election at worst.
 */
export function rankOffsetOf(group: GroupId, groups: readonly GroupId[]): number {
  if (group === mainGroup) return 0;
  return groups.filter((other) => other !== mainGroup && other < group).length + 1;
}
