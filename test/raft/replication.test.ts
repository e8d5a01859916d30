import { describe, expect, it } from 'vitest';
import type { LogEntry } from '../../src/raft/index.ts';
import { a, b, c, d, e, entry, logOf, Probe, stranger } from './probe.ts';

const bytes = (count: number): { token: number; data: Uint8Array }[] => [
  { token: 1, data: new Uint8Array(count) },
];

describe('following', () => {
  it('commits no further than the entries the message vouches for (pitfall 13)', () => {
    const node = new Probe({ entries: logOf([a, b, c], 1, 1, 1) });
    expect(node.append(b, 2, [2, 1], [], 9).committed.map(({ index }) => index)).toEqual([1, 2]);
  });

  it('cuts nothing for a stale, shorter or repeated append (pitfall 18)', () => {
    const node = new Probe();
    node.append(b, 1, [2, 1], [entry(3, 1), entry(4, 1), entry(5, 1)]);
    expect(node.append(b, 1, [1, 1], [entry(2, 1), entry(3, 1)]).persist).toBeUndefined();
    expect(node.append(b, 1, [3, 1], []).persist).toBeUndefined();
    expect(node.view.lastLogIndex).toBe(5);
  });

  it('cuts the whole tail at the first conflict (pitfall 19)', () => {
    const node = new Probe({ entries: logOf([a, b, c], 1, 1, 1, 1), hardState: { currentTerm: 2 } });
    const output = node.append(b, 2, [2, 1], [entry(3, 2)]);
    expect(output.persist).toMatchObject({ truncateFrom: 3, entries: [{ index: 3, term: 2 }] });
    expect(node.view.lastLogIndex).toBe(3);
  });

  it('drops an append that contradicts what is committed here (pitfall 18)', () => {
    const node = new Probe();
    node.append(b, 1, [2, 1], [entry(3, 1)], 3);
    expect(node.append(b, 2, [2, 1], [entry(3, 2)])).toMatchObject({ rejected: 1, persist: undefined });
    expect(node.view).toMatchObject({ lastLogIndex: 3, term: 1, failed: undefined });
  });

  it('takes a predecessor at or below its commit for granted (pitfall 20)', () => {
    const node = new Probe();
    node.append(b, 1, [2, 1], [entry(3, 1)], 3);
    node.sync();
    node.sent = [];
    node.append(b, 1, [1, 1], [entry(2, 1), entry(3, 1), entry(4, 1)]);
    node.sync();
    expect(node.take('appendEntriesReply')).toMatchObject([{ message: { success: true, index: 4 } }]);
  });

  it('acknowledges only what is durable, also after a cut while the write was on its way (pitfall 16)', () => {
    const node = new Probe({ hardState: { currentTerm: 3 } });
    const first = node.append(b, 3, [2, 1], [entry(3, 3), entry(4, 3), entry(5, 3)]);
    node.append(c, 4, [2, 1], [entry(3, 4)]);
    node.step({ type: 'persisted', token: first.persist!.token });
    expect(node.take('appendEntriesReply')).toEqual([]);
    node.sync();
    expect(node.take('appendEntriesReply').map(({ to, message }) => [to, message.index])).toEqual([[c, 3]]);
  });

  it('a round that names more than the log holds is dropped, not believed (pitfall 14)', () => {
    const node = new Probe();
    expect(node.round(b, 1, 1, 800, 7)).toMatchObject({ rejected: 1, committed: [] });
    expect(node.view.failed).toBeUndefined();
  });

  it.each<[string, readonly LogEntry[]]>([
    ['a gap', [entry(4, 1)]],
    ['a term above the message', [entry(3, 2)]],
    ['a term that falls', [entry(3, 0)]],
    ['a second bootstrap', [{ ...entry(3, 1), kind: 'bootstrap' }]],
    ['log time that goes back', [entry(3, 1), { ...entry(4, 1), stampMs: 1 }]],
  ])('entries with %s are dropped and counted, and nothing throws', (_name, entries) => {
    const node = new Probe();
    expect(node.append(b, 1, [2, 1], entries)).toMatchObject({
      rejected: 1,
      messages: [],
      persist: undefined,
    });
    expect(node.view.failed).toBeUndefined();
  });

  it('an entry of a kind it does not know ends the node: upgrade, never skip', () => {
    const node = new Probe();
    const unknown = { ...entry(3, 1), kind: 'config' as never };
    expect(node.append(b, 1, [2, 1], [unknown]).view.failed).toContain('upgrade this node');
  });

  it('two leaders in one term end the node that sees them (pitfall 81)', () => {
    const node = new Probe();
    node.round(b, 1, 1);
    expect(node.round(c, 1, 1).view.failed).toContain('one leader a term');
    const leader = new Probe().reign();
    expect(leader.append(b, 2, [2, 1], []).view.failed).toContain('one leader a term');
  });

  it('a log ahead of the hard state is refused at the start', () => {
    expect(() => new Probe({ entries: logOf([a, b, c], 5), hardState: { currentTerm: 4 } })).toThrow('I3');
  });
});

describe('leading', () => {
  it('its own disk is one voter among others: it counts when durable, and not before (pitfall 15)', () => {
    const node = new Probe().reign();
    node.step({ type: 'propose', proposals: bytes(3) });
    expect(node.view.commitIndex).toBe(3);
    expect(node.ack(b, 4).committed).toEqual([]);
    expect(node.sync().committed.map(({ index }) => index)).toEqual([4]);
  });

  it('an answer of another term is not counted (pitfall 16)', () => {
    const node = new Probe().reign();
    node.step({ type: 'propose', proposals: bytes(3) });
    node.sync();
    expect(node.ack(b, 4, 1).committed).toEqual([]);
  });

  it('tells each follower min(match, commit) in a round, and the new commit without new entries (pitfalls 14, 22)', () => {
    const node = new Probe().becomeLeader();
    node.ack(b, 3);
    node.sent = [];
    node.pass(100);
    const told = node.take('round').map(({ to, message }) => [to, message.leaderCommit]);
    expect(told).toEqual([
      [b, 3],
      [c, 0],
    ]);
  });

  it('an overtaken acknowledgement or refusal moves nothing back (pitfall 21)', () => {
    const node = new Probe().reign();
    node.ack(b, 1);
    node.refuse(b, 2, 0, 1);
    expect(node.take('appendEntries')).toEqual([]);
    node.step({ type: 'propose', proposals: bytes(3) });
    expect(node.take('appendEntries').map(({ message }) => message.prevLogIndex)).toEqual([3, 3]);
  });

  it('the bytes in flight are bounded, and acknowledgements open the window again', () => {
    const node = new Probe({ appendBytesMax: 1_000, inflightBytesMax: 2_000 }).reign();
    for (let count = 0; count < 6; count += 1) node.step({ type: 'propose', proposals: bytes(600) });
    expect(node.take('appendEntries').filter(({ to }) => to === b)).toHaveLength(4);
    node.ack(b, 5);
    expect(node.take('appendEntries').filter(({ to }) => to === b)).toHaveLength(2);
  });

  it('a round answered with less than was sent shows a loss: back to the last certain place (pitfalls 23, 24, 27)', () => {
    const node = new Probe({ appendBytesMax: 1_000, inflightBytesMax: 2_000 }).reign();
    for (let count = 0; count < 6; count += 1) node.step({ type: 'propose', proposals: bytes(600) });
    node.sent = [];
    node.pass(100);
    node.answer(b, 2, 3);
    const [probe] = node.take('appendEntries');
    expect(probe).toMatchObject({ to: b, message: { prevLogIndex: 3 } });
  });

  it('a lost probe is sent again, empty, when a round is answered (pitfall 23)', () => {
    const node = new Probe().becomeLeader();
    node.take('appendEntries');
    node.answer(b, 1, 2);
    expect(node.take('appendEntries')).toMatchObject([{ to: b, message: { prevLogIndex: 2, entries: [] } }]);
  });

  it('a long divergent tail is passed term by term, not entry by entry (pitfall 26)', () => {
    const terms = Array.from({ length: 500 }, () => 1);
    const node = new Probe({
      entries: logOf([a, b, c], ...terms, 4),
      hardState: { currentTerm: 6 },
    }).becomeLeader();
    node.take('appendEntries');
    node.refuse(b, 502, 3, 40);
    expect(node.take('appendEntries')[0]!.message.prevLogIndex).toBe(39);
    const follower = new Probe({ entries: logOf([a, b, c], 1, ...terms.map(() => 3)) });
    follower.hear(c, 6, 1);
    follower.append(c, 6, [400, 5], []);
    expect(follower.take('appendEntriesReply')).toMatchObject([
      { message: { success: false, index: 400, conflictTerm: 3, conflictIndex: 3 } },
    ]);
  });

  it('followers at the same place are sent the very same array, which is also the one that is written', () => {
    const node = new Probe().reign();
    const output = node.step({ type: 'propose', proposals: bytes(3) });
    const [toB, toC] = node.take('appendEntries');
    expect(toB!.message.entries).toBe(toC!.message.entries);
    expect(output.persist!.entries).toBe(toB!.message.entries);
  });

  it('a link that stands again starts from the last certain place', () => {
    const node = new Probe().reign();
    node.step({ type: 'propose', proposals: bytes(3) });
    node.step({ type: 'peerClosed', peer: b });
    node.sent = [];
    node.link(b);
    expect(node.take('appendEntries')).toMatchObject([{ to: b, message: { prevLogIndex: 3 } }]);
  });

  it('a member that was away when the term began is sent what it lacks, not the whole log', () => {
    const node = new Probe({ entries: logOf([a, b, c], 1, 1, 1, 1, 1) }).becomeLeader();
    node.step({ type: 'peerClosed', peer: c });
    node.sent = [];
    node.link(c);
    expect(node.take('appendEntries')).toMatchObject([
      { to: c, message: { prevLogIndex: 6, entries: [{ index: 7 }] } },
    ]);
    node.refuse(c, 6, 0, 4);
    expect(node.take('appendEntries')).toMatchObject([{ to: c, message: { prevLogIndex: 3 } }]);
  });

  it('the log and the uncommitted part of it are bounded: more is refused, nothing is lost (pitfall 74)', () => {
    const full = new Probe({ logBytesMax: 2_000 }).reign();
    expect(full.step({ type: 'propose', proposals: bytes(3_000) }).proposals).toEqual([
      { token: 1, refused: 'logFull' },
    ]);
    const busy = new Probe({ appendBytesMax: 500, inflightBytesMax: 500 }).reign();
    const answers = Array.from(
      { length: 8 },
      () => busy.step({ type: 'propose', proposals: bytes(400) }).proposals[0]!,
    );
    expect(
      answers.filter((answer) => 'refused' in answer && answer.refused === 'busy').length,
    ).toBeGreaterThan(0);
    busy.sync();
    busy.ack(b, busy.view.lastLogIndex);
    expect(busy.step({ type: 'propose', proposals: bytes(400) }).proposals[0]).toHaveProperty('accepted');
  });

  it('a proposal is answered with its index and term, or refused by a node that does not lead (pitfall 73)', () => {
    const node = new Probe();
    expect(node.step({ type: 'propose', proposals: bytes(3) }).proposals).toEqual([
      { token: 1, refused: 'notLeader' },
    ]);
    node.reign();
    expect(node.step({ type: 'propose', proposals: bytes(3) }).proposals).toEqual([
      { token: 1, accepted: { index: 4, term: 2 } },
    ]);
  });

  it('a follower that claims more than the log holds is not believed', () => {
    const node = new Probe().reign();
    expect(node.ack(b, 99)).toMatchObject({ rejected: 1 });
    expect(node.answer(b, 99)).toMatchObject({ rejected: 1 });
    expect(node.receive(stranger, { type: 'release', term: 99, round: 1 })).toMatchObject({ rejected: 1 });
    expect(node.view).toMatchObject({ role: 'leader', failed: undefined });
  });
});

describe('log time', () => {
  const stampWith = (walls: readonly number[], own: number): number => {
    const node = new Probe({ members: [a, b, c, d, e].slice(0, walls.length + 1) });
    node.reign();
    node.wallMs = own;
    const rest = node.ids.slice(1);
    for (const [at, id] of rest.entries()) node.answer(id, 1, 3, walls[at]);
    node.pass(100);
    for (const [at, id] of rest.entries()) node.answer(id, 2, 3, walls[at]! + 100);
    node.step({ type: 'propose', proposals: bytes(1) });
    return node.output.persist!.entries[0]!.stampMs - 100;
  };

  it('one wrong clock of three moves nothing', () => {
    const right = 1_700_000_000_000;
    const offBy = (stamp: number): number => Math.abs(stamp - right);
    expect(offBy(stampWith([right, right + 9e9], right))).toBeLessThan(2_000);
    expect(offBy(stampWith([right, right - 9e9], right))).toBeLessThan(2_000);
    expect(offBy(stampWith([right, right], right + 9e9))).toBeLessThan(2_000);
  });

  it('never falls along the log, also when every clock does', () => {
    const node = new Probe().reign();
    node.step({ type: 'propose', proposals: bytes(1) });
    const before = node.output.persist!.entries[0]!.stampMs;
    node.wallMs -= 1e9;
    node.pass(100);
    for (const id of [b, c]) node.answer(id, 2);
    node.step({ type: 'propose', proposals: bytes(1) });
    expect(node.output.persist!.entries[0]!.stampMs).toBe(before);
  });
});
