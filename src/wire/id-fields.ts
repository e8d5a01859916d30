import { ProtocolError } from '../base/errors.ts';
import {
  type BootId,
  bootId,
  type ClientId,
  type ClusterId,
  clientId,
  clusterId,
  type GroupId,
  groupId,
  type Incarnation,
  incarnation,
  isHex,
  isName,
  type NodeId,
  nodeId,
} from '../base/ids.ts';

/** Readers for ids: each throws ProtocolError unless the value is an id of its kind. */

export function readNodeId(value: unknown, what: string): NodeId {
  return nodeId(readName(value, what));
}

export function readGroupId(value: unknown, what: string): GroupId {
  return groupId(readName(value, what));
}

/** A name of a node, group or cluster. */
export function readName(value: unknown, what: string): string {
  if (typeof value !== 'string' || !isName(value)) throw new ProtocolError(`${what} is not a name`);
  return value;
}

export function readClusterId(value: unknown, what: string): ClusterId {
  return clusterId(readHex(value, what, 16));
}

export function readIncarnation(value: unknown, what: string): Incarnation {
  return incarnation(readHex(value, what, 8));
}

export function readBootId(value: unknown, what: string): BootId {
  return bootId(readHex(value, what, 8));
}

export function readClientId(value: unknown, what: string): ClientId {
  return clientId(readHex(value, what, 16));
}

function readHex(value: unknown, what: string, bytes: number): string {
  if (typeof value !== 'string' || !isHex(value, bytes))
    throw new ProtocolError(`${what} is not ${bytes} bytes in hex`);
  return value;
}
