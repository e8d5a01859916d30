import { describe, expect, it } from 'vitest';
import { drawFaults, faultKinds } from '../../bench/rounds/faults.ts';
import { countOf, fromLine, type JournalRow, payloadOf, toLine } from '../../bench/rounds/journal.ts';
import { type Evidence, type FinalRecord, judge, type RoundNote } from '../../bench/rounds/judge.ts';
import { parseRoundsOptions } from '../../bench/rounds/options.ts';
import { brokenPromises, type Run, renderReport } from '../../bench/rounds/report.ts';
import { Prng } from '../../src/simulation/prng.ts';

const rounds: readonly RoundNote[] = [
  { round: 1, kind: 'kill leader', detail: '1a', startedAt: 1_000, healedMs: 10 },
  { round: 2, kind: 'freeze proxy', detail: 'proxy-1', startedAt: 2_000, healedMs: 10 },
];

/** One call on key `k`; acknowledged unless said otherwise. */
function row(kind: JournalRow['kind'], count: number, more: Partial<JournalRow> = {}): JournalRow {
  const result = kind === 'put' ? { version: count, found: 0 } : { version: count, found: count };
  return {
    client: 'app1',
    id: count,
    key: 'k',
    kind,
    count,
    sentAt: 1_500,
    tookMs: 5,
    outcome: 'ok',
    resolved: '',
    ...result,
    ...more,
  };
}

const put = (count: number, more: Partial<JournalRow> = {}): JournalRow => row('put', count, more);
const unknown = (count: number, resolved: JournalRow['resolved']): JournalRow =>
  put(count, { outcome: 'UNKNOWN_OUTCOME', version: 0, resolved });
const record = (version: number, found: number = version, shard = 'shard-1'): FinalRecord => ({
  shard,
  version,
  found,
});

function judged(rows: readonly JournalRow[], finals: readonly FinalRecord[], more: Partial<Evidence> = {}) {
  const tasks = { 'shard-1': finals.length, 'shard-2': 0 };
  return judge({ rows, finals: () => finals, tasks, rounds, ...more });
}

describe('the judge of the rounds', () => {
  it('finds nothing when each acknowledged put raised the version by one and the last one is there', () => {
    const verdict = judged([put(1), row('get', 1), put(2), row('getAny', 2, { found: 1 })], [record(2)]);
    expect(verdict).toMatchObject({
      requests: 4,
      puts: 2,
      failed: 0,
      appliedTwice: 0,
      lost: 0,
      staleReads: 0,
    });
    expect(verdict.remarks).toEqual([]);
  });

  it('finds a put that was applied twice: by the next answer, and by the final read', () => {
    expect(judged([put(1), put(2, { version: 3 })], [record(3, 2)])).toMatchObject({
      appliedTwice: 1,
      lost: 0,
    });
    expect(judged([put(1), put(2)], [record(3, 2)])).toMatchObject({ appliedTwice: 1, lost: 0 });
  });

  it('finds an old put that was applied again over a newer one', () => {
    expect(judged([put(1), put(2)], [record(3, 1)])).toMatchObject({ appliedTwice: 1, lost: 1 });
  });

  it('finds an acknowledged put that is gone: by a version that fell, and by a key that is not there', () => {
    expect(judged([put(1), put(2)], [record(1)])).toMatchObject({ appliedTwice: 0, lost: 2 });
    expect(judged([put(1), put(2), put(3, { version: 2 })], [record(2, 3)])).toMatchObject({ lost: 1 });
    expect(judged([put(1)], [])).toMatchObject({ lost: 1 });
  });

  it('finds a key that two shards hold, and tasks that nobody put', () => {
    expect(judged([put(1)], [record(1), record(1, 1, 'shard-2')])).toMatchObject({ appliedTwice: 1 });
    expect(judged([put(1)], [record(1)], { tasks: { 'shard-1': 1, 'shard-2': 1 } })).toMatchObject({
      appliedTwice: 1,
    });
  });

  it('counts a put of unknown outcome as failed, and lets it be there or not', () => {
    expect(judged([put(1), unknown(2, 'unknown')], [record(1)])).toMatchObject({
      failed: 1,
      appliedTwice: 0,
      lost: 0,
    });
    expect(judged([put(1), unknown(2, 'unknown')], [record(2)])).toMatchObject({
      failed: 1,
      appliedTwice: 0,
      lost: 0,
    });
    expect(judged([put(1), unknown(2, 'unknown')], [record(3, 2)])).toMatchObject({ appliedTwice: 1 });
    expect(judged([put(1), unknown(2, 'unknown'), put(3, { version: 2 })], [record(2, 3)]).lost).toBe(0);
  });

  it('holds the service to what it said of such a put afterwards', () => {
    expect(judged([put(1), unknown(2, 'applied')], [record(1)])).toMatchObject({ lost: 2 });
    expect(judged([put(1), unknown(2, 'neverApplied')], [record(2)])).toMatchObject({
      appliedTwice: 1,
      lost: 1,
    });
  });

  it('takes a refused put for one that did nothing', () => {
    const refused = put(2, { outcome: 'BUSY', version: 0 });
    expect(judged([put(1), refused], [record(1)])).toMatchObject({ failed: 1, appliedTwice: 0, lost: 0 });
    expect(judged([put(1), refused], [record(2)])).toMatchObject({ failed: 1, appliedTwice: 1, lost: 1 });
  });

  it('finds a read at the leader that misses the last acknowledged put', () => {
    expect(judged([put(1), put(2), row('get', 2, { found: 1 })], [record(2)])).toMatchObject({
      staleReads: 1,
    });
    expect(judged([put(1), row('getAny', 1, { found: 2 })], [record(1)])).toMatchObject({ staleReads: 1 });
  });

  it('gives the slowest call of each round to what was done in it, also one that was sent a moment before', () => {
    const held = put(3, { sentAt: 1_990, tookMs: 900 });
    const rows = [put(1, { sentAt: 500, tookMs: 400 }), put(2, { tookMs: 70 }), held];
    expect(judged(rows, [record(3)]).slowestMs).toEqual({
      'freeze proxy': { rounds: 1, p50: 900, max: 900 },
      'kill leader': { rounds: 1, p50: 70, max: 70 },
    });
  });
});

describe('the rounds', () => {
  it('write lines that are read back as they were, and refuse half a line', () => {
    const line = toLine(put(7, { tookMs: 1.5 }));
    expect(fromLine(line)).toEqual(put(7, { tookMs: 1.5 }));
    expect(() => fromLine(line.slice(0, -4))).toThrow();
    expect(() => fromLine('[1,2]')).toThrow(/not a line/);
  });

  it('tell from a payload which put it was', () => {
    expect(countOf('app1-3', payloadOf('app1-3', 12))).toBe(12);
    expect(countOf('app1-3', payloadOf('app1-4', 12))).toBeUndefined();
    expect(countOf('app1-3', 'rubbish')).toBeUndefined();
  });

  it('draw the same faults for the same seed, every kind before any comes again', () => {
    const draw = (seed: number) => {
      const faults = drawFaults(new Prng(seed), faultKinds);
      return Array.from({ length: 30 }, () => faults.next().value);
    };
    expect(draw(5)).toEqual(draw(5));
    expect(draw(5)).not.toEqual(draw(6));
    for (const from of [0, 10, 20])
      expect(
        new Set(
          draw(5)
            .slice(from, from + 10)
            .map(({ kind }) => kind),
        ).size,
      ).toBe(faultKinds.length);
  });

  it('name every promise that was broken, also that of a round that was not played', () => {
    const verdict = judged(
      [put(1, { outcome: 'DEADLINE_EXCEEDED', version: 0 }), put(2, { version: 1 })],
      [],
    );
    const run: Run = {
      options: parseRoundsOptions(['--rounds', '2']),
      rounds: 1,
      seconds: 1,
      withheld: 0,
      skipped: ['freeze proxy: it cannot be'],
      troubles: [],
      verdict,
    };
    expect(brokenPromises(run)).toEqual([
      '1 of 2 rounds were played',
      '1 requests failed',
      expect.stringMatching(/acknowledged puts were lost/),
    ]);
    expect(renderReport(run)).toMatch(/SKIPPED: freeze proxy[\s\S]*BROKEN: /);
  });

  it('refuse arguments that they do not know', () => {
    expect(parseRoundsOptions([])).toMatchObject({ rounds: 100, rate: 1_000 });
    expect(() => parseRoundsOptions(['--round', '5'])).toThrow(/unknown argument --round/);
    expect(() => parseRoundsOptions(['--rate', '0'])).toThrow(/--rate must be a whole number/);
  });
});
