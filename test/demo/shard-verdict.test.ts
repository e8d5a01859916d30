import { describe, expect, it } from 'vitest';
import type { AnsweredCall, CallJournal } from '../../examples/demo/call-log.ts';
import type { JournalEvent } from '../../examples/demo/journal.ts';
import type { Claims, Testimony } from '../../examples/demo/messages.ts';
import { brokenPromises, type Run, renderReport, resultOf } from '../../examples/demo/report.ts';
import { parseOptions, settingsFor } from '../../examples/demo/settings.ts';
import { homeOf, markIds, tokenIds } from '../../examples/demo/shard-plan.ts';
import { type Evidence, type FinalRead, judge, type Kill } from '../../examples/demo/verdict.ts';

const shards = 2;
const [first = '', second = ''] = [0, 1].map((home) =>
  tokenIds(100).find((id) => homeOf(id, shards) === home),
);
const families = [first, second];
const [markOne = '', markTwo = ''] = markIds(shards);

/** What happened: each family was granted, and refreshed twice by a process that lived. */
function journalOf(family: string): readonly JournalEvent[] {
  const issued = (call: number): readonly JournalEvent[] => [
    { type: 'called', at: call, call, worker: 'u:1', family, refresh: `r${call - 1}` },
    {
      type: 'issued',
      at: call,
      call,
      worker: 'u:1',
      family,
      client: 'rotating',
      refresh: `r${call}`,
      access: `a${call}`,
      expiresAt: 20_000,
      rotated: true,
    },
    { type: 'answered', at: call, call, finished: true },
  ];
  const granted = { family, client: 'rotating', refresh: 'r0', access: 'a0', expiresAt: 20_000 } as const;
  return [{ type: 'granted', at: 0, ...granted }, ...issued(1), ...issued(2)];
}

function final(family: string, version = 3): FinalRead {
  const leader = { version, buried: false, access: 'a2', refresh: 'r2' };
  return { family, leader, replicas: [leader, leader, leader] };
}

/** So many calls each ten ms. */
function steady(from: number, to: number, tookMs: number, home: number): readonly AnsweredCall[] {
  return Array.from({ length: (to - from) / 10 }, (_, index) => [from + index * 10, tookMs, home]);
}

const quiet: CallJournal = { answered: [], rejected: 0, tooSlow: 0, failures: [] };
const kills: readonly Kill[] = [
  { what: 'leader', name: 'a', worker: 'a:1', at: 10_000, home: 0 },
  { what: 'leader', name: 'd', worker: 'd:1', at: 20_000, home: 1 },
];
const claims: Claims = {
  puts: { [first]: 1, [second]: 1 },
  marks: [
    { id: markOne, ackedAt: [9_990, 10_040, 10_050], failed: 0 },
    { id: markTwo, ackedAt: [19_990, 20_050, 20_060], failed: 0 },
  ],
  probed: ['probe-1', 'probe-2'],
  reads: 10,
  calls: {
    ...quiet,
    answered: [
      ...steady(7_000, 10_000, 2, 1),
      ...steady(10_000, 12_000, 3, 1),
      ...steady(17_000, 20_000, 2, 0),
      ...steady(20_000, 22_000, 5, 0),
    ],
  },
};
const testimony: Testimony = {
  claims,
  updaterCalls: quiet,
  unstored: [],
  probes: { 'probe-1': 0, 'probe-2': 1 },
};
const evidence: Evidence = {
  journal: families.flatMap(journalOf),
  kills,
  testimony,
  finals: families.map((family) => final(family)),
  marks: [markOne, markTwo].map((id) => ({ id, version: 3 })),
  counts: [
    { tokens: 1, probes: 1 },
    { tokens: 1, probes: 1 },
  ],
  lapses: [],
  suspects: 0,
};

function runOf(changed: Partial<Evidence> = {}, run: Partial<Run> = {}): Run {
  const judged = { ...evidence, ...changed };
  return {
    settings: settingsFor(parseOptions(['--shards', '2', '--tokens', '2'])),
    verdict: judge(judged),
    claims: judged.testimony.claims,
    updaterCalls: judged.testimony.updaterCalls,
    reloads: { followed: 10, refused: 1 },
    links: { count: 24, strangers: 0 },
    troubles: [],
    ...run,
  };
}

function saying(changed: Partial<Claims>): Partial<Evidence> {
  return { testimony: { ...testimony, claims: { ...claims, ...changed } } };
}

describe('the report of two shards', () => {
  it('is good when all is as it should be, and holds every figure', () => {
    const run = runOf();
    expect(brokenPromises(run)).toEqual([]);
    expect(resultOf(run)).toMatchObject({
      shards: 2,
      lostAcks: 0,
      requestsFailed: 0,
      appliedTwice: 0,
      longestWaitMs: 5,
      longestWaitBoundMs: 2_100,
      otherShardP99Change: 2.5,
      otherShard: [
        { quietP99Ms: 2, killP99Ms: 3 },
        { quietP99Ms: 2, killP99Ms: 5 },
      ],
      reloads: 10,
      reloadsRefused: 1,
      links: 24,
      leaderGapsMs: [40, 50],
    });
    for (const line of renderReport(run).split('\n')) expect(line.length).toBeLessThanOrEqual(80);
  });

  it('says so where links cannot be counted, and breaks nothing', () => {
    const run = runOf({}, { links: undefined });
    expect(brokenPromises(run)).toEqual([]);
    expect(resultOf(run).links).toBeNull();
    expect(renderReport(run)).toMatch(/links at the nodes\s+-\s+SKIPPED/);
  });

  const slow: CallJournal = { ...claims.calls, answered: [...claims.calls.answered, [15_000, 2_101, 0]] };
  const failing = { ...quiet, rejected: 1, failures: ['put: UnknownOutcomeError'] };
  const counted = (home: number, change: object) => ({
    counts: evidence.counts.map((counts, at) => (at === home ? { ...counts, ...change } : counts)),
  });
  const marked = (version: number | undefined) => ({
    marks: [
      { id: markOne, version },
      { id: markTwo, version: 3 },
    ],
  });

  it.each<[string, Partial<Evidence>, Partial<Run>, RegExp]>([
    ['a call of the front end failed', saying({ calls: failing }), {}, /1 requests failed/],
    [
      'a call of an updater failed',
      { testimony: { ...testimony, updaterCalls: failing } },
      {},
      /1 requests failed/,
    ],
    [
      'an answer was stored twice',
      { finals: [final(first, 4), final(second)] },
      {},
      /1 writes were applied twice/,
    ],
    [
      'a put was applied twice',
      saying({ puts: { [first]: 2, [second]: 1 } }),
      {},
      /1 writes were applied twice/,
    ],
    ['a small write was applied twice', marked(4), {}, /1 writes were applied twice/],
    ['a small write was lost', marked(2), {}, /1 acknowledged writes/],
    ['a key of small writes is gone', marked(undefined), {}, /3 acknowledged writes/],
    ['a token is in two shards', counted(1, { tokens: 2 }), {}, /1 writes were applied twice/],
    ['a token is not where it should be', counted(0, { tokens: 0 }), {}, /1 acknowledged writes/],
    ['a probe is not where the last file says', counted(0, { probes: 0 }), {}, /1 acknowledged writes/],
    [
      'an answer in the middle was not stored',
      { finals: [final(first, 2), final(second)] },
      {},
      /1 acknowledged/,
    ],
    ['a token is gone', { finals: [final(second)] }, {}, /1 acknowledged writes/],
    ['a call waited too long', saying({ calls: slow }), {}, /waited 2101 ms, the bound is 2100 ms/],
    ['an updater waited too long', { testimony: { ...testimony, updaterCalls: slow } }, {}, /waited 2101 ms/],
    ['no call was timed', saying({ calls: quiet }), {}, /no call was timed/],
    ['one leader lived', { kills: kills.slice(1) }, {}, /not every leader was killed/],
    ['a file was not followed', {}, { reloads: { followed: 9, refused: 1 } }, /9 of 10 shard files/],
    ['a bad file was not refused', {}, { reloads: { followed: 10, refused: 0 } }, /0 of 1 bad shard files/],
    ['a link is missing', {}, { links: { count: 23, strangers: 0 } }, /23 links, not 24/],
    ['an updater knows a node', {}, { links: { count: 24, strangers: 1 } }, /1 links of processes/],
    ['a process ended by itself', {}, { troubles: ['proxy-2 ended by itself'] }, /proxy-2 ended/],
    ['a token lapsed', { lapses: [{ family: first, at: 1 }] }, {}, /1 access tokens lapsed/],
  ])('is bad when %s', (_, changed, run, sentence) => {
    const broken = brokenPromises(runOf(changed, run));
    expect(broken.join('\n')).toMatch(sentence);
  });

  it('lets a write that failed be applied once or not at all', () => {
    const failed = { marks: claims.marks.map((mark) => ({ ...mark, failed: 1 })) };
    for (const version of [3, 4]) {
      const marks = [markOne, markTwo].map((id) => ({ id, version }));
      expect(runOf({ ...saying(failed), marks }).verdict).toMatchObject({ lostAcks: 0 });
      expect(runOf({ ...saying(failed), marks }).verdict.shards).toMatchObject({ appliedTwice: 0 });
    }
  });

  it('does not miss an answer of which the updater was told that it was not stored', () => {
    const finals = [final(first, 2), final(second)];
    const run = (unstored: readonly string[]) => runOf({ finals, testimony: { ...testimony, unstored } });
    expect(brokenPromises(run([first]))).toEqual([]);
    expect(run([second]).verdict.lostAcks).toBe(1);
  });

  it('does not compare with too few calls', () => {
    const few = { ...claims.calls, answered: claims.calls.answered.filter(([at]) => at < 10_500) };
    expect(runOf(saying({ calls: few })).verdict.shards).toMatchObject({
      otherShardP99Change: null,
      otherShard: [],
    });
  });
});
