import { describe, expect, it } from 'vitest';
import { bootId } from '../../src/base/ids.ts';
import { a, b, c, d, e, entry, incarnation, logOf, Probe, setOf, stranger } from './probe.ts';

const five = [a, b, c, d, e];

describe('votes', () => {
  it('neither vote, nor self-vote, nor acknowledgement counts before it is durable (pitfall 1)', () => {
    const node = new Probe();
    node.startCampaign();
    node.take('preVote');
    node.startCampaign();
    const asked = node.grantPreVote(b);
    expect(asked.persist?.hardState).toMatchObject({ currentTerm: 2, votedFor: a });
    expect(asked.messages).toEqual([]);
    expect(node.sync().messages.map(({ message }) => message.type)).toEqual(['requestVote', 'requestVote']);
    const follower = new Probe();
    expect(follower.append(b, 1, [2, 1], [entry(3, 1)]).messages).toEqual([]);
    expect(follower.sync().messages).toMatchObject([{ message: { type: 'appendEntriesReply', index: 3 } }]);
  });

  it('a write that fails ends the node: no vote, no message, and it says why (pitfall 2)', () => {
    const node = new Probe();
    node.wait(3_000);
    node.requestVote(b, 2);
    const output = node.step({ type: 'persistFailed', why: 'EIO' });
    expect(output).toMatchObject({ messages: [], persist: undefined, deadlineMs: Number.POSITIVE_INFINITY });
    expect(output.view.failed).toBe('EIO');
    expect(node.requestVote(c, 3)).toMatchObject({ messages: [], persist: undefined });
    expect(node.step({ type: 'read', token: 1 }).reads).toEqual([{ token: 1, refused: 'notLeader' }]);
  });

  it('stepping down within a term keeps the vote (pitfall 5)', () => {
    const node = new Probe().reign();
    node.pass(1_100);
    expect(node.view).toMatchObject({ role: 'follower', term: 2 });
    node.wait(5_000);
    node.requestVote(b, 2);
    expect(node.take('requestVoteReply')).toMatchObject([{ message: { refused: 'voted' } }]);
  });

  it('a vote for another request, term or phase is not counted (pitfall 6)', () => {
    const node = new Probe();
    node.becomeCandidate();
    const reply = { type: 'requestVoteReply', refused: undefined, promiseMs: 0, wallMs: 0 } as const;
    node.receive(b, { type: 'preVoteReply', term: 2, requestId: 2, refused: undefined });
    node.receive(b, { ...reply, term: 2, requestId: 1 });
    node.receive(b, { ...reply, term: 1, requestId: 2 });
    expect(node.view.role).toBe('candidate');
    node.receive(b, { ...reply, term: 2, requestId: 2 });
    expect(node.view.role).toBe('leader');
  });

  it('a vote that arrives twice counts once (pitfall 7)', () => {
    const node = new Probe({ members: five });
    node.becomeCandidate();
    node.grantVote(b);
    node.grantVote(b);
    node.grantVote(stranger);
    expect(node.view.role).toBe('candidate');
  });

  it('a repeated vote request of the same candidate is granted again, and names the request it answers (pitfall 8)', () => {
    const node = new Probe();
    node.wait(3_000);
    node.requestVote(b, 2);
    node.sync();
    node.take('requestVoteReply');
    node.requestVote(b, 2, { requestId: 5 });
    expect(node.take('requestVoteReply')).toMatchObject([{ message: { refused: undefined, requestId: 5 } }]);
  });

  it('a stranger is ignored, whatever term it names (pitfalls 9, 38)', () => {
    const node = new Probe();
    node.wait(3_000);
    expect(node.requestVote(stranger, 50)).toMatchObject({ rejected: 1, messages: [], persist: undefined });
    expect(node.view.term).toBe(1);
  });

  it('a wiped disk under the id of a member is ignored (pitfall 37)', () => {
    const node = new Probe();
    node.wait(3_000);
    const peer = {
      id: b,
      incarnation: incarnation(c),
      bootId: 'b2' as never,
      pristine: true,
      knowsLeader: false,
    };
    node.step({ type: 'peerUp', peer });
    expect(node.requestVote(b, 9)).toMatchObject({ rejected: 1, persist: undefined });
  });

  it.each([
    { lastLogTerm: 2, lastLogIndex: 99, refused: 'log' },
    { lastLogTerm: 3, lastLogIndex: 3, refused: 'log' },
    { lastLogTerm: 3, lastLogIndex: 4, refused: undefined },
    { lastLogTerm: 4, lastLogIndex: 1, refused: undefined },
  ])(
    'logs compare by last term, then by length: ($lastLogTerm, $lastLogIndex) against (3, 4) (pitfall 10)',
    (row) => {
      const node = new Probe({ entries: logOf([a, b, c], 1, 3, 3) });
      node.wait(3_000);
      node.requestVote(b, 9, row);
      node.sync();
      expect(node.take('requestVoteReply')).toMatchObject([{ message: { refused: row.refused } }]);
    },
  );

  it('what waited for the disk in an old term dies with it (pitfall 16)', () => {
    const node = new Probe();
    node.append(b, 1, [2, 1], [entry(3, 1)]);
    node.append(c, 4, [2, 1], [entry(3, 4)]);
    const replies = node.sync().messages;
    expect(replies.every(({ to, message }) => to === c && message.term === 4)).toBe(true);
  });
});

describe('pre-vote', () => {
  it('a node that is cut off raises no term, however long it tries (pitfall 40)', () => {
    const node = new Probe();
    node.pass(60_000);
    expect(node.view).toMatchObject({ role: 'preCandidate', term: 1 });
  });

  it('a grant carries the term that was asked for (pitfall 41)', () => {
    const node = new Probe();
    node.wait(3_000);
    node.preVote(b, 7);
    expect(node.take('preVoteReply')).toMatchObject([{ message: { term: 7, refused: undefined } }]);
  });

  it('a refusal carries the own term, and the asker adopts it and asks again (pitfall 42)', () => {
    const voter = new Probe({ hardState: { currentTerm: 6 } });
    voter.wait(3_000);
    voter.preVote(b, 3);
    expect(voter.take('preVoteReply')).toMatchObject([{ message: { term: 6, refused: 'term' } }]);
    const asker = new Probe();
    asker.startCampaign();
    asker.receive(b, { type: 'preVoteReply', term: 6, requestId: 1, refused: 'term' });
    asker.sync();
    expect(asker.view).toMatchObject({ role: 'preCandidate', term: 6 });
    expect(asker.take('preVote').at(-1)).toMatchObject({ message: { term: 7 } });
  });

  it('a pre-candidate gave its leader up and refuses nobody in its name (pitfall 44)', () => {
    const node = new Probe();
    node.hear(b, 1, 1);
    node.step({ type: 'peerGone', peer: b });
    node.pass(0);
    expect(node.view).toMatchObject({ role: 'preCandidate', leaderId: undefined });
    node.preVote(c, 2);
    expect(node.take('preVoteReply')).toMatchObject([{ message: { refused: undefined } }]);
  });

  it('a deposed leader learns of a newer term from the answer to its round (pitfall 45)', () => {
    const node = new Probe({ hardState: { currentTerm: 8 } });
    node.round(b, 3, 5);
    expect(node.take('roundReply')).toMatchObject([{ to: b, message: { term: 8 } }]);
  });

  it('the round of an older term is not echoed: its number belongs to another counter (pitfall 63)', () => {
    const node = new Probe({ hardState: { currentTerm: 8 } });
    node.round(b, 3, 5);
    expect(node.take('roundReply')).toMatchObject([{ message: { round: 0 } }]);
  });

  it('a lost candidate draws a new timeout each time (pitfall 52)', () => {
    const draws = [0.1, 0.9, 0.5, 0.3];
    const node = new Probe({ random: () => draws.shift() ?? 0 });
    node.startCampaign();
    const first = node.nowMs;
    while (node.take('preVote').every(({ message }) => message.requestId === 1)) node.startCampaign();
    expect(node.nowMs - first).not.toBe(1_100);
  });

  it('one voter alone is elected at once, again after a restart, and commits what it had (pitfalls 55, 64)', () => {
    const node = new Probe({ members: [a], entries: logOf([a], 1, 1) });
    node.sync();
    expect(node.view).toMatchObject({ role: 'leader', commitIndex: 0 });
    node.step({ type: 'read', token: 1 });
    expect(node.output.reads).toEqual([]);
    node.sync();
    expect(node.view.commitIndex).toBe(4);
    expect(node.outputs.flatMap(({ reads }) => reads)).toEqual([{ token: 1, index: 4 }]);
  });
});

describe('stickiness and the early election', () => {
  it('a gone leader is replaced by rank: the first of the others at once, the second ten milliseconds later', () => {
    for (const [id, delayMs] of [
      [b, 0],
      [c, 10],
    ] as const) {
      const node = new Probe({ id });
      node.hear(a, 1, 1);
      node.step({ type: 'peerGone', peer: a });
      expect(node.output.deadlineMs - node.nowMs).toBe(delayMs);
    }
  });

  it('the ranks are turned by the offset of the group: another is the first, and everyone has a rank of its own', () => {
    const ranks = (rankOffset: number) =>
      [b, c].map((id) => {
        const node = new Probe({ id, rankOffset });
        node.hear(a, 1, 1);
        node.step({ type: 'peerGone', peer: a });
        return (node.output.deadlineMs - node.nowMs) / 10;
      });
    expect([0, 1, 2, 3].map(ranks)).toEqual([
      [0, 1],
      [1, 0],
      [0, 1],
      [1, 0],
    ]);
    const first = [0, 1, 2, 3].map((rankOffset) =>
      [a, b, c].filter((id) => {
        const node = new Probe({ pristine: true, id, rankOffset });
        for (const other of [a, b, c]) if (other !== id) node.link(other, { pristine: true });
        return node.output.deadlineMs === node.nowMs;
      }),
    );
    expect(first).toEqual([[a], [b], [c], [a]]);
  });

  it('one that another still hears is not replaced: the pre-vote is refused as sticky and asked again every 10 ms for one election timeout', () => {
    const node = new Probe();
    node.hear(b, 1, 1);
    node.step({ type: 'peerGone', peer: b });
    node.pass(0);
    const { requestId } = node.take('preVote')[0]!.message;
    const times: number[] = [];
    for (let ms = 0; ms < 1_400; ms += 1) {
      node.receive(c, { type: 'preVoteReply', term: 1, requestId, refused: 'sticky' });
      node.pass(1);
      if (node.take('preVote').length > 0) times.push(ms);
    }
    const within = times.filter((ms) => ms < 1_000);
    expect(within.length).toBeGreaterThan(90);
    expect(times.length - within.length).toBeLessThan(8);
    expect(node.view.term).toBe(1);
  });

  it('a self-vote that came too late for its election stops no later pre-vote from being repeated', () => {
    const node = new Probe();
    node.startCampaign();
    node.grantPreVote(b);
    expect(node.view).toMatchObject({ role: 'candidate', term: 2 });
    node.round(c, 2, 1);
    node.sync();
    node.sent = [];
    node.step({ type: 'peerGone', peer: c });
    node.pass(10);
    const { requestId } = node.take('preVote')[0]!.message;
    node.receive(b, { type: 'preVoteReply', term: 2, requestId, refused: 'sticky' });
    node.pass(10);
    expect(node.take('preVote').map(({ to }) => to)).toContain(b);
  });

  it('a voter grants when its own view says gone too', () => {
    const node = new Probe();
    node.hear(b, 1, 1);
    node.preVote(c, 2);
    node.step({ type: 'peerGone', peer: b });
    node.preVote(c, 2);
    expect(node.take('preVoteReply').map(({ message }) => message.refused)).toEqual(['sticky', undefined]);
  });

  it('a leader that is heard again is no longer gone', () => {
    const node = new Probe();
    node.hear(b, 1, 1);
    node.step({ type: 'peerGone', peer: b });
    node.round(b, 1, 2);
    expect(node.output.deadlineMs - node.nowMs).toBeGreaterThanOrEqual(1_000);
    node.preVote(c, 2);
    expect(node.take('preVoteReply')).toMatchObject([{ message: { refused: 'sticky' } }]);
  });

  it('a leader whose link comes back with another boot id is gone', () => {
    const node = new Probe();
    node.link(b, { boot: 'b1' });
    node.hear(b, 1, 1);
    node.step({ type: 'peerClosed', peer: b });
    node.link(b, { boot: 'b2' });
    expect(node.output.deadlineMs).toBe(node.nowMs);
  });

  it('a voter with the longer log refuses and campaigns at once', () => {
    const node = new Probe({ entries: logOf([a, b, c], 1, 1) });
    node.hear(b, 1, 1);
    node.step({ type: 'peerGone', peer: b });
    node.preVote(c, 2, [2, 1]);
    expect(node.view.role).toBe('preCandidate');
    expect(node.sent.map(({ message }) => message.type)).toContain('preVote');
  });

  it('a restarted voter is sticky for one election timeout', () => {
    const node = new Probe();
    node.preVote(b, 2);
    node.wait(1_001);
    node.preVote(b, 2);
    expect(node.take('preVoteReply').map(({ message }) => message.refused)).toEqual(['sticky', undefined]);
  });

  it('unless all voters are connected and none knows a leader', () => {
    const node = new Probe();
    node.link(b);
    node.preVote(b, 2);
    node.link(c, { leaderId: b });
    node.preVote(b, 2);
    node.link(c);
    node.step({ type: 'peerClosed', peer: c });
    node.preVote(b, 2);
    node.link(c);
    node.preVote(b, 2);
    expect(node.take('preVoteReply').map(({ message }) => message.refused)).toEqual([
      'sticky',
      'sticky',
      'sticky',
      undefined,
    ]);
  });

  it('what waits for a disk that hangs is bounded: the newest is kept', () => {
    const node = new Probe();
    for (let round = 1; round <= 5_000; round += 1) node.round(b, 1, round);
    const replies = node.sync().messages;
    expect(replies.length).toBeLessThanOrEqual(1_024);
    expect(replies.at(-1)!.message).toMatchObject({ type: 'roundReply', round: 5_000 });
  });

  it('a node whose disk makes no progress does not campaign, and does when it goes on (pitfall 50)', () => {
    const node = new Probe();
    node.append(b, 1, [2, 1], [entry(3, 1)]);
    node.pass(5_000);
    expect(node.view).toMatchObject({ role: 'follower', term: 1 });
    expect(node.take('preVote')).toEqual([]);
    node.sync();
    node.pass(2_000);
    expect(node.view.role).toBe('preCandidate');
  });

  it('a stall of its own is no reason to campaign (pitfalls 51, 82)', () => {
    const node = new Probe();
    node.hear(b, 1, 1);
    node.wait(5_000);
    node.step({ type: 'stalled', forMs: 5_000 });
    node.step({ type: 'deadline' });
    expect(node.view).toMatchObject({ role: 'follower', leaderId: b });
    node.preVote(c, 2);
    expect(node.take('preVoteReply')).toMatchObject([{ message: { refused: 'sticky' } }]);
  });

  it('hints of others that they see a leader hold nobody back for longer than an election timeout (pitfall 54)', () => {
    const node = new Probe();
    node.link(b, { leaderId: c });
    node.link(c, { leaderId: c });
    node.pass(2_000);
    expect(node.view.role).toBe('preCandidate');
  });
});

describe('bootstrap', () => {
  const fresh = { pristine: true } as const;

  it('a pristine node campaigns only when all configured peers are connected and pristine', () => {
    const node = new Probe(fresh);
    node.link(b, fresh);
    node.pass(30_000);
    expect(node.sent).toEqual([]);
    node.link(c, { pristine: false });
    node.pass(30_000);
    expect(node.sent).toEqual([]);
    node.link(c, fresh);
    node.pass(0);
    expect(node.take('preVote').map(({ message }) => message.bootstrapSet)).toEqual([
      setOf([a, b, c]),
      setOf([a, b, c]),
    ]);
  });

  it('the set is durable before the vote request, and the first leader writes it as entry 1 before its no-op', () => {
    const node = new Probe(fresh);
    node.link(b, fresh);
    node.link(c, fresh);
    node.pass(0);
    node.grantPreVote(b);
    const asked = node.grantPreVote(c);
    expect(asked.messages).toEqual([]);
    expect(asked.persist?.hardState?.bootstrapSet).toEqual(setOf([a, b, c]));
    node.sync();
    const won = node.grantVote(c);
    expect(won.persist?.entries.map(({ index, kind }) => [index, kind])).toEqual([
      [1, 'bootstrap'],
      [2, 'noop'],
    ]);
    expect(node.view.membership.voters).toEqual(setOf([a, b, c]));
    expect(node.view.clusterId).toBeUndefined();
    node.sync();
    node.ack(c, 2);
    expect(node.view.clusterId).toBe('ab'.repeat(16));
  });

  it('only all members together found the cluster: what a hello said may be long past', () => {
    const node = new Probe(fresh);
    node.link(b, fresh);
    node.link(c, fresh);
    node.pass(0);
    node.grantPreVote(b);
    expect(node.view).toMatchObject({ role: 'preCandidate', term: 0 });
    node.pass(30_000);
    expect(node.sent.filter(({ message }) => message.type === 'requestVote')).toEqual([]);
    node.grantPreVote(b);
    node.grantPreVote(c);
    expect(node.view).toMatchObject({ role: 'candidate', term: 1 });
  });

  it('what a member granted for one set founds no other', () => {
    const node = new Probe(fresh);
    node.link(b, fresh);
    node.link(c, fresh);
    node.pass(0);
    node.grantPreVote(b);
    node.step({ type: 'peerClosed', peer: c });
    const wiped = { id: c, incarnation: incarnation(e), bootId: bootId('c2') };
    node.step({ type: 'peerUp', peer: { ...wiped, pristine: true, knowsLeader: false } });
    node.sent = [];
    node.pass(100);
    expect(node.take('preVote')).toMatchObject([{ to: c, message: { bootstrapSet: setOf([a, b, c]) } }]);
    node.pass(3_000);
    const set = [...setOf([a, b]), { id: c, incarnation: incarnation(e) }];
    expect(node.sent.at(-1)!.message).toMatchObject({ type: 'preVote', bootstrapSet: set });
    node.grantPreVote(c);
    expect(node.view).toMatchObject({ role: 'preCandidate', term: 0 });
    node.grantPreVote(b);
    expect(node.view).toMatchObject({ role: 'candidate', term: 1 });
  });

  it('a cluster that lost one disk is not founded again by a member that was cut off (I1, I6)', () => {
    const left = new Probe({ ...fresh, id: b });
    const cutOff = new Probe({ ...fresh, id: c });
    cutOff.link(b, fresh);
    // a led term 1 with the vote of b, and its entry 1 is committed; then its disk was wiped.
    left.append(a, 1, [0, 0], logOf([a, b, c], 1), 2);
    left.sync();
    const wiped = { id: a, incarnation: incarnation(e), bootId: bootId('a2') };
    cutOff.step({ type: 'peerUp', peer: { ...wiped, pristine: true, knowsLeader: false } });
    cutOff.pass(100);
    cutOff.grantPreVote(a);
    for (const { to, message } of cutOff.take('preVote')) if (to === b) left.receive(c, message);
    for (const { message } of left.take('preVoteReply')) cutOff.receive(b, message);
    cutOff.pass(30_000);
    cutOff.sync();
    expect(cutOff.take('requestVote')).toEqual([]);
    expect(cutOff.view.term).toBe(1);
  });

  it('a voter without entry 1 votes for a set that names its disk, and for no second set', () => {
    const node = new Probe(fresh);
    const wrong = [...setOf([b, c]), { id: a, incarnation: incarnation(e) }];
    const right = setOf([a, b, c]);
    const other = [right[0]!, { id: b, incarnation: incarnation(e) }, right[2]!];
    const log = { lastLogIndex: 0, lastLogTerm: 0 };
    expect(node.requestVote(b, 1, { ...log, bootstrapSet: undefined }).persist).toBeUndefined();
    expect(
      node.requestVote(b, 1, { ...log, bootstrapSet: wrong.sort((x, y) => (x.id < y.id ? -1 : 1)) }).persist,
    ).toBeUndefined();
    const granted = node.requestVote(b, 1, { ...log, bootstrapSet: right });
    expect(granted.persist?.hardState).toMatchObject({ votedFor: b, bootstrapSet: right });
    expect(node.requestVote(c, 2, { ...log, bootstrapSet: other }).persist).toBeUndefined();
    node.sync();
    expect(node.take('requestVoteReply').map(({ message }) => message.refused)).toEqual([
      'set',
      'set',
      undefined,
      'set',
    ]);
  });

  it('a candidate that has entry 1 shows its set, for voters that have not', () => {
    const node = new Probe();
    node.startCampaign();
    expect(node.take('preVote')[0]!.message.bootstrapSet).toEqual(setOf([a, b, c]));
  });

  it('a wiped node that a member does not admit says so, and never campaigns', () => {
    const node = new Probe(fresh);
    node.step({ type: 'notAdmitted' });
    expect(node.view.awaitingAdmission).toBe(true);
    node.link(b, fresh);
    node.link(c, fresh);
    node.pass(30_000);
    expect(node.sent).toEqual([]);
  });

  it('entry 1 that names another disk under this id is not taken', () => {
    const node = new Probe({ ...fresh, incarnation: incarnation(e) });
    const output = node.append(b, 1, [0, 0], logOf([a, b, c]));
    expect(output).toMatchObject({ rejected: 1, persist: undefined });
  });

  it('one configured peer founds a cluster of its own at once', () => {
    const node = new Probe({ ...fresh, members: [a] });
    node.sync();
    node.sync();
    expect(node.view).toMatchObject({ role: 'leader', commitIndex: 2, clusterId: 'ab'.repeat(16) });
  });

  it('an uncommitted entry 1 rolls back with the membership it brought (pitfall 34)', () => {
    const node = new Probe({ entries: logOf([a, b, c]), hardState: { bootstrapSet: setOf([a, b, c]) } });
    const other = { ...logOf([a, b, c])[0]!, term: 2 };
    const output = node.append(b, 2, [0, 0], [other]);
    expect(output.persist).toMatchObject({ truncateFrom: 1 });
    expect(node.view.membership.voters).toEqual(setOf([a, b, c]));
  });
});
