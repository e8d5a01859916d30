import { Buffer } from 'node:buffer';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ProtocolError } from '../../src/base/errors.ts';
import { groupId, incarnation, mainGroup, nodeId } from '../../src/base/ids.ts';
import type { LogEntry, Message } from '../../src/raft/types.ts';
import { encodeEntries } from '../../src/wire/entries.ts';
import { frameBytesMax, peerItemsMax } from '../../src/wire/limits.ts';
import { decodeStrict, encodeTuple, type WireValue } from '../../src/wire/msgpack.ts';
import { decodePeerFrame, encodePeerFrame, type PeerItem, peerItemBytes } from '../../src/wire/peer-frame.ts';
import {
  messageFromTuple,
  messageKinds,
  messageLengths,
  messageToTuple,
} from '../../src/wire/raft-messages.ts';
import { group, message } from './messages.ts';

const item: fc.Arbitrary<PeerItem> = fc.oneof(
  fc.record({ type: fc.constant('message' as const), group, message }),
  fc.uint8Array({ maxLength: 200 }).map((frame) => ({ type: 'service' as const, frame: Buffer.from(frame) })),
);

/** Bytes compare as bytes, whether they are Buffers or not. */
function plain(value: unknown): unknown {
  return JSON.parse(
    JSON.stringify(value, (_, field) => {
      if (field?.type === 'Buffer') return { bytes: Buffer.from(field.data).toString('hex') };
      return field instanceof Uint8Array ? { bytes: Buffer.from(field).toString('hex') } : field;
    }) ?? 'null',
  );
}

describe('peer frames', () => {
  it('bring every message and service frame back as it was', () => {
    fc.assert(
      fc.property(fc.array(item, { maxLength: 12 }), (items) => {
        expect(plain(decodePeerFrame(encodePeerFrame(items)))).toEqual(plain(items));
      }),
      { numRuns: 1_000 },
    );
  });

  it('let nothing but ProtocolError out for mutations of valid frames', () => {
    const change = fc.tuple(fc.nat(), fc.integer({ min: 0, max: 255 }));
    fc.assert(
      fc.property(
        fc.array(item, { minLength: 1, maxLength: 6 }),
        fc.array(change, { minLength: 1, maxLength: 3 }),
        (items, changes) => {
          const frame = Buffer.from(encodePeerFrame(items));
          for (const [at, byte] of changes) frame[at % frame.length] = byte;
          expectReadOrRefused(() => decodePeerFrame(frame));
        },
      ),
      { numRuns: 5_000 },
    );
  });

  it('let nothing but ProtocolError out for well-formed values of any shape', () => {
    const field: fc.Arbitrary<WireValue> = fc.letrec<{ value: WireValue }>((tie) => ({
      value: fc.oneof(
        { depthSize: 'small' },
        fc.integer({ min: -3, max: 20 }),
        fc.maxSafeInteger(),
        fc.constantFrom('main', 'a', '', '__proto__', 'constructor', '0011223344556677'),
        fc.boolean(),
        fc.constant(null),
        fc.uint8Array({ maxLength: 30 }).map((bytes) => Buffer.from(bytes)),
        fc.array(tie('value'), { maxLength: 9 }),
      ),
    })).value;
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 10 }), fc.array(field, { maxLength: 8 }), (kind, fields) => {
        const bytes = encodeTuple([1, ['main', [kind, ...fields]]]);
        expectReadOrRefused(() => decodePeerFrame(bytes));
      }),
      { numRuns: 10_000 },
    );
  });

  it('carry the entries of a message as one bin, the blob of the log itself', () => {
    const entries: readonly LogEntry[] = [
      { index: 4, term: 2, kind: 'noop', stampMs: 1_700_000_000_000, data: new Uint8Array(0) },
      { index: 5, term: 2, kind: 'commands', stampMs: 1_700_000_000_000, data: new Uint8Array([1, 2]) },
    ];
    const tuple = messageToTuple({
      type: 'appendEntries',
      term: 2,
      prevLogIndex: 3,
      prevLogTerm: 1,
      leaderCommit: 3,
      entries,
    });
    expect(tuple[5]).toBe(encodeEntries(entries));
  });

  it('refuse entries that do not follow prevLogIndex, or whose terms go back or ahead', () => {
    const entry = (index: number, term: number): LogEntry => ({
      index,
      term,
      kind: 'noop',
      stampMs: 1_700_000_000_000,
      data: new Uint8Array(0),
    });
    const append = (prevLogIndex: number, entries: readonly LogEntry[]): WireValue =>
      messageToTuple({
        type: 'appendEntries',
        term: 5,
        prevLogIndex,
        prevLogTerm: 3,
        leaderCommit: 0,
        entries,
      });
    expect(messageFromTuple(append(3, [entry(4, 3), entry(5, 5)]))).toMatchObject({ prevLogIndex: 3 });
    expect(() => messageFromTuple(append(3, [entry(5, 3)]))).toThrow(ProtocolError);
    expect(() => messageFromTuple(append(3, [entry(4, 2)]))).toThrow(ProtocolError);
    expect(() => messageFromTuple(append(3, [entry(4, 6)]))).toThrow(ProtocolError);
  });

  it.each<[string, readonly WireValue[]]>([
    ['an unknown kind', [11, 1, 1]],
    ['kind 0', [0, 1, 1]],
    ['a field too few', [messageKinds.release, 1]],
    ['a field too many', [messageKinds.release, 1, 1, 1]],
    ['term 0 in a round', [messageKinds.round, 0, 1, 800, 0]],
    ['a negative index', [messageKinds.appendEntriesReply, 1, -1, true, 0, 0]],
    ['a number for a boolean', [messageKinds.appendEntriesReply, 1, 1, 1, 0, 0]],
    ['a text for a number', [messageKinds.release, '1', 1]],
    ['an unknown refusal', [messageKinds.preVoteReply, 1, 1, 7]],
    ['a lease beyond 24 days', [messageKinds.round, 1, 1, 2 ** 31, 0]],
    [
      'a set out of order',
      [
        messageKinds.preVote,
        1,
        1,
        0,
        0,
        [
          ['b', '0'.repeat(16)],
          ['a', '0'.repeat(16)],
        ],
      ],
    ],
    [
      'a set that names an id twice',
      [
        messageKinds.preVote,
        1,
        1,
        0,
        0,
        [
          ['a', '0'.repeat(16)],
          ['a', '1'.repeat(16)],
        ],
      ],
    ],
    ['an empty set', [messageKinds.preVote, 1, 1, 0, 0, []]],
    [
      'a set of 64',
      [
        messageKinds.preVote,
        1,
        1,
        0,
        0,
        Array.from({ length: 64 }, (_, i) => [`n${i + 10}`, '0'.repeat(16)]),
      ],
    ],
    ['an id with a space', [messageKinds.preVote, 1, 1, 0, 0, [['a b', '0'.repeat(16)]]]],
    ['an incarnation in capitals', [messageKinds.preVote, 1, 1, 0, 0, [['a', 'A'.repeat(16)]]]],
    ['an empty blob', [messageKinds.appendEntries, 1, 0, 0, 0, Buffer.alloc(0)]],
    ['a damaged blob', [messageKinds.appendEntries, 1, 0, 0, 0, Buffer.alloc(40)]],
  ])('refuse %s', (_, tuple) => {
    expect(() => messageFromTuple(decodeStrict(encodeTuple(tuple)))).toThrow(ProtocolError);
  });

  it('refuse another version, a group that is no name and too many items', () => {
    expect(() => decodePeerFrame(encodeTuple([2]))).toThrow(ProtocolError);
    expect(() => decodePeerFrame(encodeTuple([1, ['no name', [10, 1, 1]]]))).toThrow(ProtocolError);
    expect(() => decodePeerFrame(encodeTuple([1, ...Array(peerItemsMax + 1).fill(Buffer.alloc(0))]))).toThrow(
      ProtocolError,
    );
    expect(decodePeerFrame(encodeTuple([1]))).toEqual([]);
  });

  it('never take more bytes than the estimate by which turns are cut into frames', () => {
    fc.assert(
      fc.property(item, (one) => {
        expect(encodePeerFrame([one]).length).toBeLessThanOrEqual(peerItemBytes(one) + 16);
      }),
      { numRuns: 1_000 },
    );
    const members = Array.from({ length: 63 }, (_, i) => ({
      id: nodeId(`${i + 10}${'x'.repeat(62)}`),
      incarnation: incarnation('f'.repeat(16)),
    }));
    const most: PeerItem = {
      type: 'message',
      group: groupId('g'.repeat(64)),
      message: {
        type: 'preVote',
        term: 1,
        requestId: 2 ** 50,
        lastLogIndex: 2 ** 50,
        lastLogTerm: 2 ** 50,
        bootstrapSet: members,
      },
    };
    expect(encodePeerFrame([most]).length).toBeLessThanOrEqual(peerItemBytes(most));
    expect(peerItemBytes(most)).toBeLessThan(frameBytesMax / 100);
  });

  it('round durations up, so that a promise never shrinks on the way', () => {
    const reply: Message = {
      type: 'requestVoteReply',
      term: 1,
      requestId: 1,
      refused: undefined,
      promiseMs: 923.001,
      wallMs: 5.7,
    };
    expect(messageFromTuple(messageToTuple(reply))).toMatchObject({ promiseMs: 924, wallMs: 5 });
    const round: Message = { type: 'round', term: 1, round: 1, leaseMs: 799.5, leaderCommit: 0 };
    expect(
      decodePeerFrame(encodePeerFrame([{ type: 'message', group: mainGroup, message: round }])),
    ).toMatchObject([{ message: { leaseMs: 800 } }]);
  });

  it('name a length for every kind, and no kind twice', () => {
    expect(Object.keys(messageLengths)).toEqual(Object.keys(messageKinds));
    expect(new Set(Object.values(messageKinds)).size).toBe(Object.keys(messageKinds).length);
  });
});

function expectReadOrRefused(read: () => unknown): void {
  try {
    read();
  } catch (error) {
    expect(error).toBeInstanceOf(ProtocolError);
  }
}
