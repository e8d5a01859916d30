import fc from 'fast-check';
import { type GroupId, groupId, incarnation, nodeId } from '../../src/base/ids.ts';
import type { LogEntry, Message, VoteRefusal } from '../../src/raft/types.ts';
import { durationMsMax } from '../../src/wire/limits.ts';

const count = fc.oneof(fc.nat({ max: 1_000 }), fc.maxSafeNat());
const positive = fc.oneof(
  fc.integer({ min: 1, max: 1_000 }),
  fc.integer({ min: 1, max: Number.MAX_SAFE_INTEGER }),
);
const duration = fc.integer({ min: 0, max: durationMsMax });
const wallMs = fc.integer({ min: 0, max: 4_000_000_000_000 });
const name = fc.string({ minLength: 1, maxLength: 64, unit: fc.constantFrom(...'abcXYZ019._-') });
const hex = (bytes: number): fc.Arbitrary<string> =>
  fc.string({ minLength: bytes * 2, maxLength: bytes * 2, unit: fc.constantFrom(...'0123456789abcdef') });

export const group: fc.Arbitrary<GroupId> = name.map(groupId);

const bootstrapSet = fc.option(
  fc
    .uniqueArray(name, { minLength: 1, maxLength: 63 })
    .chain((ids) =>
      fc
        .array(hex(8), { minLength: ids.length, maxLength: ids.length })
        .map((lives) =>
          [...ids].sort().map((id, i) => ({ id: nodeId(id), incarnation: incarnation(lives[i]!) })),
        ),
    ),
  { nil: undefined },
);

const release = fc.option(fc.record({ term: count, round: count }), { nil: undefined });
const refused = fc.option(fc.constantFrom<VoteRefusal>('sticky', 'term', 'log', 'voted', 'set', 'notVoter'), {
  nil: undefined,
});

const appendEntries = fc
  .record({
    prevLogIndex: fc.nat({ max: 1_000_000 }),
    prevLogTerm: fc.nat({ max: 100 }),
    leaderCommit: count,
    steps: fc.array(fc.tuple(fc.nat({ max: 2 }), fc.nat({ max: 50 }), fc.uint8Array({ maxLength: 40 })), {
      maxLength: 8,
    }),
    ahead: fc.nat({ max: 3 }),
  })
  .map(({ prevLogIndex, prevLogTerm, leaderCommit, steps, ahead }): Message => {
    let term = Math.max(1, prevLogTerm);
    let stampMs = 1_700_000_000_000;
    const entries = steps.map(([termStep, stampStep, data], i): LogEntry => {
      term += termStep;
      stampMs += stampStep;
      return { index: prevLogIndex + 1 + i, term, kind: 'commands', stampMs, data };
    });
    return { type: 'appendEntries', term: term + ahead, prevLogIndex, prevLogTerm, leaderCommit, entries };
  });

/** Every message that the core can send, valid and within its ranges. */
export const message: fc.Arbitrary<Message> = fc.oneof(
  fc.record({
    type: fc.constant('preVote' as const),
    term: positive,
    requestId: count,
    lastLogIndex: count,
    lastLogTerm: count,
    bootstrapSet,
  }),
  fc.record({ type: fc.constant('preVoteReply' as const), term: count, requestId: count, refused }),
  fc.record({
    type: fc.constant('requestVote' as const),
    term: positive,
    requestId: count,
    lastLogIndex: count,
    lastLogTerm: count,
    bootstrapSet,
    transferId: fc.option(count, { nil: undefined }),
    release,
  }),
  fc.record({
    type: fc.constant('requestVoteReply' as const),
    term: count,
    requestId: count,
    refused,
    promiseMs: duration,
    wallMs,
  }),
  appendEntries,
  fc.record({
    type: fc.constant('appendEntriesReply' as const),
    term: positive,
    index: count,
    success: fc.boolean(),
    conflictTerm: count,
    conflictIndex: count,
  }),
  fc.record({
    type: fc.constant('round' as const),
    term: positive,
    round: positive,
    leaseMs: duration,
    leaderCommit: count,
  }),
  fc.record({
    type: fc.constant('roundReply' as const),
    term: positive,
    round: count,
    wallMs,
    lastLogIndex: count,
  }),
  fc.record({
    type: fc.constant('timeoutNow' as const),
    term: positive,
    index: count,
    transferId: count,
    release,
  }),
  fc.record({ type: fc.constant('release' as const), term: positive, round: count }),
);
