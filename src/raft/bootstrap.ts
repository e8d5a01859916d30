import { clusterId, incarnation, isHex, isName, nodeId } from '../base/ids.ts';
import { membersMax } from './options.ts';
import type { Bootstrap, MemberIdentity } from './types.ts';

/** Entry 1 as bytes: JSON in UTF-8 with the keys in this order, so that equal bootstraps are equal bytes. */
export function encodeBootstrap(bootstrap: Bootstrap): Uint8Array {
  const members = bootstrap.members.map(({ id, incarnation }) => ({ id, incarnation }));
  return new TextEncoder().encode(JSON.stringify({ clusterId: bootstrap.clusterId, members }));
}

/** @returns undefined if these bytes are not exactly what `encodeBootstrap` makes of some bootstrap. */
export function decodeBootstrap(data: Uint8Array): Bootstrap | undefined {
  const parsed = parseJson(data);
  if (!isRecord(parsed) || typeof parsed.clusterId !== 'string' || !isHex(parsed.clusterId, 16)) {
    return undefined;
  }
  if (!Array.isArray(parsed.members) || parsed.members.length === 0 || parsed.members.length > membersMax) {
    return undefined;
  }
  const members: MemberIdentity[] = [];
  for (const item of parsed.members) {
    const member = decodeMember(item);
    if (member === undefined) return undefined;
    members.push(member);
  }
  if (!isAscending(members)) return undefined;
  const bootstrap = { clusterId: clusterId(parsed.clusterId), members };
  return sameBytes(encodeBootstrap(bootstrap), data) ? bootstrap : undefined;
}

export function namesMember(set: readonly MemberIdentity[], member: MemberIdentity): boolean {
  return set.some(({ id, incarnation }) => id === member.id && incarnation === member.incarnation);
}

/** Both ascending by id. */
export function sameSet(a: readonly MemberIdentity[], b: readonly MemberIdentity[]): boolean {
  if (a.length !== b.length) return false;
  return a.every((member, at) => member.id === b[at]!.id && member.incarnation === b[at]!.incarnation);
}

/** True if every id is above the one before it; an empty set is not a membership and is refused elsewhere. */
export function isAscending(set: readonly MemberIdentity[]): boolean {
  return set.every((member, at) => at === 0 || set[at - 1]!.id < member.id);
}

function decodeMember(item: unknown): MemberIdentity | undefined {
  if (!isRecord(item) || typeof item.id !== 'string' || typeof item.incarnation !== 'string')
    return undefined;
  if (!isName(item.id) || !isHex(item.incarnation, 8)) return undefined;
  return { id: nodeId(item.id), incarnation: incarnation(item.incarnation) };
}

function parseJson(data: Uint8Array): unknown {
  try {
    const parsed: unknown = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(data));
    return parsed;
  } catch {
    return undefined;
  }
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function sameBytes(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && a.every((byte, at) => byte === b[at]);
}
