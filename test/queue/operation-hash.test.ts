import { describe, expect, it } from 'vitest';
import { sessionId } from '../../src/base/ids.ts';
import { hashOfOperation } from '../../src/queue/operation-hash.ts';
import type { Operation } from '../../src/queue/types.ts';

/** One of each kind, and for every field another value. */
const cases: readonly {
  readonly operation: Operation;
  readonly others: Readonly<Record<string, unknown>>;
}[] = [
  {
    operation: {
      type: 'put',
      queue: 'tokens',
      id: 'one',
      payload: Uint8Array.of(1, 2, 3, 4, 5),
      expiresAtMs: 1_795_240_612_641,
      provider: 'acme',
      weight: 0,
      refreshAtMs: undefined,
      ifAbsent: false,
      ifVersion: undefined,
    },
    others: {
      queue: 'other',
      id: 'onf',
      payload: Uint8Array.of(1, 2, 3, 4, 6),
      expiresAtMs: 1_795_240_612_642,
      provider: 'acmf',
      weight: 1,
      refreshAtMs: 0,
      ifAbsent: true,
      ifVersion: 0,
    },
  },
  {
    operation: { type: 'take', queue: 'tokens', limit: 1, session: sessionId('0a'), ttrMs: 2, callMs: 3 },
    others: { queue: 'other', limit: 2, session: sessionId('0b'), ttrMs: 3, callMs: 2 },
  },
  {
    operation: {
      type: 'ack',
      queue: 'tokens',
      id: 'one',
      fence: 7,
      payload: Uint8Array.of(1),
      expiresAtMs: 9,
    },
    others: { queue: 'other', id: 'two', fence: 8, payload: Uint8Array.of(1, 0), expiresAtMs: 9 + 2 ** 32 },
  },
  {
    operation: { type: 'ackDone', queue: 'tokens', id: 'one', fence: 7 },
    others: { queue: 'other', id: 'two', fence: 8 },
  },
  {
    operation: {
      type: 'release',
      queue: 'tokens',
      id: 'one',
      fence: 7,
      delayMs: 0,
      scope: 'task',
      callMade: false,
    },
    others: { queue: 'other', id: 'two', fence: 8, delayMs: 1, scope: 'provider', callMade: true },
  },
  {
    operation: { type: 'bury', queue: 'tokens', id: 'one', fence: 7, reason: 'gone' },
    others: { queue: 'other', id: 'two', fence: 8, reason: 'lost' },
  },
  {
    operation: {
      type: 'setProvider',
      queue: 'tokens',
      provider: 'acme',
      settings: { kind: 'static', graceMs: 0, suspectMs: 1, onUnknown: 'retry' },
    },
    others: {
      queue: 'other',
      provider: 'acmf',
      settings: { kind: 'rotating', graceMs: 0, suspectMs: 1, onUnknown: 'retry' },
    },
  },
  {
    operation: {
      type: 'setPolicy',
      queue: 'tokens',
      policy: {
        name: 'bands',
        leadMs: 1,
        urgentMs: 2,
        urgentShare: 3,
        sessionTimeoutMs: 4,
        clientTimeoutMs: 5,
      },
    },
    others: {
      queue: 'other',
      policy: {
        name: 'bands',
        leadMs: 1,
        urgentMs: 2,
        urgentShare: 3,
        sessionTimeoutMs: 4,
        clientTimeoutMs: 6,
      },
    },
  },
];

describe('the hash of an operation', () => {
  for (const { operation, others } of cases) {
    it(`of a ${operation.type} tells every field from another value of it`, () => {
      expect(Object.keys(others).sort()).toEqual(
        Object.keys(operation)
          .filter((field) => field !== 'type')
          .sort(),
      );
      const hashes = Object.entries(others).map(([field, other]) =>
        hashOfOperation({ ...operation, [field]: other }),
      );
      expect(new Set([hashOfOperation(operation), ...hashes]).size).toBe(hashes.length + 1);
    });
  }

  it('is the same for equal operations and a safe integer', () => {
    for (const { operation } of cases) {
      expect(hashOfOperation(structuredClone(operation))).toBe(hashOfOperation(operation));
      expect(Number.isSafeInteger(hashOfOperation(operation))).toBe(true);
    }
  });

  it('does not run one text into the next', () => {
    const bury = { type: 'bury', queue: 'q', fence: 0 } as const;
    expect(hashOfOperation({ ...bury, id: 'ab', reason: 'c' })).not.toBe(
      hashOfOperation({ ...bury, id: 'a', reason: 'bc' }),
    );
  });
});
