import type { Buffer } from 'node:buffer';
import { assertNever } from '../base/assert.ts';
import { ProtocolError } from '../base/errors.ts';
import type {
  LeasedTask,
  QueueResult,
  QueueStats,
  Redirect,
  RefusalCode,
  TaskState,
  TaskView,
} from '../queue/types.ts';
import { readBin, readBool, readEnum, readInt, readList, readOptional, readTuple } from './fields.ts';
import { asBuffer, decodeStrict, encodeTuple, type WireValue } from './msgpack.ts';
import { readText } from './queue-operation.ts';
import { packNumbers, readRows } from './shard-frames.ts';

const tasksMax = 1_000;
const payloadBytesMax = 2 * 1024 * 1024;

const resultTypes = [
  'refused',
  'put',
  'taken',
  'done',
  'attached',
  'ticked',
  'owned',
  'disowned',
  'redirected',
] as const;
/** By their codes. */
export const logRefusals: readonly RefusalCode[] = [
  'STALE_LEASE',
  'TASK_NOT_FOUND',
  'CONDITION_FAILED',
  'INVALID_ARGUMENT',
  'TOO_LARGE',
  'BUSY',
  'REQUEST_ID_REUSED',
  'REQUEST_SETTLED',
  'CLIENT_EXPIRED',
  'BUCKET_IN_USE',
  'CONFLICTING_MAP',
  'LOWER_VERSION',
  'NEVER_APPLIED',
  'OVERTAKEN',
];
const tupleOfThree = 0x93;
const takenCode = resultTypes.indexOf('taken');
const redirectedCode = resultTypes.indexOf('redirected');
const whys = ['wrongShard', 'frozen'] as const;
const taskStates: readonly TaskState[] = ['ready', 'delayed', 'taken', 'suspect', 'buried'];

/** The state machine's answer as it goes to the client, untouched by whoever passes it on. */
export function encodeResult(result: QueueResult): Buffer {
  return encodeTuple([resultTypes.indexOf(result.type), ...resultFields(result)]);
}

/**
 * True for a result that the state machine gave without remembering it, because it had no room or does not know the client: it says
 * nothing about an earlier attempt. Only such refusals are decoded.
 */
export function isForgetful(result: Uint8Array): boolean {
  if (result[0] !== tupleOfThree || result[1] !== 0) return false;
  const decoded = decodeResult(result);
  return decoded.type === 'refused' && (decoded.code === 'BUSY' || decoded.code === 'CLIENT_EXPIRED');
}

/** @throws ProtocolError unless the bytes are one result and nothing else. */
export function decodeResult(bytes: Uint8Array): QueueResult {
  const tuple = readTuple(decodeStrict(bytes), 'result', 1, 4);
  const type = readEnum(tuple[0], 'result', resultTypes);
  switch (type) {
    case 'refused':
      readTuple(tuple, type, 3);
      return { type, code: readEnum(tuple[1], 'code', logRefusals), message: readText(tuple[2], 'message') };
    case 'put':
      readTuple(tuple, type, 3);
      return { type, version: readInt(tuple[1], 'version'), created: readBool(tuple[2], 'created') };
    case 'taken':
      readTuple(tuple, type, 3);
      return {
        type,
        tasks: readList(tuple[1], 'tasks', tasksMax, readTask),
        atMs: readInt(tuple[2], 'atMs'),
      };
    case 'done':
      readTuple(tuple, type, 1);
      return { type };
    case 'attached':
      readTuple(tuple, type, 3);
      return {
        type,
        attachment: readInt(tuple[1], 'attachment'),
        registration: readInt(tuple[2], 'registration'),
      };
    case 'ticked':
      readTuple(tuple, type, 2);
      return { type, more: readBool(tuple[1], 'more') };
    case 'owned':
      readTuple(tuple, type, 2);
      return { type, version: readInt(tuple[1], 'version') };
    case 'disowned': {
      readTuple(tuple, type, 3);
      const rows = readRows(tuple[2], 'epochs', 3);
      const epochs = rows.map(([from = 0, to = 0, epoch = 0]) => ({ from, to, epoch }));
      return { type, version: readInt(tuple[1], 'version'), epochs };
    }
    case 'redirected':
      readTuple(tuple, type, 4);
      return {
        type,
        why: readEnum(tuple[1], 'why', whys),
        owner: readOptional(tuple[2], 'owner', readText),
        version: readInt(tuple[3], 'version'),
      };
    default:
      return assertNever(type);
  }
}

/** True for the bytes of a take that found nothing: the answer that a waiting take does not settle for. */
export function isEmptyTake(result: Uint8Array): boolean {
  return result[0] === 0x93 && result[1] === takenCode && result[2] === 0x90;
}

/** What the bytes of a result say about another shard; undefined, after one look at two bytes, for any other result. */
export function redirectOf(result: Uint8Array): Redirect | undefined {
  if (result[0] !== 0x94 || result[1] !== redirectedCode) return undefined;
  const decoded = decodeResult(result);
  return decoded.type === 'redirected' ? decoded : undefined;
}

/** What a read found, with its age; undefined for no such task. */
export interface RecordBody {
  readonly task: TaskView | undefined;
  readonly ageMs: number;
}

export function encodeRecord(body: RecordBody): Buffer {
  const { task, ageMs } = body;
  if (task === undefined) return encodeTuple([ageMs]);
  return encodeTuple([
    ageMs,
    task.id,
    asBuffer(task.payload),
    task.expiresAtMs,
    task.provider,
    task.version,
    taskStates.indexOf(task.state),
    task.buriedReason ?? null,
  ]);
}

/** @throws ProtocolError */
export function decodeRecord(bytes: Uint8Array): RecordBody {
  const tuple = readTuple(decodeStrict(bytes), 'record', 1, 8);
  const ageMs = readInt(tuple[0], 'ageMs');
  if (tuple.length === 1) return { task: undefined, ageMs };
  const [, id, payload, expiresAtMs, provider, version, state, buriedReason] = readTuple(tuple, 'record', 8);
  const task: TaskView = {
    id: readText(id, 'id'),
    payload: readBin(payload, 'payload', payloadBytesMax),
    expiresAtMs: readInt(expiresAtMs, 'expiresAtMs'),
    provider: readText(provider, 'provider'),
    version: readInt(version, 'version'),
    state: readEnum(state, 'state', taskStates),
    buriedReason: readOptional(buriedReason, 'buriedReason', readText),
  };
  return { task, ageMs };
}

export function encodeStats(stats: QueueStats): Buffer {
  const { states, bands } = stats;
  return encodeTuple([
    [states.ready, states.delayed, states.taken, states.suspect, states.buried],
    [bands.urgent, bands.expired, bands.ahead],
    Math.round(stats.oldestExpiredMs),
    stats.sessions,
    stats.clients,
  ]);
}

/** @throws ProtocolError */
export function decodeStats(bytes: Uint8Array): QueueStats {
  const [states, bands, oldestExpiredMs, sessions, clients] = readTuple(decodeStrict(bytes), 'stats', 5);
  const [ready, delayed, taken, suspect, buried] = readCounts(states, 'states', 5);
  const [urgent, expired, ahead] = readCounts(bands, 'bands', 3);
  if (ready === undefined || delayed === undefined || taken === undefined)
    throw new ProtocolError('stats: too few states');
  if (suspect === undefined || buried === undefined) throw new ProtocolError('stats: too few states');
  if (urgent === undefined || expired === undefined || ahead === undefined)
    throw new ProtocolError('stats: too few bands');
  return {
    states: { ready, delayed, taken, suspect, buried },
    bands: { urgent, expired, ahead },
    oldestExpiredMs: readInt(oldestExpiredMs, 'oldestExpiredMs'),
    sessions: readInt(sessions, 'sessions'),
    clients: readInt(clients, 'clients'),
  };
}

function resultFields(result: QueueResult): readonly WireValue[] {
  switch (result.type) {
    case 'refused':
      return [logRefusals.indexOf(result.code), result.message];
    case 'put':
      return [result.version, result.created];
    case 'taken':
      return [result.tasks.map(taskToTuple), result.atMs];
    case 'done':
      return [];
    case 'attached':
      return [result.attachment, result.registration];
    case 'ticked':
      return [result.more];
    case 'owned':
      return [result.version];
    case 'disowned':
      return [result.version, packNumbers(result.epochs.flatMap(({ from, to, epoch }) => [from, to, epoch]))];
    case 'redirected':
      return [whys.indexOf(result.why), result.owner ?? null, result.version];
    default:
      return assertNever(result);
  }
}

function taskToTuple(task: LeasedTask): WireValue {
  return [
    task.id,
    asBuffer(task.payload),
    task.expiresAtMs,
    task.provider,
    task.weight,
    task.version,
    task.generation,
    task.attempt,
    task.fence,
    task.leaseEndsAtMs,
  ];
}

function readTask(value: unknown, what: string): LeasedTask {
  const tuple = readTuple(value, what, 10);
  const [id, payload, expiresAtMs, provider, weight, version, generation, attempt, fence, leaseEndsAtMs] =
    tuple;
  return {
    id: readText(id, 'id'),
    payload: readBin(payload, 'payload', payloadBytesMax),
    expiresAtMs: readInt(expiresAtMs, 'expiresAtMs'),
    provider: readText(provider, 'provider'),
    weight: readInt(weight, 'weight'),
    version: readInt(version, 'version'),
    generation: readInt(generation, 'generation'),
    attempt: readInt(attempt, 'attempt'),
    fence: readInt(fence, 'fence'),
    leaseEndsAtMs: readInt(leaseEndsAtMs, 'leaseEndsAtMs'),
  };
}

function readCounts(value: unknown, what: string, count: number): readonly number[] {
  return readTuple(value, what, count).map((item) => readInt(item, what));
}
