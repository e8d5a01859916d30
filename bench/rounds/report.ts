import type { Verdict } from './judge.ts';
import type { RoundsOptions } from './options.ts';

export interface Run {
  readonly options: RoundsOptions;
  /** Rounds that were played to their end. */
  readonly rounds: number;
  readonly seconds: number;
  readonly withheld: number;
  readonly skipped: readonly string[];
  /** Processes that ended although nobody ended them, and rounds after which it did not become well again. */
  readonly troubles: readonly string[];
  readonly verdict: Verdict;
}

/** The last line of `--json`. */
export function resultOf({ options, rounds, seconds, withheld, skipped, verdict }: Run): object {
  const { remarks: _, ...counts } = verdict;
  const perSecond = Math.round(verdict.requests / seconds);
  return {
    rounds,
    seed: options.seed,
    ...counts,
    perSecond,
    seconds: Math.round(seconds),
    withheld,
    skipped,
  };
}

/** @returns a sentence for each promise that was broken; none if all held. */
export function brokenPromises({ options, rounds, troubles, verdict }: Run): readonly string[] {
  const broken = [...troubles];
  const want = (holds: boolean, sentence: string): void => {
    if (!holds) broken.push(sentence);
  };
  want(rounds === options.rounds, `${rounds} of ${options.rounds} rounds were played`);
  want(verdict.requests > 0, 'no request was made');
  want(verdict.failed === 0, `${verdict.failed} requests failed`);
  want(verdict.appliedTwice === 0, `${verdict.appliedTwice} puts were applied twice`);
  want(verdict.lost === 0, `${verdict.lost} acknowledged puts were lost`);
  want(verdict.staleReads === 0, `${verdict.staleReads} reads missed an acknowledged put`);
  return broken;
}

export function renderReport(run: Run): string {
  const { options, rounds, seconds, withheld, skipped, verdict } = run;
  const broken = brokenPromises(run);
  const rate = Math.round(verdict.requests / seconds);
  const slowest = Object.entries(verdict.slowestMs).map(
    ([kind, { rounds: n, p50, max }]) => `  ${kind.padEnd(24)}${cells([n, p50, max], 10)}`,
  );
  return [
    '',
    `${rounds} rounds, seed ${options.seed}: ${verdict.requests} requests in ${Math.round(seconds)} s, ${rate} a second, ${withheld} withheld`,
    `  failed ${verdict.failed}, applied twice ${verdict.appliedTwice}, lost ${verdict.lost}, stale reads ${verdict.staleReads}`,
    '',
    `  ${'slowest call, ms'.padEnd(24)}${['rounds', 'p50', 'max'].map((cell) => cell.padStart(10)).join('')}`,
    ...slowest,
    ...skipped.map((what) => `  SKIPPED: ${what}`),
    ...verdict.remarks.map((remark) => `  - ${remark}`),
    '',
    broken.length === 0 ? 'Every promise held.' : `BROKEN: ${broken.join('; ')}.`,
  ].join('\n');
}

function cells(values: readonly number[], width: number): string {
  return values.map((value) => String(value).padStart(width)).join('');
}
