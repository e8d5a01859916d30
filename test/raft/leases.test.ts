import { describe, expect, it } from 'vitest';
import { a, b, c, d, e, entry, logOf, Probe, promiseMs } from './probe.ts';

const five = [a, b, c, d, e];
const never = Number.NEGATIVE_INFINITY;
const data = [{ token: 1, data: new Uint8Array(3) }];

describe('promises', () => {
  const promised = (node: Probe): number => {
    node.requestVote(c, 9, { transferId: 1 });
    node.sync();
    return node.take('requestVoteReply')[0]!.message.promiseMs;
  };

  it('answering a round binds for the lease as a wrong clock may see it, and a margin; a vote carries what is left', () => {
    const node = new Probe();
    node.hear(b, 1, 1);
    node.wait(300);
    expect(promised(node)).toBeCloseTo(promiseMs - 300, 6);
  });

  it('the first lease that is longer than any before is durable before its round is answered; later ones wait for nothing', () => {
    const node = new Probe();
    const first = node.round(b, 1, 1, 800);
    expect(first.messages).toEqual([]);
    expect(first.persist?.hardState?.longestLeaseMs).toBe(800);
    expect(node.sync().messages).toHaveLength(1);
    const second = node.round(b, 1, 2, 800);
    expect(second.persist).toBeUndefined();
    expect(second.messages).toMatchObject([{ message: { type: 'roundReply', round: 2 } }]);
  });

  it('a round that a later one overtook binds nobody and is not answered', () => {
    const node = new Probe();
    node.hear(b, 1, 2);
    node.wait(100);
    expect(node.round(b, 1, 1).messages).toEqual([]);
    node.receive(b, { type: 'release', term: 1, round: 2 });
    node.requestVote(c, 2, { transferId: 1 });
    node.sync();
    expect(node.take('requestVoteReply')).toMatchObject([{ message: { refused: undefined, promiseMs: 0 } }]);
  });

  it('a round is answered while entries are still on their way to the disk (pitfall 50)', () => {
    const node = new Probe();
    node.hear(b, 1, 1);
    node.append(b, 1, [2, 1], [entry(3, 1)]);
    expect(node.round(b, 1, 2).messages).toMatchObject([
      { message: { type: 'roundReply', lastLogIndex: 3 } },
    ]);
  });

  it('a restarted voter promises the longest lease it ever promised, from its start', () => {
    const node = new Probe({ hardState: { longestLeaseMs: 800 } });
    node.wait(100);
    expect(promised(node)).toBeCloseTo(promiseMs - 100, 6);
    expect(promised(new Probe())).toBe(0);
  });

  it('a release forgets the promises up to its term and round, and no later ones', () => {
    const node = new Probe();
    node.hear(b, 1, 1);
    node.wait(50);
    node.round(b, 1, 2);
    node.receive(b, { type: 'release', term: 1, round: 1 });
    node.wait(50);
    expect(promised(node)).toBeCloseTo(promiseMs - 50, 6);
    const other = new Probe();
    other.hear(b, 1, 1);
    other.round(b, 1, 2);
    other.receive(b, { type: 'release', term: 1, round: 2 });
    expect(promised(other)).toBe(0);
  });

  it('a release of a round does not cover what an earlier life promised in the same term', () => {
    const node = new Probe({ hardState: { longestLeaseMs: 800 } });
    node.receive(b, { type: 'release', term: 1, round: 1_000 });
    expect(promised(node)).toBeCloseTo(promiseMs, 6);
  });

  it('a release may also come in TimeoutNow: who is to take over waits for nothing that it promised', () => {
    const node = new Probe();
    node.hear(b, 1, 5);
    node.receive(b, {
      type: 'timeoutNow',
      term: 1,
      index: 2,
      transferId: 1,
      release: { term: 1, round: 5 },
    });
    node.sync();
    const { lease } = node.grantVote(c);
    expect(lease?.exclusiveFromMs).toBe(node.nowMs);
  });

  it('a release may also come in the vote request that follows from it', () => {
    const node = new Probe();
    node.hear(b, 1, 4);
    node.requestVote(c, 2, { transferId: 1, release: { term: 1, round: 4 } });
    node.sync();
    expect(node.take('requestVoteReply')).toMatchObject([{ message: { refused: undefined, promiseMs: 0 } }]);
  });
});

describe('the lease', () => {
  it('lasts from the send time of the round that a quorum answered, not from the answer (pitfall 65)', () => {
    const node = new Probe({ members: five }).becomeLeader();
    const sentAtMs = node.nowMs;
    node.wait(60);
    expect(node.answer(b, 1).lease?.untilMs).toBe(never);
    expect(node.answer(c, 1).lease?.untilMs).toBe(sentAtMs + 800);
  });

  it('a new leader is exclusive only when the longest promise of its voters and its own has run out', () => {
    const node = new Probe().becomeLeader({ promiseMs: 500 });
    expect(node.output.lease?.exclusiveFromMs).toBe(node.nowMs + 500);
    const five = new Probe({ members: [a, b, c, d, e] });
    five.becomeCandidate();
    five.grantVote(b, { promiseMs: 900 });
    five.grantVote(c, { promiseMs: 0 });
    expect(five.output.lease?.exclusiveFromMs).toBe(five.nowMs + 900);
    const own = new Probe();
    own.hear(b, 1, 1);
    const heardAtMs = own.nowMs;
    own.step({ type: 'peerGone', peer: b });
    own.becomeLeader({ promiseMs: 20 });
    expect(own.output.lease?.exclusiveFromMs).toBeCloseTo(heardAtMs + promiseMs, 6);
  });

  it('counts the vote of one whose clock is trusted less than the own: its promise is longer', () => {
    const node = new Probe();
    node.becomeCandidate();
    node.grantVote(b, { promiseMs: 600_000 * 3 + 30_000 });
    expect(node.view.role).toBe('leader');
  });

  it('names the newest no-op once it is committed, and a fresh one sets it back until it is', () => {
    const node = new Probe().becomeLeader();
    expect(node.output.lease?.noopIndex).toBe(0);
    expect(node.ack(b, 3).lease?.noopIndex).toBe(3);
    expect(node.step({ type: 'freshNoop' }).lease?.noopIndex).toBe(0);
    expect(node.take('round').at(-1)!.message.round).toBe(2);
    node.sync();
    expect(node.ack(b, 4).lease?.noopIndex).toBe(4);
  });

  it('a leader that stood still has none until a quorum answers a round sent afterwards (pitfall 82)', () => {
    const node = new Probe().reign();
    node.wait(400);
    expect(node.step({ type: 'stalled', forMs: 400 }).lease?.untilMs).toBe(never);
    const { round } = node.take('round').at(-1)!.message;
    expect(node.answer(b, round - 1).lease?.untilMs).toBe(never);
    expect(node.answer(b, round).lease?.untilMs).toBe(node.nowMs + 800);
  });

  it('a leader that stood still for long does not step down before it has asked', () => {
    const node = new Probe().reign();
    node.wait(30_000);
    node.step({ type: 'stalled', forMs: 30_000 });
    node.step({ type: 'deadline' });
    expect(node.view.role).toBe('leader');
  });
});

describe('check-quorum', () => {
  it('a leader without a quorum for an election timeout steps down and sends nothing that renews patience (pitfalls 46, 47, 49)', () => {
    const node = new Probe({ members: five }).reign();
    node.pass(500);
    node.answer(b, 5);
    node.sent = [];
    node.pass(495);
    expect(node.view.role).toBe('leader');
    node.pass(10);
    expect(node.view).toMatchObject({ role: 'follower', term: 2, leaderId: undefined });
    node.sent = [];
    node.pass(200);
    expect(node.sent).toEqual([]);
  });

  it('a leader whose own disk makes no progress for an election timeout hands over without a release and steps down (pitfall 50)', () => {
    const node = new Probe().reign();
    node.step({ type: 'propose', proposals: data });
    for (const id of [b, c]) node.ack(id, 4);
    for (let round = 2; round < 13 && node.view.role === 'leader'; round += 1) {
      node.pass(100);
      for (const id of [b, c]) node.answer(id, round);
    }
    expect(node.view.role).toBe('follower');
    expect(node.take('timeoutNow')).toMatchObject([{ to: b, message: { index: 4, release: undefined } }]);
    node.pass(1_900);
    expect(node.take('preVote')).toEqual([]);
  });

  it('abdicating makes it unwilling for a while, and one voter alone has nobody to abdicate to', () => {
    const node = new Probe().reign();
    node.step({ type: 'abdicate', unwillingMs: 5_000 });
    expect(node.view).toMatchObject({ role: 'follower', term: 2 });
    node.pass(4_900);
    expect(node.take('preVote')).toEqual([]);
    node.pass(3_000);
    expect(node.view.role).toBe('preCandidate');
    const alone = new Probe({ members: [a], entries: logOf([a], 1) });
    alone.sync();
    expect(alone.step({ type: 'abdicate', unwillingMs: 5_000 }).view.role).toBe('leader');
  });
});

describe('an unwilling node', () => {
  it('comes forward when the patience of all others has ended and still nobody leads', () => {
    const node = new Probe().reign();
    node.step({ type: 'abdicate', unwillingMs: 60_000 });
    node.pass(10_000);
    expect(node.view.role).toBe('preCandidate');
  });

  it('stays back for as long as it was asked to while another leads', () => {
    const node = new Probe().reign();
    node.step({ type: 'abdicate', unwillingMs: 20_000 });
    for (let round = 1; round <= 190; round += 1) {
      node.pass(100);
      node.round(b, 3, round);
      node.sync();
    }
    node.step({ type: 'peerGone', peer: b });
    node.pass(800);
    expect(node.take('preVote')).toEqual([]);
  });
});

describe('reads', () => {
  it('wait for the first commit of the term, and are refused when leadership ends (pitfall 62)', () => {
    const node = new Probe().becomeLeader();
    node.step({ type: 'read', token: 1 });
    node.step({ type: 'read', token: 2 });
    node.answer(b, 1);
    node.ack(b, 3);
    const { round } = node.take('round').at(-1)!.message;
    expect(node.answer(b, round).reads).toEqual([
      { token: 1, index: 3 },
      { token: 2, index: 3 },
    ]);
    node.step({ type: 'read', token: 3 });
    const lost = node.receive(b, { type: 'roundReply', term: 9, round: 0, wallMs: 0, lastLogIndex: 0 });
    expect(lost.reads).toEqual([{ token: 3, refused: 'notLeader' }]);
  });

  it('are not confirmed by a late answer to a round sent before (pitfall 63)', () => {
    const node = new Probe().becomeLeader();
    node.ack(b, 3);
    node.step({ type: 'read', token: 1 });
    expect(node.answer(b, 1).reads).toEqual([]);
    expect(node.answer(c, 1).reads).toEqual([]);
    expect(node.answer(c, 2).reads).toEqual([{ token: 1, index: 3 }]);
  });

  it('that ride on a heartbeat are not confirmed by the round before it (pitfall 63)', () => {
    const node = new Probe().reign();
    node.step({ type: 'read', token: 1 });
    node.step({ type: 'read', token: 2 });
    node.pass(100);
    expect(node.answer(b, 2).reads.map(({ token }) => token)).toEqual([1]);
    expect(node.answer(b, 3).reads.map(({ token }) => token)).toEqual([2]);
  });

  it('that come while a round is out share the next one', () => {
    const node = new Probe().reign();
    for (const token of [1, 2, 3, 4]) node.step({ type: 'read', token });
    expect(node.take('round').map(({ message }) => message.round)).toEqual([2, 2]);
    expect(node.answer(b, 2).reads.map(({ token }) => token)).toEqual([1]);
    expect(node.answer(b, 3).reads.map(({ token }) => token)).toEqual([2, 3, 4]);
  });

  it('are bounded by readsMax', () => {
    const node = new Probe({ readsMax: 2 }).reign();
    for (const token of [1, 2]) node.step({ type: 'read', token });
    expect(node.step({ type: 'read', token: 3 }).reads).toEqual([{ token: 3, refused: 'busy' }]);
  });
});

describe('transfer', () => {
  const transfer = (to: typeof b | undefined, scopeClosed = true) =>
    ({ type: 'transfer', to, scopeClosed }) as const;

  it('sends TimeoutNow with term, index and id once the target holds the whole log; proposals wait', () => {
    const node = new Probe().reign();
    node.step({ type: 'propose', proposals: data });
    node.sync();
    node.step(transfer(b));
    expect(node.take('timeoutNow')).toEqual([]);
    expect(node.step({ type: 'propose', proposals: data }).proposals).toEqual([
      { token: 1, refused: 'transferring' },
    ]);
    expect(node.view.transferringTo).toBe(b);
    node.ack(b, 4);
    const release = { term: 2, round: 1 };
    expect(node.sent.filter(({ message }) => message.type === 'release').map(({ to }) => to)).toEqual([b, c]);
    expect(node.take('timeoutNow')).toEqual([
      { to: b, message: { type: 'timeoutNow', term: 2, index: 4, transferId: 1, release } },
    ]);
  });

  it('has a deadline of one election timeout, after which proposals resume (pitfall 58)', () => {
    const node = new Probe().reign();
    node.step(transfer(b));
    for (let round = 2; round < 12; round += 1) {
      node.pass(100);
      for (const id of [b, c]) node.answer(id, round);
    }
    expect(node.outputs.find((output) => output.transfer !== undefined)?.transfer?.ok).toBe(false);
    expect(node.view).toMatchObject({ role: 'leader', transferringTo: undefined });
    expect(node.step({ type: 'propose', proposals: data }).proposals[0]).toHaveProperty('accepted');
  });

  it('carries no release before the own wait is over, nor with an open scope', () => {
    const waiting = new Probe().reign({ promiseMs: 500 });
    waiting.step(transfer(b));
    expect(waiting.take('timeoutNow')[0]!.message.release).toBeUndefined();
    const open = new Probe().reign();
    open.step(transfer(b, false));
    expect(open.take('timeoutNow')[0]!.message.release).toBeUndefined();
  });

  it('ends the lease when TimeoutNow leaves; later rounds ask for none until it is over (pitfall 59)', () => {
    const node = new Probe().reign();
    expect(node.step(transfer(b)).lease?.untilMs).toBe(never);
    node.pass(100);
    expect(node.take('round').map(({ message }) => message.leaseMs)).toEqual([0, 0]);
    expect(node.answer(b, 2).lease?.untilMs).toBe(never);
  });

  it('an aborted one cannot spend its release twice: the lease counts from later rounds, whose promises it does not cover', () => {
    const node = new Probe().reign();
    node.step(transfer(b));
    const release = node.take('timeoutNow')[0]!.message.release!;
    let round = 1;
    while (node.view.transferringTo !== undefined) {
      node.pass(50);
      round += node.take('round').length / 2;
      for (const id of [b, c]) node.answer(id, round);
    }
    expect(node.output.lease?.untilMs === never || round > release.round).toBe(true);
    node.sync();
    expect(node.output.lease?.untilMs).toBeGreaterThan(node.nowMs);
    const voter = new Probe();
    voter.hear(b, 2, round);
    voter.requestVote(c, 3, { transferId: 1, release });
    voter.sync();
    expect(voter.take('requestVoteReply')[0]!.message.promiseMs).toBeCloseTo(promiseMs, 6);
  });

  it('a late TimeoutNow is ignored: another term, another leader, or a log that went on (pitfall 59)', () => {
    const late = { type: 'timeoutNow', term: 1, index: 2, transferId: 1, release: undefined } as const;
    const node = new Probe();
    node.receive(b, late);
    node.hear(b, 1, 1);
    node.receive(c, late);
    node.receive(b, { ...late, index: 3 });
    node.append(b, 1, [2, 1], [entry(3, 1)]);
    node.receive(b, late);
    expect(node.view).toMatchObject({ role: 'follower', term: 1 });
    const leader = new Probe().reign();
    leader.step(transfer(b));
    for (let round = 2; round < 12; round += 1) {
      leader.pass(100);
      for (const id of [b, c]) leader.answer(id, round);
    }
    expect(leader.view.lastLogIndex).toBe(4);
  });

  it.each([a, 'x' as typeof a])('to %s, which is itself or no voter, is refused (pitfall 60)', (to) => {
    const node = new Probe().reign();
    expect(node.step(transfer(to)).transfer?.ok).toBe(false);
    expect(node.view.transferringTo).toBeUndefined();
    expect(new Probe().step(transfer(b)).transfer?.ok).toBe(false);
  });

  it('to nobody in particular picks the voter with the longest log (pitfall 61)', () => {
    const node = new Probe().becomeLeader();
    node.ack(c, 3);
    node.step(transfer(undefined));
    expect(node.view.transferringTo).toBe(c);
  });

  it('ends well when a newer term takes over', () => {
    const node = new Probe().reign();
    node.step(transfer(b));
    const output = node.requestVote(b, 3, { transferId: 1, lastLogIndex: 3, lastLogTerm: 2 });
    expect(output.transfer?.ok).toBe(true);
    expect(output.view.role).toBe('follower');
    node.sync();
    expect(node.take('requestVoteReply')).toMatchObject([{ message: { refused: undefined } }]);
  });
});
