import { Buffer } from 'node:buffer';
import { assertNever } from '../base/assert.ts';
import { ProtocolError } from '../base/errors.ts';
import { type ClientId, clientId, type SessionId } from '../base/ids.ts';
import type { QueueCommand } from '../queue/types.ts';
import { readSafe, writeSafe } from './client-header.ts';
import { readBin, readEnum, readInt, readList, readTuple } from './fields.ts';
import { readNodeId } from './id-fields.ts';
import { asBuffer, decodeStrict, encodeTuple, type WireValue } from './msgpack.ts';
import { decodeOperation, encodeOperation, readSession, readText, sessionToWire } from './queue-operation.ts';
import { claimFromTuple, claimToTuple } from './shard-frames.ts';

const sessionsMax = 4_096;

/**
 * First byte of a command: a request keeps its operation's bytes as the client sent them; a `waiting` one may wait. Those of logs from
 * before there were shards are read and no longer written: they have no map version and keep no order.
 */
const commandTags = { oldRequest: 1, other: 2, oldWaiting: 3, request: 4, waiting: 5 } as const;
const oldRequestBytes = 1 + 16 + 4 + 8 + 8;
const requestBytes = oldRequestBytes + 4;

/** A request as a command of the log, around the operation's own bytes. */
export function encodeRequest(
  request: {
    readonly client: string;
    readonly stream: number;
    readonly seq: number;
    readonly settledUpTo: number;
    readonly mayWait: boolean;
    readonly mapVersion: number;
  },
  operation: Uint8Array,
): Buffer {
  const command = Buffer.allocUnsafe(requestBytes + operation.length);
  command[0] = request.mayWait ? commandTags.waiting : commandTags.request;
  command.write(request.client, 1, 16, 'hex');
  command.writeUInt32BE(request.stream, 17);
  writeSafe(command, 21, request.seq);
  writeSafe(command, 29, request.settledUpTo);
  command.writeUInt32BE(request.mapVersion, oldRequestBytes);
  command.set(operation, requestBytes);
  return command;
}

export function encodeCommand(command: QueueCommand): Buffer {
  if (command.type === 'request') return encodeRequest(command.request, encodeOperation(command.operation));
  const tuple = encodeTuple(commandTuple(command));
  return Buffer.concat([Buffer.of(commandTags.other), tuple]);
}

/** @throws ProtocolError unless the bytes are one command and nothing else. */
export function decodeCommand(bytes: Uint8Array): QueueCommand {
  const command = asBuffer(bytes);
  if (command[0] === commandTags.other) return commandFromTuple(decodeStrict(command.subarray(1)));
  const [tag] = command;
  const isOld = tag === commandTags.oldRequest || tag === commandTags.oldWaiting;
  const mayWait = tag === commandTags.waiting || tag === commandTags.oldWaiting;
  const headBytes = isOld ? oldRequestBytes : requestBytes;
  if ((!isOld && !mayWait && tag !== commandTags.request) || command.length < headBytes)
    throw new ProtocolError('command is unknown');
  return {
    type: 'request',
    request: {
      client: clientId(command.toString('hex', 1, 17)),
      stream: command.readUInt32BE(17),
      seq: readSafe(command, 21),
      settledUpTo: readSafe(command, 29),
      mayWait,
      mapVersion: isOld ? 0 : command.readUInt32BE(oldRequestBytes),
      inOrder: !isOld,
    },
    operation: decodeOperation(command.subarray(headBytes)),
  };
}

const commandTypes = ['attach', 'detach', 'renew', 'want', 'tick', 'claim', 'settle'] as const;

function commandTuple(command: Exclude<QueueCommand, { type: 'request' }>): readonly WireValue[] {
  const code = commandTypes.indexOf(command.type);
  switch (command.type) {
    case 'attach':
      return [
        code,
        clientToWire(command.client),
        sessionToWire(command.session),
        command.gateway,
        command.workerId,
        command.registration,
      ];
    case 'detach':
      return [code, sessionToWire(command.session), command.attachment];
    case 'renew':
      return [
        code,
        command.gateway,
        command.sessions.map((item) => [sessionToWire(item.session), item.attachment]),
      ];
    case 'want':
      return [code, command.queue, command.id];
    case 'tick':
      return [code];
    case 'claim':
      return [code, claimToTuple(command.claim)];
    case 'settle':
      return [code, clientToWire(command.client), command.stream, command.settledUpTo];
    default:
      return assertNever(command);
  }
}

function commandFromTuple(value: unknown): QueueCommand {
  const tuple = readTuple(value, 'command', 1, 8);
  const type = readEnum(tuple[0], 'command', commandTypes);
  switch (type) {
    case 'attach': {
      const [, client, session, gateway, workerId, registration = 0] = readTuple(tuple, type, 5, 6);
      return {
        type,
        client: readClient(client, 'client'),
        session: readSession(session, 'session'),
        gateway: readNodeId(gateway, 'gateway'),
        workerId: readText(workerId, 'workerId'),
        registration: readInt(registration, 'registration'),
      };
    }
    case 'detach': {
      const [, session, attachment] = readTuple(tuple, type, 3);
      return {
        type,
        session: readSession(session, 'session'),
        attachment: readInt(attachment, 'attachment'),
      };
    }
    case 'renew': {
      const [, gateway, sessions] = readTuple(tuple, type, 3);
      return {
        type,
        gateway: readNodeId(gateway, 'gateway'),
        sessions: readAttachments(sessions, 'sessions'),
      };
    }
    case 'want': {
      const [, queue, id] = readTuple(tuple, type, 3);
      return { type, queue: readText(queue, 'queue'), id: readText(id, 'id') };
    }
    case 'tick':
      readTuple(tuple, type, 1);
      return { type };
    case 'claim': {
      const [, claim] = readTuple(tuple, type, 2);
      return { type, claim: claimFromTuple(claim, 'claim') };
    }
    case 'settle': {
      const [, client, stream, settledUpTo] = readTuple(tuple, type, 4);
      return {
        type,
        client: readClient(client, 'client'),
        stream: readInt(stream, 'stream', 0, 0xffff_ffff),
        settledUpTo: readInt(settledUpTo, 'settledUpTo'),
      };
    }
    default:
      return assertNever(type);
  }
}

/** A list of (session, attachment). */
export function readAttachments(
  value: unknown,
  what: string,
): readonly { readonly session: SessionId; readonly attachment: number }[] {
  return readList(value, what, sessionsMax, (item, name) => {
    const [session, attachment] = readTuple(item, name, 2);
    return { session: readSession(session, 'session'), attachment: readInt(attachment, 'attachment') };
  });
}

function readClient(value: unknown, what: string): ClientId {
  return clientId(readBin(value, what, 16, 16).toString('hex'));
}

function clientToWire(client: string): Buffer {
  return Buffer.from(client, 'hex');
}
