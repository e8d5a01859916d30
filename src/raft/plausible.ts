import { assertNever } from '../base/assert.ts';
import { decodeBootstrap, isAscending, namesMember } from './bootstrap.ts';
import type { Core } from './core.ts';
import { driftBoundMax, leaseMsMax, termMax } from './options.ts';
import { promiseLengthMs } from './promises.ts';
import type { AppendEntries, LogEntry, MemberIdentity, Message } from './types.ts';

/** What no correct member sends: such a message is dropped and counted, whatever state this node is in. */
export function isPlausible(message: Message): boolean {
  if (!isCount(message.term) || message.term > termMax) return false;
  switch (message.type) {
    case 'preVote':
      return message.term > 0 && isPlausibleRequest(message);
    case 'requestVote':
      return message.term > 0 && isPlausibleRequest(message) && isReleaseBelow(message.release, message.term);
    case 'preVoteReply':
      return true;
    case 'requestVoteReply':
      return (
        message.promiseMs >= 0 &&
        message.promiseMs <= promiseLengthMs(leaseMsMax, driftBoundMax) &&
        Number.isFinite(message.wallMs)
      );
    case 'appendEntries':
      return isCount(message.prevLogIndex) && message.prevLogTerm <= message.term;
    case 'appendEntriesReply':
      return isCount(message.index) && isCount(message.conflictIndex);
    case 'round':
      return message.round > 0 && message.leaseMs >= 0 && message.leaseMs <= leaseMsMax;
    case 'roundReply':
      return isCount(message.round) && isCount(message.lastLogIndex) && Number.isFinite(message.wallMs);
    case 'timeoutNow':
      return message.release === undefined || message.release.term === message.term;
    case 'release':
      return isCount(message.round);
    default:
      return assertNever(message);
  }
}

/** True if a correct leader of the term may have sent these entries to this node. */
export function isPlausibleAppend(message: AppendEntries, core: Core): boolean {
  const { log, commitIndex } = core;
  const { prevLogIndex, prevLogTerm, entries } = message;
  if (prevLogIndex === 0 && prevLogTerm !== 0) return false;
  if (prevLogIndex <= commitIndex && log.termAt(prevLogIndex) !== prevLogTerm) return false;
  let lastTerm = prevLogTerm;
  let lastStampMs = 0;
  for (const [at, entry] of entries.entries()) {
    if (entry.index !== prevLogIndex + 1 + at) return false;
    if (entry.term < lastTerm || entry.term > message.term) return false;
    if (entry.stampMs < lastStampMs || !isPlausibleEntry(entry, core)) return false;
    // What is committed here is never something else elsewhere (I7).
    if (entry.index <= commitIndex && log.termAt(entry.index) !== entry.term) return false;
    lastTerm = entry.term;
    lastStampMs = entry.stampMs;
  }
  return true;
}

/** Entry 1 and only entry 1 is the bootstrap, and it names the disk it is written to. */
function isPlausibleEntry(entry: LogEntry, core: Core): boolean {
  if ((entry.kind === 'bootstrap') !== (entry.index === 1)) return false;
  if (entry.kind !== 'bootstrap') return true;
  const bootstrap = decodeBootstrap(entry.data);
  if (bootstrap === undefined) return false;
  return namesMember(bootstrap.members, { id: core.id, incarnation: core.options.incarnation });
}

function isPlausibleRequest(message: {
  readonly lastLogIndex: number;
  readonly lastLogTerm: number;
  readonly term: number;
  readonly bootstrapSet: readonly MemberIdentity[] | undefined;
}): boolean {
  if (!isCount(message.lastLogIndex) || message.lastLogTerm >= message.term) return false;
  return message.bootstrapSet === undefined || isAscending(message.bootstrapSet);
}

function isReleaseBelow(release: { readonly term: number } | undefined, term: number): boolean {
  return release === undefined || release.term < term;
}

function isCount(value: number): boolean {
  return Number.isSafeInteger(value) && value >= 0;
}
