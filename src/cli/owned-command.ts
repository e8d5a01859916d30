import type { ShardOwnership } from '../client/router/types.ts';
import type { OwnershipReport } from '../read-ownership.ts';
import type { BucketRange } from '../sharding/types.ts';
import { readSecretFile } from '../storage/file/secret-file.ts';
import { type Arguments, UsageError } from './arguments.ts';
import type { Command, ExitCode, Terminal } from './command.ts';
import { rangeTexts, wrapped } from './layout.ts';
import { readAccess } from './proxy-config.ts';

export const ownedCommand: Command = {
  name: 'shards owned',
  summary: 'Asks every shard which buckets it owns, and which of them are in use.',
  details: `--config FILE is that of raftsman proxy: its shard file says which shards there
are, and its account at their nodes needs admin. Each shard says by its own log
which version of the map it follows, which buckets it owns, which it ceded to
others, and which are occupied by a task, a lease or a remembered answer and
cannot move. Nothing is changed, and no port is opened.
Exit code 0: all have answered. 1: one has not, within 5 s, or refuses the
account; or the configuration, the secret file or the shard file is wrong.
--json prints one object instead: { ok, shards } or { ok, shards, problems }.`,
  positionals: [],
  flags: ['json'],
  values: ['config'],
  failure: (message) => ({ ok: false, shards: [], problems: [{ shard: '', message }] }),
  run: owned,
};

async function owned({ flags, values }: Arguments, terminal: Terminal): Promise<ExitCode> {
  const path = values.get('config');
  if (path === undefined) throw new UsageError('--config FILE is missing');
  const text = await terminal.readFile(path);
  const access = await readAccess(text, path, { readSecretFile, env: terminal.env });
  // Loaded here: the other commands need neither sockets nor the router.
  const { readOwnership } = await import('../read-ownership.ts');
  const report = await readOwnership(access);
  const ok = report.problems.length === 0;
  if (flags.has('json')) terminal.out(JSON.stringify(ok ? { ok, shards: report.shards } : { ok, ...report }));
  else show(report, terminal);
  return ok ? 0 : 1;
}

function show({ shards, problems }: OwnershipReport, terminal: Terminal): void {
  if (shards.length > 0) terminal.out(shards.map(ownershipLines).join('\n'));
  for (const { message } of problems) terminal.err(wrapped(`raftsman: ${message}`, 2));
}

/** In lines of at most 80 columns. */
export function ownershipLines(shard: ShardOwnership): string {
  const { name, number, namespace, mapVersion, owned, ceded, occupied } = shard;
  const owners = [...new Set(ceded.map(({ owner }) => owner))];
  const lines = [
    `  owned: ${listOf(owned)}`,
    ...owners.map(
      (owner) => `  ceded to ${owner}: ${listOf(ceded.filter((range) => range.owner === owner))}`,
    ),
    `  occupied: ${listOf(occupied)}`,
  ];
  const map = mapVersion === 0 ? 'no map yet' : `map ${mapVersion}`;
  return [`${name}: #${number} of ${namespace}, ${map}`, ...lines].map((line) => wrapped(line, 4)).join('\n');
}

function listOf(ranges: readonly BucketRange[]): string {
  return rangeTexts(ranges).join(', ') || 'nothing';
}
