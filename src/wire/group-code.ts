import { crc32 } from 'node:zlib';
import { type GroupId, mainGroup } from '../base/ids.ts';

/** What stands for a group in the `group` field of a client frame on a node: 0 for `main`, else the CRC-32 of its name. */
export function groupCode(group: GroupId): number {
  return group === mainGroup ? 0 : crc32(group);
}
