import { describe, expect, it } from 'vitest';
import { a, b, c, d, e, entry, logOf, Probe } from '../raft/probe.ts';

const five = [a, b, c, d, e];

describe('the Raft paper', () => {
  it('§5.1 a server that meets a larger term takes it and is a follower', () => {
    const node = new Probe().reign();
    node.receive(b, {
      type: 'appendEntriesReply',
      term: 9,
      index: 0,
      success: false,
      conflictTerm: 0,
      conflictIndex: 0,
    });
    expect(node.view).toMatchObject({ role: 'follower', term: 9, leaderId: undefined });
  });

  it('§5.1 a server refuses a request with a stale term and says its own', () => {
    const node = new Probe({ hardState: { currentTerm: 5 } });
    node.append(b, 4, [0, 0], []);
    expect(node.take('appendEntriesReply')).toMatchObject([{ to: b, message: { term: 5, success: false } }]);
    node.requestVote(b, 4);
    expect(node.take('requestVoteReply')).toMatchObject([{ message: { term: 5, refused: 'term' } }]);
  });

  it('§5.2 a server votes for one candidate a term, first come, first served', () => {
    const node = new Probe();
    node.wait(3_000);
    node.requestVote(b, 2);
    node.requestVote(c, 2);
    node.sync();
    expect(node.take('requestVoteReply').map(({ to, message }) => [to, message.refused])).toEqual([
      [b, undefined],
      [c, 'voted'],
    ]);
  });

  it('§5.2 a candidate with votes from a majority leads, and not with fewer', () => {
    const node = new Probe({ members: five });
    node.becomeCandidate();
    node.grantVote(b);
    expect(node.view.role).toBe('candidate');
    node.grantVote(d);
    expect(node.view).toMatchObject({ role: 'leader', term: 2, leaderId: a });
  });

  it('§5.2 a new leader says so to all at once', () => {
    const node = new Probe().becomeLeader();
    expect(new Set(node.take('appendEntries').map(({ to }) => to))).toEqual(new Set([b, c]));
  });

  it('§5.2 a candidate that hears a leader of its term follows it', () => {
    const node = new Probe();
    node.becomeCandidate();
    node.append(c, 2, [2, 1], [entry(3, 2, 'noop')]);
    expect(node.view).toMatchObject({ role: 'follower', term: 2, leaderId: c });
  });

  it('§5.2 a candidate that hears a leader of an older term goes on', () => {
    const node = new Probe();
    node.becomeCandidate();
    node.append(c, 1, [2, 1], []);
    expect(node.view).toMatchObject({ role: 'candidate', term: 2 });
  });

  it('§5.2 election timeouts are drawn at random', () => {
    const early = new Probe({ random: () => 0 });
    const late = new Probe({ random: () => 0.99 });
    expect(early.output.deadlineMs - early.nowMs).toBe(1_000);
    expect(late.output.deadlineMs - late.nowMs).toBe(1_990);
  });

  it('§5.3 a follower refuses entries whose predecessor it lacks', () => {
    const node = new Probe();
    node.append(b, 1, [5, 1], [entry(6, 1)]);
    expect(node.view.lastLogIndex).toBe(2);
    expect(node.take('appendEntriesReply')).toMatchObject([
      { message: { success: false, index: 5, conflictIndex: 3 } },
    ]);
  });

  it('§5.3 a follower cuts a conflicting entry and all that follow it', () => {
    const node = new Probe({ entries: logOf([a, b, c], 1, 1, 2, 2) });
    const output = node.append(b, 3, [3, 1], [entry(4, 3)]);
    expect(output.persist).toMatchObject({ truncateFrom: 4, entries: [{ index: 4, term: 3 }] });
    expect(node.view).toMatchObject({ lastLogIndex: 4, lastLogTerm: 3 });
  });

  it('§5.3 a leader brings a follower that is behind to its own log', () => {
    const node = new Probe({ entries: logOf([a, b, c], 1, 1, 1) }).becomeLeader();
    node.take('appendEntries');
    node.refuse(b, 4, 0, 2);
    const [probe] = node.take('appendEntries');
    expect(probe!.message).toMatchObject({ prevLogIndex: 1, prevLogTerm: 1 });
    expect(probe!.message.entries.map(({ index }) => index)).toEqual([2, 3, 4, 5]);
  });

  it('§5.3 an entry is committed once a majority holds it, and with it all before it', () => {
    const node = new Probe().becomeLeader();
    node.step({ type: 'propose', proposals: [{ token: 1, data: new Uint8Array(3) }] });
    node.sync();
    const output = node.ack(c, 4);
    expect(output.committed.map(({ index }) => index)).toEqual([1, 2, 3, 4]);
  });

  it('§5.4.1 a voter refuses a candidate whose log is less up to date than its own', () => {
    const node = new Probe({ entries: logOf([a, b, c], 1, 3, 3), hardState: { currentTerm: 5 } });
    node.wait(3_000);
    node.requestVote(b, 6, { lastLogTerm: 2, lastLogIndex: 9 });
    node.sync();
    node.requestVote(b, 6, { lastLogTerm: 3, lastLogIndex: 3 });
    expect(node.take('requestVoteReply').map(({ message }) => message.refused)).toEqual(['log', 'log']);
    node.requestVote(b, 6, { lastLogTerm: 3, lastLogIndex: 4 });
    node.sync();
    expect(node.take('requestVoteReply').map(({ message }) => message.refused)).toEqual([undefined]);
  });

  it('§5.4.2 a leader commits no entry of an earlier term by counting replicas (Figure 8)', () => {
    const node = new Probe({ entries: logOf([a, b, c], 2, 2), hardState: { currentTerm: 3 } }).becomeLeader();
    expect(node.ack(b, 3).committed).toEqual([]);
    expect(node.ack(b, 4).committed.map(({ index }) => index)).toEqual([1, 2, 3, 4]);
  });

  it('§5.5 a repeated append changes nothing', () => {
    const node = new Probe();
    node.append(b, 1, [2, 1], [entry(3, 1), entry(4, 1)]);
    node.sync();
    const again = node.append(b, 1, [2, 1], [entry(3, 1)]);
    expect(again.persist).toBeUndefined();
    expect(node.view.lastLogIndex).toBe(4);
  });

  it('§8 a new leader appends a no-op and answers no read before it is committed', () => {
    const node = new Probe().becomeLeader();
    expect(node.outputs.flatMap(({ persist }) => persist?.entries ?? [])).toMatchObject([
      { kind: 'noop', term: 2 },
    ]);
    node.step({ type: 'read', token: 7 });
    expect(node.answer(b, 1).reads).toEqual([]);
  });
});

describe('the thesis', () => {
  it('§3.8 the term and vote are durable before a vote leaves', () => {
    const node = new Probe();
    node.wait(3_000);
    const output = node.requestVote(b, 2);
    expect(output.messages).toEqual([]);
    expect(output.persist?.hardState).toMatchObject({ currentTerm: 2, votedFor: b });
    expect(node.sync().messages).toMatchObject([
      { to: b, message: { type: 'requestVoteReply', refused: undefined } },
    ]);
  });

  it('§3.10 the target of a transfer campaigns at once, and voters do not hold on to the old leader', () => {
    const target = new Probe();
    target.round(b, 1, 1, 0);
    target.receive(b, { type: 'timeoutNow', term: 1, index: 2, transferId: 1, release: undefined });
    expect(target.view).toMatchObject({ role: 'candidate', term: 2 });
    const voter = new Probe();
    voter.round(b, 1, 1, 0);
    voter.requestVote(c, 2, { transferId: 1 });
    voter.sync();
    expect(voter.take('requestVoteReply')).toMatchObject([{ message: { refused: undefined } }]);
  });

  it('§4.2.3 a server that hears its leader ignores vote requests, and their term', () => {
    const node = new Probe();
    node.round(b, 1, 1);
    node.wait(900);
    node.requestVote(c, 7);
    node.sync();
    expect(node.take('requestVoteReply')).toMatchObject([{ message: { refused: 'sticky', term: 1 } }]);
    expect(node.view).toMatchObject({ term: 1, leaderId: b });
  });

  it('§6.4 a read is answered with the commit index once a quorum answered a round sent after it', () => {
    const node = new Probe().reign();
    node.step({ type: 'read', token: 7 });
    expect(node.take('round').map(({ message }) => message.round)).toEqual([2, 2]);
    expect(node.answer(b, 1).reads).toEqual([]);
    expect(node.answer(b, 2).reads).toEqual([{ token: 7, index: 3 }]);
  });

  it('§9.6 a campaign begins with a pre-vote that raises no term', () => {
    const node = new Probe();
    node.startCampaign();
    expect(node.view).toMatchObject({ role: 'preCandidate', term: 1 });
    expect(node.take('preVote').map(({ to, message }) => [to, message.term])).toEqual([
      [b, 2],
      [c, 2],
    ]);
  });

  it('§10.2.1 a leader sends entries before they are durable on its own disk, and commits them with others', () => {
    const node = new Probe({ members: five }).reign();
    const output = node.step({ type: 'propose', proposals: [{ token: 1, data: new Uint8Array(3) }] });
    expect(output.messages.map(({ message }) => message.type)).toEqual(Array(4).fill('appendEntries'));
    node.ack(b, 4);
    node.ack(c, 4);
    expect(node.view.commitIndex).toBe(3);
    node.ack(d, 4);
    expect(node.view.commitIndex).toBe(4);
  });
});
