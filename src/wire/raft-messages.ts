import { assertNever } from '../base/assert.ts';
import { ProtocolError } from '../base/errors.ts';
import type {
  AppendEntries,
  LogEntry,
  MemberIdentity,
  Message,
  Release,
  VoteRefusal,
} from '../raft/types.ts';
import { decodeEntries, encodeEntries } from './entries.ts';
import { readBin, readBool, readEnum, readInt, readList, readOptional, readTuple } from './fields.ts';
import { readIncarnation, readNodeId } from './id-fields.ts';
import { durationMsMax, frameBytesMax, membersMax } from './limits.ts';
import type { WireValue } from './msgpack.ts';

/** First field of each message's tuple. */
export const messageKinds: Readonly<Record<Message['type'], number>> = {
  preVote: 1,
  preVoteReply: 2,
  requestVote: 3,
  requestVoteReply: 4,
  appendEntries: 5,
  appendEntriesReply: 6,
  round: 7,
  roundReply: 8,
  timeoutNow: 9,
  release: 10,
};

/** Sent as the position in this list; 0 is a grant. */
export const voteRefusals: readonly (VoteRefusal | undefined)[] = [
  undefined,
  'sticky',
  'term',
  'log',
  'voted',
  'set',
  'notVoter',
];

/**
 * Turns a message of the core into a tuple. Durations are rounded up to whole milliseconds: a promise may only grow on the way.
 */
export function messageToTuple(message: Message): readonly WireValue[] {
  const kind = messageKinds[message.type];
  switch (message.type) {
    case 'preVote': {
      const { term, requestId, lastLogIndex, lastLogTerm, bootstrapSet } = message;
      return [kind, term, requestId, lastLogIndex, lastLogTerm, setToTuple(bootstrapSet)];
    }
    case 'preVoteReply':
      return [kind, message.term, message.requestId, voteRefusals.indexOf(message.refused)];
    case 'requestVote': {
      const { term, requestId, lastLogIndex, lastLogTerm, bootstrapSet, transferId, release } = message;
      const common = [kind, term, requestId, lastLogIndex, lastLogTerm, setToTuple(bootstrapSet)];
      return [...common, transferId ?? null, releaseToTuple(release)];
    }
    case 'requestVoteReply': {
      const { term, requestId, refused, promiseMs, wallMs } = message;
      return [
        kind,
        term,
        requestId,
        voteRefusals.indexOf(refused),
        Math.ceil(promiseMs),
        wholeWallMs(wallMs),
      ];
    }
    case 'appendEntries': {
      const { term, prevLogIndex, prevLogTerm, leaderCommit, entries } = message;
      const blob = entries.length === 0 ? null : encodeEntries(entries);
      return [kind, term, prevLogIndex, prevLogTerm, leaderCommit, blob];
    }
    case 'appendEntriesReply': {
      const { term, index, success, conflictTerm, conflictIndex } = message;
      return [kind, term, index, success, conflictTerm, conflictIndex];
    }
    case 'round':
      return [kind, message.term, message.round, Math.ceil(message.leaseMs), message.leaderCommit];
    case 'roundReply':
      return [kind, message.term, message.round, wholeWallMs(message.wallMs), message.lastLogIndex];
    case 'timeoutNow': {
      const { term, index, transferId, release } = message;
      return [kind, term, index, transferId, releaseToTuple(release)];
    }
    case 'release':
      return [kind, message.term, message.round];
    default:
      return assertNever(message);
  }
}

/**
 * Reads a tuple into a fresh message; every field is checked. Whether the message is possible in the core's state is the core's to judge.
 *
 * @throws ProtocolError
 */
export function messageFromTuple(value: unknown): Message {
  const tuple = readTuple(value, 'message', 3, 8);
  const type = messageTypes[readInt(tuple[0], 'message kind', 1, messageTypes.length - 1)];
  if (type === undefined) throw new ProtocolError('message kind is unknown');
  if (tuple.length !== messageLengths[type]) throw new ProtocolError(`${type} has a wrong number of fields`);
  return readers[type](tuple);
}

const messageTypes: readonly (Message['type'] | undefined)[] = [
  undefined,
  ...(Object.keys(messageKinds) as Message['type'][]),
];

/** Number of fields of each tuple, the kind included. */
export const messageLengths: Readonly<Record<Message['type'], number>> = {
  preVote: 6,
  preVoteReply: 4,
  requestVote: 8,
  requestVoteReply: 6,
  appendEntries: 6,
  appendEntriesReply: 6,
  round: 5,
  roundReply: 5,
  timeoutNow: 5,
  release: 3,
};

const readers: Readonly<Record<Message['type'], (tuple: readonly unknown[]) => Message>> = {
  preVote: ([, term, requestId, lastLogIndex, lastLogTerm, set]) => ({
    type: 'preVote',
    term: readInt(term, 'term', 1),
    requestId: readInt(requestId, 'requestId'),
    lastLogIndex: readInt(lastLogIndex, 'lastLogIndex'),
    lastLogTerm: readInt(lastLogTerm, 'lastLogTerm'),
    bootstrapSet: readOptional(set, 'bootstrapSet', readSet),
  }),
  preVoteReply: ([, term, requestId, refused]) => ({
    type: 'preVoteReply',
    term: readInt(term, 'term'),
    requestId: readInt(requestId, 'requestId'),
    refused: readEnum(refused, 'refused', voteRefusals),
  }),
  requestVote: ([, term, requestId, lastLogIndex, lastLogTerm, set, transferId, release]) => ({
    type: 'requestVote',
    term: readInt(term, 'term', 1),
    requestId: readInt(requestId, 'requestId'),
    lastLogIndex: readInt(lastLogIndex, 'lastLogIndex'),
    lastLogTerm: readInt(lastLogTerm, 'lastLogTerm'),
    bootstrapSet: readOptional(set, 'bootstrapSet', readSet),
    transferId: readOptional(transferId, 'transferId', readInt),
    release: readOptional(release, 'release', readRelease),
  }),
  requestVoteReply: ([, term, requestId, refused, promiseMs, wallMs]) => ({
    type: 'requestVoteReply',
    term: readInt(term, 'term'),
    requestId: readInt(requestId, 'requestId'),
    refused: readEnum(refused, 'refused', voteRefusals),
    promiseMs: readInt(promiseMs, 'promiseMs', 0, durationMsMax),
    wallMs: readInt(wallMs, 'wallMs'),
  }),
  appendEntries: readAppendEntries,
  appendEntriesReply: ([, term, index, success, conflictTerm, conflictIndex]) => ({
    type: 'appendEntriesReply',
    term: readInt(term, 'term', 1),
    index: readInt(index, 'index'),
    success: readBool(success, 'success'),
    conflictTerm: readInt(conflictTerm, 'conflictTerm'),
    conflictIndex: readInt(conflictIndex, 'conflictIndex'),
  }),
  round: ([, term, round, leaseMs, leaderCommit]) => ({
    type: 'round',
    term: readInt(term, 'term', 1),
    round: readInt(round, 'round', 1),
    leaseMs: readInt(leaseMs, 'leaseMs', 0, durationMsMax),
    leaderCommit: readInt(leaderCommit, 'leaderCommit'),
  }),
  roundReply: ([, term, round, wallMs, lastLogIndex]) => ({
    type: 'roundReply',
    term: readInt(term, 'term', 1),
    round: readInt(round, 'round', 0),
    wallMs: readInt(wallMs, 'wallMs'),
    lastLogIndex: readInt(lastLogIndex, 'lastLogIndex'),
  }),
  timeoutNow: ([, term, index, transferId, release]) => ({
    type: 'timeoutNow',
    term: readInt(term, 'term', 1),
    index: readInt(index, 'index'),
    transferId: readInt(transferId, 'transferId'),
    release: readOptional(release, 'release', readRelease),
  }),
  release: ([, term, round]) => ({
    type: 'release',
    term: readInt(term, 'term', 1),
    round: readInt(round, 'round'),
  }),
};

function readAppendEntries([, term, prevIndex, prevTerm, commit, blob]: readonly unknown[]): AppendEntries {
  const message: AppendEntries = {
    type: 'appendEntries',
    term: readInt(term, 'term', 1),
    prevLogIndex: readInt(prevIndex, 'prevLogIndex'),
    prevLogTerm: readInt(prevTerm, 'prevLogTerm'),
    leaderCommit: readInt(commit, 'leaderCommit'),
    entries: readOptional(blob, 'entries', readEntries) ?? [],
  };
  let { prevLogIndex: index, prevLogTerm: lastTerm } = message;
  for (const entry of message.entries) {
    if (entry.index !== ++index) throw new ProtocolError('entries do not follow prevLogIndex');
    if (entry.term < lastTerm || entry.term > message.term)
      throw new ProtocolError('terms of entries go back or ahead');
    lastTerm = entry.term;
  }
  return message;
}

function readEntries(value: unknown, what: string): readonly LogEntry[] {
  return decodeEntries(readBin(value, what, frameBytesMax, 1));
}

function setToTuple(set: readonly MemberIdentity[] | undefined): WireValue {
  return set === undefined ? null : set.map(({ id, incarnation }) => [id, incarnation]);
}

/** Ascending by id, so that equal sets have equal bytes. */
function readSet(value: unknown, what: string): readonly MemberIdentity[] {
  const members = readList(value, what, membersMax, readMember);
  if (members.length === 0) throw new ProtocolError(`${what} is empty`);
  for (let i = 1; i < members.length; i++) {
    if (members[i - 1]!.id >= members[i]!.id) throw new ProtocolError(`${what} is not ascending`);
  }
  return members;
}

function readMember(value: unknown): MemberIdentity {
  const [id, life] = readTuple(value, 'member', 2);
  return { id: readNodeId(id, 'member id'), incarnation: readIncarnation(life, 'member incarnation') };
}

function releaseToTuple(release: Release | undefined): WireValue {
  return release === undefined ? null : [release.term, release.round];
}

function readRelease(value: unknown, what: string): Release {
  const [term, round] = readTuple(value, what, 2);
  return { term: readInt(term, 'release term'), round: readInt(round, 'release round') };
}

/** A wrong clock may be before 1970; 0 is as wrong. */
function wholeWallMs(wallMs: number): number {
  return Math.max(0, Math.trunc(wallMs));
}
