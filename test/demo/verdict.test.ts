import { describe, expect, it } from 'vitest';
import type { JournalEvent } from '../../examples/demo/journal.ts';
import type { Claims, Testimony } from '../../examples/demo/messages.ts';
import { type Evidence, type FinalRead, judge, type Kill } from '../../examples/demo/verdict.ts';

const noCalls = { answered: [], rejected: 0, tooSlow: 0, failures: [] };
const claims: Claims = { puts: { one: 1 }, marks: [], probed: [], reads: 0, calls: noCalls };
const testimony: Testimony = { claims, updaterCalls: noCalls, unstored: [], probes: {} };
const granted: JournalEvent = {
  type: 'granted',
  at: 0,
  family: 'one',
  client: 'rotating',
  refresh: 'r0',
  access: 'a0',
  expiresAt: 20_000,
};

/** One refresh: presented, issued and answered (or cut off). */
function refresh(
  call: number,
  at: number,
  worker = 'u:1',
  finished = true,
  rotated = true,
): readonly JournalEvent[] {
  const refreshed = rotated ? `r${call}` : 'r0';
  return [
    { type: 'called', at, call, worker, family: 'one', refresh: rotated ? `r${call - 1}` : 'r0' },
    {
      type: 'issued',
      at: at + 10,
      call,
      worker,
      family: 'one',
      client: rotated ? 'rotating' : 'steady',
      refresh: refreshed,
      access: `a${call}`,
      expiresAt: at + 20_000,
      rotated,
    },
    { type: 'answered', at: at + 20, call, finished },
  ];
}

function stored(version: number, access: string, refreshToken: string, buried = false): FinalRead {
  const leader = { version, buried, access, refresh: refreshToken };
  return { family: 'one', leader, replicas: [leader, leader, leader] };
}

function verdictOf(evidence: Partial<Evidence>) {
  return judge({
    journal: [granted],
    kills: [],
    testimony,
    finals: [stored(1, 'a0', 'r0')],
    marks: [],
    counts: [{ tokens: 1, probes: 0 }],
    lapses: [],
    suspects: 0,
    ...evidence,
  });
}

const killed: Kill = { what: 'updater', name: 'u', worker: 'u:1', at: 2_000, home: undefined };

describe('the judge', () => {
  it('finds nothing when the newest answer is stored everywhere', () => {
    const verdict = verdictOf({
      journal: [granted, ...refresh(1, 1_000), ...refresh(2, 5_000)],
      finals: [stored(3, 'a2', 'r2')],
    });
    expect(verdict).toMatchObject({
      refreshed: 2,
      providerCalls: 2,
      lostAcks: 0,
      doubleAcks: 0,
      lostAnswers: 0,
      remarks: [],
    });
  });

  it('calls it a lost write when an answer to a living updater is not stored', () => {
    const verdict = verdictOf({
      journal: [granted, ...refresh(1, 1_000), ...refresh(2, 5_000)],
      finals: [stored(2, 'a1', 'r1')],
    });
    expect(verdict).toMatchObject({ lostAcks: 1, lostAnswers: 0 });
  });

  it('calls it a lost answer when it died with the killed updater, and lets the family be revoked', () => {
    const journal: readonly JournalEvent[] = [
      granted,
      ...refresh(1, 1_990, 'u:1', false),
      { type: 'called', at: 9_000, call: 2, worker: 'u:2', family: 'one', refresh: 'r0' },
      { type: 'revoked', at: 9_001, family: 'one' },
      { type: 'refused', at: 9_001, call: 2, worker: 'u:2', family: 'one', error: 'invalid_grant' },
    ];
    const verdict = verdictOf({
      journal,
      kills: [killed],
      finals: [stored(1, 'a0', 'r0', true)],
      lapses: [{ family: 'one', at: 20_000 }],
    });
    expect(verdict).toMatchObject({
      lostAcks: 0,
      lostAnswers: 1,
      revokedFamilies: 1,
      needsConsent: 1,
      lapsed: 0,
    });
  });

  it('does not excuse an answer that its updater had long before it was killed', () => {
    const verdict = verdictOf({ journal: [granted, ...refresh(1, 1_000)], kills: [killed] });
    expect(verdict).toMatchObject({ lostAcks: 1, lostAnswers: 0 });
  });

  it('excuses the lost answer of a token that does not rotate, and does not count it', () => {
    const verdict = verdictOf({
      journal: [granted, ...refresh(1, 1_990, 'u:1', false, false)],
      kills: [killed],
    });
    expect(verdict).toMatchObject({ lostAcks: 0, lostAnswers: 0 });
  });

  it('counts a write that was applied more often than there were answers', () => {
    const verdict = verdictOf({ journal: [granted, ...refresh(1, 1_000)], finals: [stored(3, 'a1', 'r1')] });
    expect(verdict).toMatchObject({ doubleAcks: 1 });
  });

  it('wants two of three nodes to agree with the leader', () => {
    const { leader } = stored(1, 'a0', 'r0');
    const older = { version: 0, buried: false, access: 'x', refresh: 'x' };
    expect(
      verdictOf({ finals: [{ family: 'one', leader, replicas: [leader, older, leader] }] }).lostAcks,
    ).toBe(0);
    expect(
      verdictOf({ finals: [{ family: 'one', leader, replicas: [leader, older, undefined] }] }).lostAcks,
    ).toBe(1);
  });

  it('misses a token that was put and is gone', () => {
    expect(verdictOf({ finals: [] }).lostAcks).toBe(1);
    expect(verdictOf({ finals: [{ family: 'one', leader: undefined, replicas: [] }] }).lostAcks).toBe(1);
  });

  it('counts a lapse of a family that lost nothing', () => {
    expect(verdictOf({ lapses: [{ family: 'one', at: 20_000 }] }).lapsed).toBe(1);
  });

  it('measures the gap in writes around the kill of a leader, and not before it', () => {
    const kills: readonly Kill[] = [{ what: 'leader', name: 'a', worker: 'a:1', at: 1_000, home: 0 }];
    const marks = [{ id: 'mark', ackedAt: [100, 900, 1_001, 1_040, 1_045], failed: 0 }];
    const said = { ...testimony, claims: { ...claims, marks } };
    expect(verdictOf({ kills, testimony: said }).leaderGapsMs).toEqual([39]);
  });

  it('measures when the last steady token of a killed updater was in other hands', () => {
    const called = (call: number, at: number, worker: string): JournalEvent => ({
      type: 'called',
      at,
      call,
      worker,
      family: 'one',
      refresh: 'r0',
    });
    const journal = [granted, called(1, 1_990, 'u:1'), called(2, 2_007, 'u:2')];
    expect(verdictOf({ journal, kills: [killed] }).releaseMs).toBe(7);
    expect(verdictOf({ kills: [killed] }).releaseMs).toBeNull();
  });
});
