import msgpack from 'msgpack-lite';
import { describe, expect, it } from 'vitest';
import { ApplyChecker } from '../../../src/simulation/checkers/apply-checker.ts';
import { Judge } from '../../../src/simulation/checkers/judge.ts';
import { LogChecker, type ObservedEntry } from '../../../src/simulation/checkers/log-checker.ts';
import { type ObservedMessage, observeFrame } from '../../../src/simulation/checkers/observed-message.ts';
import { type ObservedScope, ScopeChecker } from '../../../src/simulation/checkers/scope-checker.ts';
import { VoteChecker } from '../../../src/simulation/checkers/vote-checker.ts';

const broken = (judge: Judge): string[] => judge.violations.map((violation) => violation.invariant);
const judged = (): Judge => new Judge(() => 0);

const message = (fields: Partial<ObservedMessage>): ObservedMessage => ({
  kind: 'round',
  term: 1,
  granted: false,
  index: 0,
  success: false,
  leaseMs: 0,
  round: 0,
  ...fields,
});

const entry = (index: number, term: number, data: number = index): ObservedEntry => ({
  index,
  term,
  stampMs: 0,
  data: Uint8Array.of(data),
});

describe('the vote checker', () => {
  const make = (): { judge: Judge; votes: VoteChecker } => {
    const judge = judged();
    return { judge, votes: new VoteChecker(judge) };
  };
  const vote = (currentTerm: number, votedFor?: string, longestLeaseMs = 0) => ({
    currentTerm,
    votedFor,
    longestLeaseMs,
  });

  it('accepts an election and a re-grant to the same candidate', () => {
    const { judge, votes } = make();
    votes.durable('a#1', vote(1, 'a'));
    votes.sent('a#1', 'a', 'b', message({ kind: 'requestVote' }));
    votes.durable('b#1', vote(1, 'a'));
    votes.sent('b#1', 'b', 'a', message({ kind: 'requestVoteReply', granted: true }));
    votes.sent('b#1', 'b', 'a', message({ kind: 'requestVoteReply', granted: true }));
    votes.sent('a#1', 'a', 'b', message({ kind: 'round' }));
    expect(broken(judge)).toEqual([]);
  });

  it('rejects two leaders in one term (I1)', () => {
    const { judge, votes } = make();
    votes.leaderSeen('a', 3);
    votes.leaderSeen('a', 3);
    expect(broken(judge)).toEqual([]);
    votes.leaderSeen('b', 3);
    expect(broken(judge)).toEqual(['I1']);
  });

  it('rejects a second vote in one term, also after a restart (I2)', () => {
    const { judge, votes } = make();
    votes.durable('c#1', vote(2, 'a'));
    votes.sent('c#1', 'c', 'a', message({ kind: 'requestVoteReply', term: 2, granted: true }));
    votes.durable('c#1', vote(2, 'b'));
    votes.sent('c#1', 'c', 'b', message({ kind: 'requestVoteReply', term: 2, granted: true }));
    expect(broken(judge)).toEqual(['I2', 'I2']);
  });

  it('rejects a vote that is not on the disk when it is sent (I2)', () => {
    const { judge, votes } = make();
    votes.durable('c#1', vote(2));
    votes.sent('c#1', 'c', 'a', message({ kind: 'requestVoteReply', term: 2, granted: true }));
    expect(broken(judge)).toEqual(['I2']);
  });

  it('rejects a message of a term that is not durable, but lets pre-votes look ahead (I3)', () => {
    const { judge, votes } = make();
    votes.durable('a#1', vote(1));
    votes.sent('a#1', 'a', 'b', message({ kind: 'preVote', term: 2 }));
    votes.sent('a#1', 'a', 'b', message({ kind: 'preVoteReply', term: 2, granted: true }));
    expect(broken(judge)).toEqual([]);
    votes.sent('a#1', 'a', 'b', message({ kind: 'appendEntriesReply', term: 2 }));
    expect(broken(judge)).toEqual(['I3']);
  });

  it('rejects a durable term that falls (I3)', () => {
    const { judge, votes } = make();
    votes.durable('a#1', vote(5));
    votes.durable('a#1', vote(4));
    expect(broken(judge)).toEqual(['I3']);
  });

  it('rejects a promise that is not on the disk, and one that is forgotten (I14)', () => {
    const { judge, votes } = make();
    votes.durable('a#1', vote(1, 'a', 800));
    votes.durable('b#1', vote(1, 'a', 0));
    votes.sent('a#1', 'a', 'b', message({ kind: 'round', round: 1, leaseMs: 800 }));
    votes.sent('b#1', 'b', 'a', message({ kind: 'roundReply', round: 1 }));
    expect(broken(judge)).toEqual(['I14']);
    votes.durable('a#1', vote(1, 'a', 700));
    expect(broken(judge)).toEqual(['I14', 'I14']);
  });
});

describe('the log checker', () => {
  const make = (leaders: Record<number, string> = {}): { judge: Judge; log: LogChecker } => {
    const judge = judged();
    return { judge, log: new LogChecker(judge, 3, (term) => leaders[term]) };
  };
  const write = (
    log: LogChecker,
    node: string,
    term: number,
    entries: ObservedEntry[],
    truncateFrom?: number,
  ) => log.durable(node, { term, entries, truncateFrom });

  it('accepts a log that is replicated, committed and repaired', () => {
    const { judge, log } = make({ 1: 'a', 2: 'b' });
    write(log, 'a', 1, [entry(1, 1), entry(2, 1)]);
    write(log, 'b', 1, [entry(1, 1)]);
    log.claimed('a', 1);
    log.leaderSeen('b', 2);
    write(log, 'b', 2, [entry(2, 2)]);
    write(log, 'a', 2, [entry(2, 2)], 2);
    log.claimed('b', 2);
    expect(broken(judge)).toEqual([]);
    expect(log.committedIndex).toBe(2);
  });

  it('rejects equal (index, term) with different bytes, there or before (I4)', () => {
    const { judge, log } = make();
    write(log, 'a', 1, [entry(1, 1, 7), entry(2, 1)]);
    write(log, 'b', 1, [entry(1, 1, 8), entry(2, 1)]);
    expect(broken(judge)).toEqual(['I4', 'I4']);
  });

  it('rejects a gap (I4)', () => {
    const { judge, log } = make();
    write(log, 'a', 1, [entry(1, 1), entry(3, 1)]);
    expect(broken(judge)).toEqual(['I4']);
  });

  it('rejects a leader that truncates its own entries (I5)', () => {
    const { judge, log } = make({ 1: 'a' });
    write(log, 'a', 1, [entry(1, 1), entry(2, 1)]);
    write(log, 'a', 1, [], 2);
    expect(broken(judge)).toEqual(['I5']);
  });

  it('rejects a leader without a committed entry (I6)', () => {
    const { judge, log } = make({ 1: 'a' });
    write(log, 'a', 1, [entry(1, 1)]);
    write(log, 'b', 1, [entry(1, 1)]);
    log.leaderSeen('c', 2);
    expect(broken(judge)).toEqual(['I6']);
  });

  it('rejects an entry that a quorum writes in its own term after a later leader began without it (I6)', () => {
    const { judge, log } = make({ 1: 'a' });
    log.leaderSeen('c', 2);
    write(log, 'a', 1, [entry(1, 1)]);
    write(log, 'b', 1, [entry(1, 1)]);
    expect(broken(judge)).toEqual(['I6']);
  });

  it('does not take an entry of an old term for committed because a quorum holds it (figure 8, pitfall 11)', () => {
    const { judge, log } = make();
    write(log, 'a', 2, [entry(1, 2)]);
    write(log, 'b', 4, [entry(1, 2)]);
    expect(log.committedIndex).toBe(0);
    log.leaderSeen('c', 5);
    expect(broken(judge)).toEqual([]);
  });

  it('rejects a leader that commits by counting an entry of an old term (I8, pitfall 11)', () => {
    const { judge, log } = make();
    write(log, 'a', 1, [entry(1, 1)]);
    write(log, 'a', 2, [entry(2, 2)]);
    log.claimedByLeader('a', 2, 2);
    expect(broken(judge)).toEqual([]);
    log.claimedByLeader('a', 2, 1);
    expect(broken(judge)).toEqual(['I8']);
  });

  it('rejects a commit index that no quorum holds durably (I8)', () => {
    const { judge, log } = make();
    write(log, 'a', 1, [entry(1, 1)]);
    log.claimed('a', 1);
    expect(broken(judge)).toEqual(['I8']);
  });

  it('rejects an acknowledgement of what is not on the disk (I8, pitfall 1)', () => {
    const { judge, log } = make();
    write(log, 'b', 1, [entry(1, 1)]);
    log.acknowledged('b', 1);
    expect(broken(judge)).toEqual([]);
    log.acknowledged('b', 2);
    expect(broken(judge)).toEqual(['I8']);
  });

  it('rejects a truncation of what is committed (I8, pitfall 18)', () => {
    const { judge, log } = make();
    write(log, 'a', 1, [entry(1, 1)]);
    write(log, 'b', 1, [entry(1, 1)]);
    write(log, 'b', 2, [], 1);
    expect(broken(judge)).toEqual(['I8']);
  });
});

describe('the apply checker', () => {
  const make = (): { judge: Judge; apply: ApplyChecker } => {
    const judge = judged();
    return { judge, apply: new ApplyChecker(judge) };
  };

  it('accepts a restart that applies everything again', () => {
    const { judge, apply } = make();
    apply.applied('a/1', entry(1, 1), 'x');
    apply.committed('a/1', 1);
    apply.applied('a/2', entry(1, 1), 'x');
    apply.committed('a/2', 1);
    expect(broken(judge)).toEqual([]);
  });

  it('rejects another entry or another state at the same index (I7)', () => {
    const { judge, apply } = make();
    apply.applied('a/1', entry(1, 1), 'x');
    apply.applied('b/1', entry(1, 2), 'x');
    apply.applied('c/1', entry(1, 1), 'y');
    expect(broken(judge)).toEqual(['I7', 'I7']);
  });

  it('rejects a gap, a commit index that falls, and applying beyond it (I9)', () => {
    const { judge, apply } = make();
    apply.applied('a/1', entry(1, 1), undefined);
    apply.applied('a/1', entry(3, 1), undefined);
    apply.committed('a/1', 2);
    apply.committed('b/1', 5);
    apply.committed('b/1', 4);
    expect(broken(judge)).toEqual(['I9', 'I9', 'I9']);
  });
});

describe('the scope checker', () => {
  const scope = (
    node: string,
    fencingToken: number,
    state: { held: boolean; asserts?: boolean },
  ): ObservedScope => ({
    node,
    fencingToken,
    isHeld: () => state.held,
    assertsHeld: () => state.asserts ?? state.held,
  });

  it('rejects two scopes at one moment, accepts one after the other (I14)', () => {
    const judge = judged();
    const checker = new ScopeChecker(judge);
    const first = { held: true };
    checker.opened(scope('a', 1, first));
    checker.check();
    const second = { held: false };
    checker.opened(scope('b', 2, second));
    first.held = false;
    second.held = true;
    checker.check();
    expect(broken(judge)).toEqual([]);
    first.held = true;
    checker.check();
    expect(broken(judge)).toEqual(['I14']);
  });

  it('forgets a scope that was left', () => {
    const judge = judged();
    const checker = new ScopeChecker(judge);
    const first = scope('a', 1, { held: true });
    checker.opened(first);
    checker.left(first);
    checker.opened(scope('b', 2, { held: true }));
    checker.check();
    expect(broken(judge)).toEqual([]);
  });

  it('rejects a token that does not grow (I12) and answers that disagree (I15)', () => {
    const judge = judged();
    const checker = new ScopeChecker(judge);
    checker.opened(scope('a', 5, { held: true, asserts: false }));
    checker.opened(scope('b', 5, { held: false }));
    checker.check();
    expect(broken(judge)).toEqual(['I12', 'I15']);
  });
});

describe('reading frames', () => {
  it('finds the messages of a frame with its own eyes', () => {
    const frame = msgpack.encode([
      1,
      1,
      ['main', [4, 7, 1, 0, 0, 5]],
      Buffer.from([1]),
      ['main', [7, 7, 3, 800, 2]],
    ]);
    expect(observeFrame(frame)).toEqual([
      message({ kind: 'requestVoteReply', term: 7, granted: true, index: 1 }),
      message({ kind: 'round', term: 7, index: 3, round: 3, leaseMs: 800 }),
    ]);
    expect(observeFrame(msgpack.encode('no tuple'))).toEqual([]);
  });
});
