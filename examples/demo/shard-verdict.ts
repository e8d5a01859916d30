import { type AnsweredCall, longestMs } from './call-log.ts';
import { homeOf } from './shard-plan.ts';
import type { Evidence, Kill } from './verdict.ts';

/** Tasks that the leader of one cluster counts in the end, by queue. */
export interface TaskCounts {
  readonly tokens: number;
  readonly probes: number;
}

/** A key that was written all the time, as its cluster has it in the end; undefined if it has not. */
export interface FinalMark {
  readonly id: string;
  readonly version: number | undefined;
}

/** How the calls to the other shard fared around the kill of a leader. */
export interface OtherShard {
  readonly quietP99Ms: number;
  readonly killP99Ms: number;
}

/** What is judged of two shards beyond one. */
export interface ShardVerdict {
  readonly requestsFailed: number;
  readonly appliedTwice: number;
  readonly longestWaitMs: number;
  /** The worst of the kills, as a factor; null if there were too few calls to say. */
  readonly otherShardP99Change: number | null;
  readonly otherShard: readonly OtherShard[];
}

/** What the court found of the tokens before. */
export interface Findings {
  readonly doubleAcks: number;
  /** Says why, too. */
  lose(count: number, why: string): void;
  remark(text: string): void;
}

/** The calls of so long before a kill are what is normal, those of so long after it are compared. */
const quietMs = 3_000;
const afterKillMs = 2_000;
const callsMin = 100;

/** Every write raises the version of its key by one, and every key is in one cluster: more is twice, less is lost. */
export function judgeShards(evidence: Evidence, findings: Findings): ShardVerdict {
  const { claims, updaterCalls } = evidence.testimony;
  const twice = (count: number, why: string): number => {
    if (count > 0) findings.remark(why);
    return Math.max(0, count);
  };
  let appliedTwice = findings.doubleAcks;
  for (const [id, version] of Object.entries(claims.puts))
    appliedTwice += twice(version - 1, `${id} was put once, and then had version ${version}`);
  for (const { id, ackedAt, failed } of claims.marks) {
    const version = evidence.marks.find((mark) => mark.id === id)?.version ?? 0;
    const said = `${id} has version ${version} after ${ackedAt.length} acknowledged and ${failed} failed writes`;
    appliedTwice += twice(version - ackedAt.length - failed, said);
    findings.lose(ackedAt.length - version, said);
  }
  for (const [home, counts] of evidence.counts.entries()) {
    for (const queue of ['tokens', 'probes'] as const) {
      const expected = expectedIn(evidence, home, queue);
      const said = `cluster ${home + 1} holds ${counts[queue]} ${queue}, not ${expected}`;
      appliedTwice += twice(counts[queue] - expected, said);
      findings.lose(expected - counts[queue], said);
    }
  }
  const otherShard = evidence.kills
    .filter(({ what }) => what === 'leader')
    .map((kill) => compareOther(claims.calls.answered, kill));
  const told = otherShard.filter((other) => other !== undefined);
  return {
    requestsFailed: claims.calls.rejected + updaterCalls.rejected,
    appliedTwice,
    longestWaitMs: longestMs([...claims.calls.answered, ...updaterCalls.answered]),
    otherShardP99Change: told.length === 0 ? null : Math.max(...told.map(changeOf)),
    otherShard: told,
  };
}

function expectedIn({ counts, testimony }: Evidence, home: number, queue: keyof TaskCounts): number {
  const { claims, probes } = testimony;
  if (queue === 'probes') return claims.probed.filter((id) => probes[id] === home).length;
  return Object.keys(claims.puts).filter((id) => homeOf(id, counts.length) === home).length;
}

function compareOther(calls: readonly AnsweredCall[], kill: Kill): OtherShard | undefined {
  const others = calls.filter(([, , home]) => home !== kill.home);
  const between = (from: number, to: number): readonly AnsweredCall[] =>
    others.filter(([at]) => at >= from && at < to);
  const quiet = between(kill.at - quietMs, kill.at);
  const after = between(kill.at, kill.at + afterKillMs);
  if (quiet.length < callsMin || after.length < callsMin) return undefined;
  return { quietP99Ms: p99(quiet), killP99Ms: p99(after) };
}

function changeOf({ quietP99Ms, killP99Ms }: OtherShard): number {
  return killP99Ms / quietP99Ms;
}

function p99(calls: readonly AnsweredCall[]): number {
  const sorted = calls.map(([, tookMs]) => tookMs).sort((one, other) => one - other);
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * 0.99))] ?? 0;
}
