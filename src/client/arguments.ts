import { InvalidArgumentError, TooLargeError } from '../base/errors.ts';
import { isName } from '../base/ids.ts';
import { defaultPolicy, defaultProvider, queueLimits } from '../queue/limits.ts';
import type { Policy, Provider } from '../queue/types.ts';
import type { Codec, PolicySettings, ProviderSettings } from './types.ts';

/** Checks of what a caller hands over: made before anything is sent, so that a wrong call costs nobody its link. */

export function checkName(name: string, what: string): string {
  if (typeof name !== 'string' || !isName(name))
    throw new InvalidArgumentError(`${what} must be 1 to 64 characters of A-Z a-z 0-9 . _ -`);
  return name;
}

export function checkTaskId(id: string): string {
  if (typeof id !== 'string' || id === '')
    throw new InvalidArgumentError('id must be a string of at least one character');
  checkText(id, 'id');
  if (utf8Bytes(id) > queueLimits.taskIdBytesMax)
    throw new TooLargeError(`id has at most ${queueLimits.taskIdBytesMax} bytes`);
  return id;
}

export function checkInt(
  value: number,
  what: string,
  min: number,
  max: number = Number.MAX_SAFE_INTEGER,
): number {
  if (Number.isSafeInteger(value) && value >= min && value <= max) return value;
  throw new InvalidArgumentError(`${what} must be an integer from ${min} to ${max}, got ${value}`);
}

/** Unix ms; fractions are cut off. */
export function checkTime(value: number, what: string): number {
  if (typeof value !== 'number' || !Number.isFinite(value))
    throw new InvalidArgumentError(`${what} must be a time in Unix ms`);
  return checkInt(Math.floor(value), what, 0);
}

/** A duration in ms; fractions are cut off. */
export function checkDuration(value: number, what: string): number {
  if (typeof value !== 'number' || !(value >= 0))
    throw new InvalidArgumentError(`${what} must be 0 ms or more`);
  return checkInt(Math.floor(value), what, 0, queueLimits.durationMsMax);
}

export function checkReason(reason: string): string {
  if (typeof reason !== 'string') throw new InvalidArgumentError('reason must be a string');
  checkText(reason, 'reason');
  if (utf8Bytes(reason) > queueLimits.reasonBytesMax)
    throw new TooLargeError(`reason has at most ${queueLimits.reasonBytesMax} bytes`);
  return reason;
}

/** Half a surrogate pair has no form in UTF-8. */
function checkText(text: string, what: string): void {
  if (/\p{Surrogate}/u.test(text)) throw new InvalidArgumentError(`${what} must be well-formed text`);
}

export function checkFlag(value: boolean, what: string): boolean {
  if (typeof value === 'boolean') return value;
  throw new InvalidArgumentError(`${what} must be true or false`);
}

export function checkOneOf<T extends string>(value: T, what: string, allowed: readonly T[]): T {
  if (allowed.includes(value)) return value;
  throw new InvalidArgumentError(`${what} must be one of ${allowed.join(', ')}`);
}

export function checkObject<T extends object>(value: T, what: string): T {
  if (typeof value === 'object' && value !== null) return value;
  throw new InvalidArgumentError(`${what} must be an object`);
}

/** Encodes a payload. Neither error shows any of it. */
export function encodePayload<T>(codec: Codec<T>, value: T): Uint8Array {
  const bytes = codec.encode(value);
  if (!(bytes instanceof Uint8Array)) throw new InvalidArgumentError('the codec must encode to a Uint8Array');
  if (bytes.length <= queueLimits.payloadBytesMax) return bytes;
  throw new TooLargeError(
    `a payload has at most ${queueLimits.payloadBytesMax} bytes, this one has ${bytes.length}`,
  );
}

export function completeProvider(settings: ProviderSettings): Provider {
  const { kind = defaultProvider.kind, graceMs = defaultProvider.graceMs } = settings;
  const { suspectMs = defaultProvider.suspectMs, onUnknown = defaultProvider.onUnknown } = settings;
  return {
    kind: checkOneOf(kind, 'kind', ['static', 'rotating']),
    graceMs: checkDuration(graceMs, 'graceMs'),
    suspectMs: checkDuration(suspectMs, 'suspectMs'),
    onUnknown: checkOneOf(onUnknown, 'onUnknown', ['retry', 'bury']),
  };
}

export function completePolicy(settings: PolicySettings): Omit<Policy, 'version'> {
  const { leadMs = defaultPolicy.leadMs, urgentMs = defaultPolicy.urgentMs } = settings;
  const { urgentShare = defaultPolicy.urgentShare } = settings;
  const {
    sessionTimeoutMs = defaultPolicy.sessionTimeoutMs,
    clientTimeoutMs = defaultPolicy.clientTimeoutMs,
  } = settings;
  return {
    name: 'bands',
    leadMs: checkDuration(leadMs, 'leadMs'),
    urgentMs: checkDuration(urgentMs, 'urgentMs'),
    urgentShare: checkInt(urgentShare, 'urgentShare', 0, queueLimits.urgentShareMax),
    sessionTimeoutMs: checkDuration(sessionTimeoutMs, 'sessionTimeoutMs'),
    clientTimeoutMs: checkDuration(clientTimeoutMs, 'clientTimeoutMs'),
  };
}

function utf8Bytes(text: string): number {
  return new TextEncoder().encode(text).length;
}
