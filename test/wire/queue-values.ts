import fc from 'fast-check';
import { clientId, type NodeId, nodeId, type SessionId, sessionId } from '../../src/base/ids.ts';
import type {
  Claim,
  Operation,
  QueueCommand,
  QueueResult,
  RefusalCode,
  TaskState,
} from '../../src/queue/types.ts';

/** Arbitrary values of the queue, for the round trips of their encodings. */

export const safeInt: fc.Arbitrary<number> = fc.oneof(
  fc.nat(300),
  fc.integer({ min: 0, max: Number.MAX_SAFE_INTEGER }),
  fc.constantFrom(2 ** 31, 2 ** 32 - 1, 2 ** 32, Number.MAX_SAFE_INTEGER),
);
export const id: fc.Arbitrary<string> = fc.string({ unit: 'grapheme', maxLength: 40 });
export const hex16: fc.Arbitrary<string> = fc
  .uint8Array({ minLength: 16, maxLength: 16 })
  .map((bytes) => Buffer.from(bytes).toString('hex'));
export const sessions: fc.Arbitrary<SessionId> = hex16.map(sessionId);
export const nodes: fc.Arbitrary<NodeId> = fc.constantFrom('a', 'node-1', 'x.y_z').map(nodeId);
const payload = fc.uint8Array({ maxLength: 500 }).map((bytes) => Buffer.from(bytes));
const optional = fc.option(safeInt, { nil: undefined });
const lease = { queue: id, id, fence: safeInt };

export const operations: fc.Arbitrary<Operation> = fc.oneof(
  fc.record({
    type: fc.constant('put' as const),
    queue: id,
    id,
    payload,
    expiresAtMs: safeInt,
    provider: id,
    weight: safeInt,
    refreshAtMs: optional,
    ifAbsent: fc.boolean(),
    ifVersion: optional,
  }),
  fc.record({
    type: fc.constant('take' as const),
    queue: id,
    limit: safeInt,
    session: sessions,
    ttrMs: safeInt,
    callMs: safeInt,
  }),
  fc.record({ type: fc.constant('ack' as const), ...lease, payload, expiresAtMs: safeInt }),
  fc.record({ type: fc.constant('ackDone' as const), ...lease }),
  fc.record({
    type: fc.constant('release' as const),
    ...lease,
    delayMs: safeInt,
    scope: fc.constantFrom('task' as const, 'provider' as const),
    callMade: fc.boolean(),
  }),
  fc.record({ type: fc.constant('bury' as const), ...lease, reason: id }),
  fc.record({
    type: fc.constant('setProvider' as const),
    queue: id,
    provider: id,
    settings: fc.record({
      kind: fc.constantFrom('static' as const, 'rotating' as const),
      graceMs: safeInt,
      suspectMs: safeInt,
      onUnknown: fc.constantFrom('retry' as const, 'bury' as const),
    }),
  }),
  fc.record({
    type: fc.constant('setPolicy' as const),
    queue: id,
    policy: fc.record({
      name: fc.constant('bands' as const),
      leadMs: safeInt,
      urgentMs: safeInt,
      urgentShare: safeInt,
      sessionTimeoutMs: safeInt,
      clientTimeoutMs: safeInt,
    }),
  }),
  fc.record({ type: fc.constant('resolve' as const), queue: id, id }),
);

const uint32 = fc.oneof(fc.nat(20), fc.constantFrom(2 ** 31, 2 ** 32 - 1));
const ends = fc.tuple(fc.nat(65_535), fc.nat(65_535));
const range = ends.map(([one, other]) => ({ from: Math.min(one, other), to: Math.max(one, other) }));
const epochs = fc.tuple(range, uint32).map(([each, epoch]) => ({ ...each, epoch }));
const shard = fc.constantFrom('tokens-1', 'b');
const map = fc.record({
  namespace: fc.constantFrom('tokens', 'default'),
  version: uint32,
  digest: uint32,
  partitioner: fc.constantFrom('buckets' as const, 'sumbur' as const, 'tarantoolGuava' as const),
  bucketCount: fc.integer({ min: 1, max: 65_536 }),
});
const claims: fc.Arbitrary<Claim> = fc.oneof(
  fc.record({ type: fc.constant('own' as const), map, shard, ranges: fc.array(epochs) }),
  fc.record({ type: fc.constant('disown' as const), map, to: shard, ranges: fc.array(range) }),
);

export const commands: fc.Arbitrary<QueueCommand> = fc.oneof(
  fc.record({
    type: fc.constant('request' as const),
    request: fc.record({
      client: hex16.map(clientId),
      stream: fc.integer({ min: 0, max: 0xffff_ffff }),
      seq: safeInt,
      settledUpTo: safeInt,
      mayWait: fc.boolean(),
      inOrder: fc.constant(true),
      mapVersion: fc.oneof(fc.constant(0), uint32),
    }),
    operation: operations,
  }),
  fc.record({
    type: fc.constant('attach' as const),
    client: hex16.map(clientId),
    session: sessions,
    gateway: nodes,
    workerId: id,
    registration: safeInt,
  }),
  fc.record({ type: fc.constant('detach' as const), session: sessions, attachment: safeInt }),
  fc.record({
    type: fc.constant('renew' as const),
    gateway: nodes,
    sessions: fc.array(fc.record({ session: sessions, attachment: safeInt })),
  }),
  fc.record({ type: fc.constant('want' as const), queue: id, id }),
  fc.record({ type: fc.constant('tick' as const) }),
  fc.record({ type: fc.constant('claim' as const), claim: claims }),
  fc.record({
    type: fc.constant('settle' as const),
    client: hex16.map(clientId),
    stream: uint32,
    settledUpTo: safeInt,
  }),
);

const codes: readonly RefusalCode[] = [
  'STALE_LEASE',
  'TASK_NOT_FOUND',
  'CONDITION_FAILED',
  'INVALID_ARGUMENT',
  'TOO_LARGE',
  'BUCKET_IN_USE',
  'CONFLICTING_MAP',
  'LOWER_VERSION',
  'NEVER_APPLIED',
  'OVERTAKEN',
];

export const results: fc.Arbitrary<QueueResult> = fc.oneof(
  fc.record({ type: fc.constant('refused' as const), code: fc.constantFrom(...codes), message: id }),
  fc.record({ type: fc.constant('put' as const), version: safeInt, created: fc.boolean() }),
  fc.record({
    type: fc.constant('taken' as const),
    tasks: fc.array(
      fc.record({
        id,
        payload,
        expiresAtMs: safeInt,
        provider: id,
        weight: safeInt,
        version: safeInt,
        generation: safeInt,
        attempt: safeInt,
        fence: safeInt,
        leaseEndsAtMs: safeInt,
      }),
      { maxLength: 5 },
    ),
    atMs: safeInt,
  }),
  fc.record({ type: fc.constant('done' as const) }),
  fc.record({ type: fc.constant('attached' as const), attachment: safeInt, registration: safeInt }),
  fc.record({ type: fc.constant('ticked' as const), more: fc.boolean() }),
  fc.record({ type: fc.constant('owned' as const), version: safeInt }),
  fc.record({ type: fc.constant('disowned' as const), version: safeInt, epochs: fc.array(epochs) }),
  fc.record({
    type: fc.constant('redirected' as const),
    why: fc.constantFrom('wrongShard' as const, 'frozen' as const),
    owner: fc.option(shard, { nil: undefined }),
    version: safeInt,
  }),
);

export const taskStates: fc.Arbitrary<TaskState> = fc.constantFrom(
  'ready',
  'delayed',
  'taken',
  'suspect',
  'buried',
);
