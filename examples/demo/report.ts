import { type CallJournal, longestMs } from './call-log.ts';
import type { Links } from './links.ts';
import type { Claims } from './messages.ts';
import { row } from './report-row.ts';
import type { Settings } from './settings.ts';
import { renderShards, type ShardResult, shardPromises, shardResultOf } from './shard-report.ts';
import type { Verdict } from './verdict.ts';

/** The last line of `--json`, exactly these fields; with shards also those of a ShardResult. */
export interface Result extends Partial<ShardResult> {
  readonly tokens: number;
  readonly refreshed: number;
  readonly providerCalls: number;
  readonly lapsed: number;
  readonly suspects: number;
  readonly lostAnswers: number;
  readonly needsConsent: number;
  readonly revokedFamilies: number;
  readonly lostAcks: number;
  readonly doubleAcks: number;
  readonly failedOps: number;
  readonly leaderGapsMs: readonly number[];
  readonly releaseMs: number | null;
  readonly seconds: number;
}

export interface Run {
  readonly settings: Settings;
  readonly verdict: Verdict;
  readonly claims: Claims;
  readonly updaterCalls: CallJournal;
  /** Shard files that all proxies followed, and bad ones that all refused. */
  readonly reloads: { readonly followed: number; readonly refused: number };
  /** Undefined without shards, and on a machine that does not tell. */
  readonly links: Links | undefined;
  /** Processes that ended although nobody ended them, and the like. */
  readonly troubles: readonly string[];
}

const refreshesMin = 2;

export function resultOf(run: Run): Result {
  const { settings, verdict, claims } = run;
  const { refreshedAtLeast: _, remarks: __, leaderGapsMs, ...counts } = verdict;
  return {
    tokens: settings.tokens,
    refreshed: counts.refreshed,
    providerCalls: counts.providerCalls,
    lapsed: counts.lapsed,
    suspects: counts.suspects,
    lostAnswers: counts.lostAnswers,
    needsConsent: counts.needsConsent,
    revokedFamilies: counts.revokedFamilies,
    lostAcks: counts.lostAcks,
    doubleAcks: counts.doubleAcks,
    failedOps: failedOpsOf(claims),
    leaderGapsMs,
    releaseMs: counts.releaseMs,
    seconds: settings.seconds,
    ...shardResultOf(run),
  };
}

function failedOpsOf({ calls }: Claims): number {
  return calls.rejected + calls.tooSlow;
}

/** @returns a sentence for each promise that was broken; none if all held. */
export function brokenPromises(run: Run): readonly string[] {
  const { settings, verdict, claims, troubles } = run;
  const broken = [...troubles];
  const want = (holds: boolean, sentence: string) => {
    if (!holds) broken.push(sentence);
  };
  want(verdict.lostAcks === 0, `${verdict.lostAcks} acknowledged writes are not what the cluster holds`);
  want(verdict.doubleAcks === 0, `${verdict.doubleAcks} answers were stored twice`);
  const failedOps = failedOpsOf(claims);
  want(failedOps === 0, `${failedOps} calls of the front end failed or took over 2 s`);
  want(verdict.lapsed === 0, `${verdict.lapsed} access tokens lapsed`);
  want(
    verdict.revokedFamilies <= verdict.lostAnswers,
    `${verdict.revokedFamilies} families were revoked, but only ${verdict.lostAnswers} answers were lost`,
  );
  want(
    verdict.needsConsent <= verdict.lostAnswers,
    `${verdict.needsConsent} users must consent again, but only ${verdict.lostAnswers} answers were lost`,
  );
  want(
    verdict.suspects <= settings.concurrency,
    `${verdict.suspects} tokens were suspect; the killed updater had at most ${settings.concurrency} calls open`,
  );
  want(
    verdict.refreshedAtLeast >= refreshesMin,
    `a token was refreshed only ${verdict.refreshedAtLeast} times`,
  );
  want(verdict.leaderGapsMs.length === settings.shards, 'not every leader was killed');
  return [...broken, ...shardPromises(run)];
}

/** @returns the report for a person. */
export function renderReport(run: Run): string {
  const { settings, verdict, claims } = run;
  const broken = brokenPromises(run);
  const half = Math.floor(settings.tokens / 2);
  return [
    '',
    `${settings.tokens} tokens for ${settings.seconds} s, each valid for ${settings.lifetimeSeconds} s; ${half} with refresh tokens that rotate`,
    '',
    row('refreshed', verdict.refreshed, `each token at least ${verdict.refreshedAtLeast} times`),
    row('calls to the provider', verdict.providerCalls),
    row('reads of the front end', claims.reads, `slowest ${Math.round(longestMs(claims.calls.answered))} ms`),
    row('failed operations', failedOpsOf(claims)),
    row('access tokens lapsed', verdict.lapsed),
    row('acknowledged writes lost', verdict.lostAcks),
    row('answers stored twice', verdict.doubleAcks),
    '',
    row('leader killed: writes back after', `${verdict.leaderGapsMs.join(', ') || '-'} ms`),
    row(
      'updater killed: its work moved in',
      verdict.releaseMs === null ? '-' : `${verdict.releaseMs} ms`,
      verdict.releaseMs === null ? 'it held none that does not rotate' : 'tokens that do not rotate',
    ),
    row('suspect after the kill', verdict.suspects, `at most ${settings.concurrency}: its calls in flight`),
    row('answers that died with the updater', verdict.lostAnswers),
    row('families revoked', verdict.revokedFamilies, 'at most the answers that died'),
    row('users who must consent again', verdict.needsConsent),
    '',
    ...renderShards(run),
    ...(broken.length === 0
      ? ['Every promise held.']
      : ['BROKEN:', ...broken.map((sentence) => `  ${sentence}`)]),
    ...(broken.length === 0
      ? []
      : [...verdict.remarks, ...claims.calls.failures, ...run.updaterCalls.failures].map(
          (remark) => `    ${remark}`,
        )),
  ].join('\n');
}
