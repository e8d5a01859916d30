import { isName } from '../base/ids.ts';
import { queueLimits } from './limits.ts';
import { type Refusal, refuse } from './refusals.ts';
import type { Operation, Policy, Provider, QueueCommand, Request } from './types.ts';

/** @returns why the command cannot be meant, whatever the state; undefined if it can. Never throws. */
export function invalidCommand(command: QueueCommand): Refusal | undefined {
  switch (command.type) {
    case 'request':
      return invalidRequest(command.request);
    case 'attach':
      return (
        invalidIdentity(command.client, 'client') ??
        invalidIdentity(command.session, 'session') ??
        invalidIdentity(command.gateway, 'gateway') ??
        invalidText(command.workerId, 'workerId', 0, queueLimits.nameBytesMax) ??
        invalidInteger(command.registration, 'registration', 0)
      );
    case 'detach':
      return (
        invalidIdentity(command.session, 'session') ?? invalidInteger(command.attachment, 'attachment', 0)
      );
    case 'renew':
      return tooMany(command.sessions.length, queueLimits.renewSessionsMax, 'sessions');
    case 'want':
      return invalidTask(command);
    case 'settle':
      return (
        invalidIdentity(command.client, 'client') ??
        invalidInteger(command.stream, 'stream', 0) ??
        invalidInteger(command.settledUpTo, 'settledUpTo', 0)
      );
    default:
      return undefined;
  }
}

/** @returns why the operation cannot be meant, whatever the state; undefined if it can. Never throws. */
export function invalidOperation(operation: Operation): Refusal | undefined {
  switch (operation.type) {
    case 'put':
      return invalidPut(operation);
    case 'take':
      return (
        invalidQueue(operation.queue) ??
        invalidIdentity(operation.session, 'session') ??
        invalidInteger(operation.limit, 'limit', 1, queueLimits.takeLimitMax) ??
        invalidDuration(operation.ttrMs, 'ttrMs', 1) ??
        invalidDuration(operation.callMs, 'callMs')
      );
    case 'ack':
      return (
        invalidLease(operation) ??
        invalidPayload(operation.payload) ??
        invalidInteger(operation.expiresAtMs, 'expiresAtMs', 0)
      );
    case 'ackDone':
      return invalidLease(operation);
    case 'release':
      return (
        invalidLease(operation) ??
        invalidDuration(operation.delayMs, 'delayMs') ??
        unlessOneOf(operation.scope, ['task', 'provider'], 'scope')
      );
    case 'bury':
      return (
        invalidLease(operation) ?? invalidText(operation.reason, 'reason', 0, queueLimits.reasonBytesMax)
      );
    case 'setProvider':
      return (
        invalidQueue(operation.queue) ??
        invalidText(operation.provider, 'provider', 1, queueLimits.nameBytesMax) ??
        invalidProvider(operation.settings)
      );
    case 'setPolicy':
      return invalidQueue(operation.queue) ?? invalidPolicy(operation.policy);
    case 'resolve':
      return invalidQueue(operation.queue) ?? invalidText(operation.id, 'id', 0, queueLimits.taskIdBytesMax);
    default:
      return refuse('INVALID_ARGUMENT', 'no such operation');
  }
}

/** True for what may be the id of a task: every partitioner has a bucket for it. */
export function isTaskId(id: string): boolean {
  return invalidText(id, 'id', 1, queueLimits.taskIdBytesMax) === undefined;
}

function invalidRequest(request: Request): Refusal | undefined {
  return (
    invalidIdentity(request.client, 'client') ??
    invalidInteger(request.stream, 'stream', 0) ??
    invalidInteger(request.seq, 'seq', 1) ??
    invalidInteger(request.settledUpTo, 'settledUpTo', 0) ??
    invalidInteger(request.mapVersion, 'mapVersion', 0, 0xffff_ffff)
  );
}

function invalidPut(put: Extract<Operation, { readonly type: 'put' }>): Refusal | undefined {
  return (
    invalidTask(put) ??
    invalidPayload(put.payload) ??
    invalidText(put.provider, 'provider', 1, queueLimits.nameBytesMax) ??
    invalidInteger(put.expiresAtMs, 'expiresAtMs', 0) ??
    invalidInteger(put.weight, 'weight', 0, queueLimits.weightMax) ??
    (put.refreshAtMs === undefined ? undefined : invalidInteger(put.refreshAtMs, 'refreshAtMs', 0)) ??
    (put.ifVersion === undefined ? undefined : invalidInteger(put.ifVersion, 'ifVersion', 0))
  );
}

function invalidProvider(settings: Provider): Refusal | undefined {
  return (
    unlessOneOf(settings.kind, ['static', 'rotating'], 'kind') ??
    unlessOneOf(settings.onUnknown, ['retry', 'bury'], 'onUnknown') ??
    invalidDuration(settings.graceMs, 'graceMs') ??
    invalidDuration(settings.suspectMs, 'suspectMs')
  );
}

function invalidPolicy(policy: Omit<Policy, 'version'>): Refusal | undefined {
  const refused =
    unlessOneOf(policy.name, ['bands'], 'name') ??
    invalidDuration(policy.leadMs, 'leadMs') ??
    invalidDuration(policy.urgentMs, 'urgentMs') ??
    invalidInteger(policy.urgentShare, 'urgentShare', 1, queueLimits.urgentShareMax) ??
    invalidDuration(policy.sessionTimeoutMs, 'sessionTimeoutMs', 1) ??
    invalidDuration(policy.clientTimeoutMs, 'clientTimeoutMs', 1);
  if (refused !== undefined || policy.clientTimeoutMs >= policy.sessionTimeoutMs) return refused;
  return refuse('INVALID_ARGUMENT', 'clientTimeoutMs must be at least sessionTimeoutMs');
}

function invalidTask(task: { readonly queue: string; readonly id: string }): Refusal | undefined {
  return invalidQueue(task.queue) ?? invalidText(task.id, 'id', 1, queueLimits.taskIdBytesMax);
}

function invalidLease(lease: {
  readonly queue: string;
  readonly id: string;
  readonly fence: number;
}): Refusal | undefined {
  return invalidTask(lease) ?? invalidInteger(lease.fence, 'fence', 1);
}

function invalidQueue(queue: string): Refusal | undefined {
  if (typeof queue === 'string' && isName(queue)) return undefined;
  return refuse('INVALID_ARGUMENT', 'queue must be 1 to 64 characters of A-Z a-z 0-9 . _ -');
}

export function invalidIdentity(id: string, what: string): Refusal | undefined {
  return typeof id === 'string' && isName(id)
    ? undefined
    : refuse('INVALID_ARGUMENT', `${what} is not an id`);
}

function invalidText(text: string, what: string, bytesMin: number, bytesMax: number): Refusal | undefined {
  const bytes = utf8Bytes(text);
  if (bytes === undefined) return refuse('INVALID_ARGUMENT', `${what} must be well-formed text`);
  if (bytes > bytesMax)
    return refuse('TOO_LARGE', `${what} must be at most ${bytesMax} bytes of UTF-8, got ${bytes}`);
  return bytes < bytesMin ? refuse('INVALID_ARGUMENT', `${what} must not be empty`) : undefined;
}

function invalidPayload(payload: Uint8Array): Refusal | undefined {
  if (!(payload instanceof Uint8Array)) return refuse('INVALID_ARGUMENT', 'payload must be bytes');
  return tooMany(payload.length, queueLimits.payloadBytesMax, 'payload bytes');
}

function invalidDuration(ms: number, what: string, min = 0): Refusal | undefined {
  return invalidInteger(ms, what, min, queueLimits.durationMsMax);
}

export function invalidInteger(
  value: number,
  what: string,
  min: number,
  max: number = Number.MAX_SAFE_INTEGER,
): Refusal | undefined {
  if (Number.isSafeInteger(value) && value >= min && value <= max) return undefined;
  return refuse('INVALID_ARGUMENT', `${what} must be an integer from ${min} to ${max}`);
}

function unlessOneOf(value: string, allowed: readonly string[], what: string): Refusal | undefined {
  return allowed.includes(value)
    ? undefined
    : refuse('INVALID_ARGUMENT', `${what} must be one of ${allowed.join(', ')}`);
}

function tooMany(count: number, max: number, what: string): Refusal | undefined {
  return count > max ? refuse('TOO_LARGE', `at most ${max} ${what}, got ${count}`) : undefined;
}

/** @returns the length in UTF-8; undefined for text with half a surrogate pair, which UTF-8 cannot hold. */
function utf8Bytes(text: string): number | undefined {
  if (typeof text !== 'string') return undefined;
  let bytes = text.length;
  for (let at = 0; at < text.length; at += 1) {
    const unit = text.charCodeAt(at);
    if (unit < 0x80) continue;
    bytes += unit < 0x800 ? 1 : 2;
    if (unit < 0xd800 || unit > 0xdfff) continue;
    const next = text.charCodeAt(at + 1);
    if (unit > 0xdbff || !(next >= 0xdc00 && next <= 0xdfff)) return undefined;
    at += 1; // A pair is four bytes: two units and the two already added.
  }
  return bytes;
}
