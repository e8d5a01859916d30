import type { Buffer } from 'node:buffer';
import { bodyOf } from '../../wire/client-header.ts';
import { decodeResult } from '../../wire/queue-result.ts';

const tupleOfThree = 0x93;

/**
 * True for a result that the state machine gave without remembering it, because it had no room or no longer knows the client:
 * then it says nothing about an earlier attempt. Only such refusals are decoded.
 */
export function isForgetful(frame: Buffer): boolean {
  const body = bodyOf(frame);
  if (body[0] !== tupleOfThree || body[1] !== 0) return false;
  const result = decodeResult(body);
  return result.type === 'refused' && (result.code === 'BUSY' || result.code === 'CLIENT_EXPIRED');
}
