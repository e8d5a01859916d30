import type { Run } from './report.ts';
import { row } from './report-row.ts';
import { reloadsWanted } from './shard-plan.ts';

/** What the last line of `--json` has more with two shards. */
export interface ShardResult {
  readonly shards: number;
  /** Calls of the front end and of the updaters that rejected; an unknown outcome counts. */
  readonly requestsFailed: number;
  readonly appliedTwice: number;
  readonly longestWaitMs: number;
  readonly longestWaitBoundMs: number;
  /** p99 of the front end's calls to the shard whose leader lives, in the 2 s after a kill, as a factor of that before; the worst kill. */
  readonly otherShardP99Change: number | null;
  readonly otherShard: readonly { readonly quietP99Ms: number; readonly killP99Ms: number }[];
  /** Files that both proxies followed. */
  readonly reloads: number;
  /** Bad files that both proxies refused. */
  readonly reloadsRefused: number;
  /** Ends of links at the nodes; null on a machine that does not tell. */
  readonly links: number | null;
}

/**
 * The election bound: followers see the closed socket of a killed leader at once and elect another within tens of milliseconds; if
 * they did not see it, each would wait for its patience, which is twice `electionTimeoutMs` (1,000 ms, the default) at most.
 */
const electionMsMax = 2_000;
const marginMs = 100;
export const longestWaitBoundMs: number = electionMsMax + marginMs;

/** Three nodes for each shard; each has a link to the two others of its cluster and one from each proxy. */
const nodesPerShard = 3;
const proxies = 2;

export function linksWanted(shards: number): number {
  return nodesPerShard * shards * (nodesPerShard - 1 + proxies);
}

/** @returns nothing to report without shards. */
export function shardResultOf({ settings, verdict, reloads, links }: Run): Partial<ShardResult> {
  const { shards } = verdict;
  if (shards === undefined) return {};
  return {
    shards: settings.shards,
    requestsFailed: shards.requestsFailed,
    appliedTwice: shards.appliedTwice,
    longestWaitMs: Math.ceil(shards.longestWaitMs),
    longestWaitBoundMs,
    otherShardP99Change: shards.otherShardP99Change === null ? null : rounded(shards.otherShardP99Change),
    otherShard: shards.otherShard.map(({ quietP99Ms, killP99Ms }) => ({
      quietP99Ms: rounded(quietP99Ms),
      killP99Ms: rounded(killP99Ms),
    })),
    reloads: reloads.followed,
    reloadsRefused: reloads.refused,
    links: links?.count ?? null,
  };
}

/** @returns a sentence for each promise about shards that was broken. */
export function shardPromises({ settings, verdict, reloads, links }: Run): readonly string[] {
  const { shards } = verdict;
  if (shards === undefined) return settings.shards === 1 ? [] : ['nobody judged the shards'];
  const broken: string[] = [];
  const want = (holds: boolean, sentence: string) => {
    if (!holds) broken.push(sentence);
  };
  want(shards.requestsFailed === 0, `${shards.requestsFailed} requests failed at their caller`);
  want(shards.appliedTwice === 0, `${shards.appliedTwice} writes were applied twice`);
  const wait = Math.ceil(shards.longestWaitMs);
  want(wait > 0, 'no call was timed');
  want(wait <= longestWaitBoundMs, `a call waited ${wait} ms, the bound is ${longestWaitBoundMs} ms`);
  want(
    reloads.followed === reloadsWanted,
    `${reloads.followed} of ${reloadsWanted} shard files were followed`,
  );
  want(reloads.refused === 1, `${reloads.refused} of 1 bad shard files were refused`);
  const wanted = linksWanted(settings.shards);
  if (links !== undefined) {
    want(links.count === wanted, `the nodes have ${links.count} links, not ${wanted}`);
    want(links.strangers === 0, `${links.strangers} links of processes that should know only the proxies`);
  }
  return broken;
}

/** @returns the lines of the report for a person. */
export function renderShards({ settings, verdict, reloads, links }: Run): readonly string[] {
  const { shards } = verdict;
  if (shards === undefined) return [];
  const change = shards.otherShardP99Change;
  const pairs = shards.otherShard.map(
    ({ quietP99Ms, killP99Ms }) => `${rounded(quietP99Ms)} -> ${rounded(killP99Ms)}`,
  );
  return [
    row('requests that failed', shards.requestsFailed, 'unknown outcomes count'),
    row('writes applied twice', shards.appliedTwice),
    row('longest wait', `${Math.ceil(shards.longestWaitMs)} ms`, `bound: ${longestWaitBoundMs} ms`),
    row('p99 of the other shard', change === null ? '-' : `x ${rounded(change)}`, `${pairs.join(', ')} ms`),
    row('shard files followed', reloads.followed, `${reloads.refused} bad one refused`),
    row(
      'links at the nodes',
      links?.count ?? '-',
      links === undefined ? 'SKIPPED: no /proc here' : `3S(2+P) = ${linksWanted(settings.shards)}`,
    ),
    '',
  ];
}

function rounded(value: number): number {
  return value < 100 ? Math.round(value * 10) / 10 : Math.round(value);
}
