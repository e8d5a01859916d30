import { LogCorruptError } from '../../base/errors.ts';
import { incarnation, isName, nodeId } from '../../base/ids.ts';
import type { HardState, MemberIdentity } from '../../raft/types.ts';

/** A hard state as JSON in UTF-8: rare, small and readable in a dump. */
export function encodeHardState(state: HardState): Buffer {
  return Buffer.from(JSON.stringify(hardStateToJson(state)));
}

/** @throws LogCorruptError naming `where` on anything that `encodeHardState` does not write. */
export function decodeHardState(bytes: Buffer, where: string): HardState {
  return hardStateFromJson(parseJson(bytes, where), where);
}

/** @throws LogCorruptError if the bytes are not JSON; a checksum has passed, so another version wrote them. */
export function parseJson(bytes: Buffer, where: string): unknown {
  try {
    return JSON.parse(bytes.toString('utf8'));
  } catch (error) {
    throw new LogCorruptError(`${where}: not JSON`, { cause: error });
  }
}

export function hardStateToJson(state: HardState): object {
  return {
    currentTerm: state.currentTerm,
    votedFor: state.votedFor ?? null,
    longestLeaseMs: state.longestLeaseMs,
    bootstrapSet: state.bootstrapSet ?? null,
  };
}

export function hardStateFromJson(value: unknown, where: string): HardState {
  const fields = fieldsOf(value, where);
  const { currentTerm, votedFor, longestLeaseMs, bootstrapSet } = fields;
  if (typeof currentTerm !== 'number' || !Number.isSafeInteger(currentTerm) || currentTerm < 0) {
    throw new LogCorruptError(`${where}: the hard state has no term`);
  }
  if (typeof longestLeaseMs !== 'number' || !(longestLeaseMs >= 0)) {
    throw new LogCorruptError(`${where}: the hard state has no lease`);
  }
  return {
    currentTerm,
    votedFor: votedFor === null ? undefined : nodeId(nameOf(votedFor, where)),
    longestLeaseMs,
    bootstrapSet: bootstrapSet === null ? undefined : membersOf(bootstrapSet, where),
  };
}

/** @throws LogCorruptError unless the value is an object of JSON. */
export function fieldsOf(value: unknown, where: string): Readonly<Record<string, unknown>> {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw new LogCorruptError(`${where}: not an object`);
  }
  return Object.fromEntries(Object.entries(value));
}

function membersOf(value: unknown, where: string): readonly MemberIdentity[] {
  if (!Array.isArray(value)) throw new LogCorruptError(`${where}: the bootstrap set is no list`);
  return value.map((member: unknown) => {
    const fields = fieldsOf(member, where);
    return {
      id: nodeId(nameOf(fields.id, where)),
      incarnation: incarnation(nameOf(fields.incarnation, where)),
    };
  });
}

function nameOf(value: unknown, where: string): string {
  if (typeof value !== 'string' || !isName(value)) throw new LogCorruptError(`${where}: a name is malformed`);
  return value;
}
