import { Buffer } from 'node:buffer';
import { assertNever } from '../base/assert.ts';
import { ProtocolError } from '../base/errors.ts';
import { type SessionId, sessionId } from '../base/ids.ts';
import type { Operation } from '../queue/types.ts';
import { readBin, readBool, readEnum, readInt, readOptional, readString, readTuple } from './fields.ts';
import { asBuffer, decodeStrict, encodeTuple, type WireValue } from './msgpack.ts';

/**
 * Bounds of the encoding: wider than those of the queue, which answers what lies between with a refusal. What is over these
 * is no message of ours.
 */
const textBytesMax = 4_096;
const payloadBytesMax = 2 * 1024 * 1024;

/** First value of an operation's tuple; documented in docs/reference/client-protocol.md. */
export const operationCodes: { readonly [Type in Operation['type']]: number } = {
  put: 1,
  take: 2,
  ack: 3,
  ackDone: 4,
  release: 5,
  bury: 6,
  setProvider: 7,
  setPolicy: 8,
  resolve: 9,
};
const operationOfCode: ReadonlyMap<unknown, Operation['type']> = new Map(
  Object.entries(operationCodes).map(([type, code]) => [code, type as Operation['type']]),
);

const scopes = ['task', 'provider'] as const;
const providerKinds = ['static', 'rotating'] as const;
const unknownRules = ['retry', 'bury'] as const;

/** What an operation is, from the first bytes of its encoding; undefined if it is none. Reads nothing of the payload. */
export function peekOperation(body: Uint8Array): Operation['type'] | undefined {
  const head = body[0] ?? 0;
  return head >= 0x90 && head <= 0x9f ? operationOfCode.get(body[1]) : undefined;
}

export function encodeOperation(operation: Operation): Buffer {
  return encodeTuple([operationCodes[operation.type], ...operationFields(operation)]);
}

/** @throws ProtocolError unless the bytes are one operation and nothing else. */
export function decodeOperation(bytes: Uint8Array): Operation {
  const tuple = readTuple(decodeStrict(bytes), 'operation', 1, 16);
  const type = operationOfCode.get(tuple[0]);
  if (type === undefined) throw new ProtocolError('operation is unknown');
  return operationFromFields(type, tuple);
}

function operationFields(operation: Operation): readonly WireValue[] {
  switch (operation.type) {
    case 'put':
      return [
        operation.queue,
        operation.id,
        asBuffer(operation.payload),
        operation.expiresAtMs,
        operation.provider,
        operation.weight,
        operation.refreshAtMs ?? null,
        operation.ifAbsent,
        operation.ifVersion ?? null,
      ];
    case 'take':
      return [
        operation.queue,
        operation.limit,
        sessionToWire(operation.session),
        operation.ttrMs,
        operation.callMs,
      ];
    case 'ack':
      return [
        operation.queue,
        operation.id,
        operation.fence,
        asBuffer(operation.payload),
        operation.expiresAtMs,
      ];
    case 'ackDone':
      return [operation.queue, operation.id, operation.fence];
    case 'release': {
      const { queue, id, fence, delayMs, scope, callMade } = operation;
      return [queue, id, fence, delayMs, scopes.indexOf(scope), callMade];
    }
    case 'bury':
      return [operation.queue, operation.id, operation.fence, operation.reason];
    case 'setProvider': {
      const { kind, graceMs, suspectMs, onUnknown } = operation.settings;
      const kindCode = providerKinds.indexOf(kind);
      return [
        operation.queue,
        operation.provider,
        kindCode,
        graceMs,
        suspectMs,
        unknownRules.indexOf(onUnknown),
      ];
    }
    case 'setPolicy': {
      const { leadMs, urgentMs, urgentShare, sessionTimeoutMs, clientTimeoutMs } = operation.policy;
      return [operation.queue, leadMs, urgentMs, urgentShare, sessionTimeoutMs, clientTimeoutMs];
    }
    case 'resolve':
      return [operation.queue, operation.id];
    default:
      return assertNever(operation);
  }
}

function operationFromFields(type: Operation['type'], tuple: readonly unknown[]): Operation {
  switch (type) {
    case 'put':
      return readPut(tuple);
    case 'take': {
      const [, queue, limit, session, ttrMs, callMs] = readTuple(tuple, 'take', 6);
      return {
        type,
        queue: readText(queue, 'queue'),
        limit: readInt(limit, 'limit'),
        session: readSession(session, 'session'),
        ttrMs: readInt(ttrMs, 'ttrMs'),
        callMs: readInt(callMs, 'callMs'),
      };
    }
    case 'ack': {
      readTuple(tuple, 'ack', 6);
      return {
        type,
        ...readLeaseFields(tuple),
        payload: readBin(tuple[4], 'payload', payloadBytesMax),
        expiresAtMs: readInt(tuple[5], 'expiresAtMs'),
      };
    }
    case 'ackDone':
      readTuple(tuple, 'ackDone', 4);
      return { type, ...readLeaseFields(tuple) };
    case 'release':
      readTuple(tuple, 'release', 7);
      return {
        type,
        ...readLeaseFields(tuple),
        delayMs: readInt(tuple[4], 'delayMs'),
        scope: readEnum(tuple[5], 'scope', scopes),
        callMade: readBool(tuple[6], 'callMade'),
      };
    case 'bury':
      readTuple(tuple, 'bury', 5);
      return { type, ...readLeaseFields(tuple), reason: readText(tuple[4], 'reason') };
    case 'setProvider':
      return readSetProvider(tuple);
    case 'setPolicy':
      return readSetPolicy(tuple);
    case 'resolve': {
      const [, queue, id] = readTuple(tuple, type, 3);
      return { type, queue: readText(queue, 'queue'), id: readText(id, 'id') };
    }
    default:
      return assertNever(type);
  }
}

function readPut(tuple: readonly unknown[]): Operation {
  const [, queue, id, payload, expiresAtMs, provider, weight, refreshAtMs, ifAbsent, ifVersion] = readTuple(
    tuple,
    'put',
    10,
  );
  return {
    type: 'put',
    queue: readText(queue, 'queue'),
    id: readText(id, 'id'),
    payload: readBin(payload, 'payload', payloadBytesMax),
    expiresAtMs: readInt(expiresAtMs, 'expiresAtMs'),
    provider: readText(provider, 'provider'),
    weight: readInt(weight, 'weight'),
    refreshAtMs: readOptional(refreshAtMs, 'refreshAtMs', readInt),
    ifAbsent: readBool(ifAbsent, 'ifAbsent'),
    ifVersion: readOptional(ifVersion, 'ifVersion', readInt),
  };
}

function readSetProvider(tuple: readonly unknown[]): Operation {
  const [, queue, provider, kind, graceMs, suspectMs, onUnknown] = readTuple(tuple, 'setProvider', 7);
  return {
    type: 'setProvider',
    queue: readText(queue, 'queue'),
    provider: readText(provider, 'provider'),
    settings: {
      kind: readEnum(kind, 'kind', providerKinds),
      graceMs: readInt(graceMs, 'graceMs'),
      suspectMs: readInt(suspectMs, 'suspectMs'),
      onUnknown: readEnum(onUnknown, 'onUnknown', unknownRules),
    },
  };
}

function readSetPolicy(tuple: readonly unknown[]): Operation {
  const [, queue, leadMs, urgentMs, urgentShare, sessionTimeoutMs, clientTimeoutMs] = readTuple(
    tuple,
    'setPolicy',
    7,
  );
  return {
    type: 'setPolicy',
    queue: readText(queue, 'queue'),
    policy: {
      name: 'bands',
      leadMs: readInt(leadMs, 'leadMs'),
      urgentMs: readInt(urgentMs, 'urgentMs'),
      urgentShare: readInt(urgentShare, 'urgentShare'),
      sessionTimeoutMs: readInt(sessionTimeoutMs, 'sessionTimeoutMs'),
      clientTimeoutMs: readInt(clientTimeoutMs, 'clientTimeoutMs'),
    },
  };
}

function readLeaseFields(tuple: readonly unknown[]): {
  readonly queue: string;
  readonly id: string;
  readonly fence: number;
} {
  return {
    queue: readText(tuple[1], 'queue'),
    id: readText(tuple[2], 'id'),
    fence: readInt(tuple[3], 'fence'),
  };
}

export function readText(value: unknown, what: string): string {
  return readString(value, what, textBytesMax);
}

export function readSession(value: unknown, what: string): SessionId {
  return sessionId(readBin(value, what, 16, 16).toString('hex'));
}

export function sessionToWire(session: SessionId): Buffer {
  return Buffer.from(session, 'hex');
}
