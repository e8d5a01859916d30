import { assertNever } from '../base/assert.ts';
import { StateHash } from './state-hash.ts';
import type { Operation } from './types.ts';

const twoTo32 = 2 ** 32;
/** The high bits that a safe integer has left. */
const highMask = 0x1f_ffff;

/** @returns a safe integer that tells an operation from any other one that came under the same request id. */
export function hashOfOperation(operation: Operation): number {
  const hash = new StateHash().text(operation.type).text(operation.queue);
  addFields(hash, operation);
  return (hash.high & highMask) * twoTo32 + (hash.low >>> 0);
}

/** Every field but `type` and `queue`, in a fixed order: each request pays for this on every node, so nothing is sorted here. */
function addFields(hash: StateHash, operation: Operation): void {
  switch (operation.type) {
    case 'put':
      hash.text(operation.id).bytes(operation.payload).number(operation.expiresAtMs).text(operation.provider);
      hash.number(operation.weight).value(operation.refreshAtMs);
      hash.value(operation.ifAbsent).value(operation.ifVersion);
      return;
    case 'take':
      hash.number(operation.limit).text(operation.session).number(operation.ttrMs).number(operation.callMs);
      return;
    case 'ack':
      hash.text(operation.id).number(operation.fence);
      hash.bytes(operation.payload).number(operation.expiresAtMs);
      return;
    case 'ackDone':
      hash.text(operation.id).number(operation.fence);
      return;
    case 'release':
      hash.text(operation.id).number(operation.fence).number(operation.delayMs);
      hash.text(operation.scope).value(operation.callMade);
      return;
    case 'bury':
      hash.text(operation.id).number(operation.fence).text(operation.reason);
      return;
    case 'setProvider':
      hash.text(operation.provider).value(operation.settings);
      return;
    case 'setPolicy':
      hash.value(operation.policy);
      return;
    case 'resolve':
      hash.text(operation.id);
      return;
    default:
      assertNever(operation);
  }
}
