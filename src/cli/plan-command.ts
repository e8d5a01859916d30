import { ShardFileError, type ShardFileProblem } from '../base/errors.ts';
import { type Move, planMoves } from '../sharding/plan.ts';
import type { ShardDirectory } from '../sharding/shard-directory.ts';
import { parseShardFile } from '../sharding/shard-file.ts';
import type { ShardMap } from '../sharding/shard-map.ts';
import type { Arguments } from './arguments.ts';
import type { Command, ExitCode, Terminal } from './command.ts';
import { columnsMax, counted, percent, problemLines, rangesIn, row, sizeOf, wrapped } from './layout.ts';

export const planCommand: Command = {
  name: 'shards plan',
  summary: 'Says what moves when the shard file NEW takes over from OLD.',
  details: `Lists the moves of each namespace by pair of shards, with the share of all keys
that moves, and the share that moves between two shards that OLD has too: a
plan that only adds shards has none of those. Nothing is moved.
Exit code 0: NEW can follow OLD. 1: it cannot; every problem is listed.
--json prints one object instead: { ok, from, to, namespaces } or
{ ok, problems }.`,
  positionals: ['OLD', 'NEW'],
  flags: ['json'],
  values: [],
  failure: (message) => ({ ok: false, problems: [{ file: '', path: '', message }] }),
  run: plan,
};

interface FileProblem extends ShardFileProblem {
  readonly file: string;
}

async function plan({ positionals, flags }: Arguments, terminal: Terminal): Promise<ExitCode> {
  const [oldFile = '', newFile = ''] = positionals;
  const problems: FileProblem[] = [];
  const old = tried(oldFile, await terminal.readFile(oldFile), problems, parseShardFile);
  const next = tried(newFile, await terminal.readFile(newFile), problems, parseShardFile);
  if (old !== undefined && next !== undefined)
    tried(newFile, next, problems, (directory) => old.successor(directory));
  if (old === undefined || next === undefined || problems.length > 0) {
    if (flags.has('json')) terminal.out(JSON.stringify({ ok: false, problems }));
    else terminal.err(problems.map((problem) => problemLines(problem.file, [problem])).join('\n'));
    return 1;
  }
  const changes = changesOf(old, next);
  if (flags.has('json'))
    terminal.out(JSON.stringify({ ok: true, from: old.version, to: next.version, namespaces: changes }));
  else terminal.out([`version ${old.version} to ${next.version}`, ...changes.flatMap(linesOf)].join('\n'));
  return 0;
}

/** Adds to the list what makes it fail. */
function tried<T>(
  file: string,
  input: T,
  problems: FileProblem[],
  use: (input: T) => ShardDirectory,
): ShardDirectory | undefined {
  try {
    return use(input);
  } catch (error) {
    if (!(error instanceof ShardFileError)) throw error;
    problems.push(...error.problems.map((problem) => ({ file, ...problem })));
    return undefined;
  }
}

interface Change {
  readonly namespace: string;
  readonly isNew: boolean;
  readonly bucketCount: number;
  readonly bucketsMoved: number;
  /** Of all keys, 0 to 1. */
  readonly keysMoved: number;
  /** The part of `keysMoved` between shards that both files have. */
  readonly betweenOldShards: number;
  readonly moves: readonly (Move & { readonly buckets: number })[];
}

function changesOf(old: ShardDirectory, next: ShardDirectory): readonly Change[] {
  const all = planMoves(old, next).map((move) => ({ ...move, buckets: sizeOf(move.ranges) }));
  return [...next.namespaces.values()].map((map) => {
    const { namespace } = map;
    return changeOf(
      map,
      old.namespaces.get(namespace),
      all.filter((move) => move.namespace === namespace),
    );
  });
}

function changeOf(map: ShardMap, before: ShardMap | undefined, moves: Change['moves']): Change {
  const known = new Set(before?.shards.map(({ name }) => name));
  const sum = (some: Change['moves']) => some.reduce((total, { buckets }) => total + buckets, 0);
  const bucketsMoved = sum(moves);
  return {
    namespace: map.namespace,
    isNew: before === undefined,
    bucketCount: map.bucketCount,
    bucketsMoved,
    keysMoved: bucketsMoved / map.bucketCount,
    betweenOldShards: sum(moves.filter(({ to }) => known.has(to))) / map.bucketCount,
    moves,
  };
}

const pairWidth = 40;
const countWidth = 14;

function linesOf({
  namespace,
  isNew,
  bucketCount,
  bucketsMoved,
  betweenOldShards,
  moves,
}: Change): readonly string[] {
  if (isNew) return ['', wrapped(`${namespace}: new, nothing moves`, 2)];
  if (moves.length === 0) return ['', `${namespace}: nothing moves`];
  const between = Math.round(betweenOldShards * bucketCount);
  const head = [
    `${namespace}:`,
    `  ${bucketsMoved} of ${counted(bucketCount, 'bucket')} move, ${percent(bucketsMoved, bucketCount)} of the keys`,
    `  ${between} of them between shards that OLD has too, ${percent(between, bucketCount)} of the keys`,
  ];
  const rows = moves.map(({ from, to, buckets, ranges }) => {
    const rest = rangesIn(ranges, columnsMax - pairWidth - countWidth - 4);
    const pair = wrapped(`  ${from} -> ${to}`, 4).trimStart();
    return row([pair, counted(buckets, 'bucket'), rest], [pairWidth, countWidth, 0]);
  });
  return ['', ...head, ...rows];
}
