import { ShardFileError } from '../base/errors.ts';
import type { ShardDirectory } from '../sharding/shard-directory.ts';
import { parseShardFile } from '../sharding/shard-file.ts';
import type { ShardMap } from '../sharding/shard-map.ts';
import type { Arguments } from './arguments.ts';
import type { Command, ExitCode, Terminal } from './command.ts';
import { counted, hex, percent, problemLines, row, sizeOf, wrapped } from './layout.ts';

export const checkCommand: Command = {
  name: 'shards check',
  summary: 'Says whether a shard file can be used, and what it deals to whom.',
  details: `Exit code 0: it can. 1: it cannot; every problem is listed with its path.
--json prints one object instead: { ok, version, namespaces } or
{ ok, problems }.`,
  positionals: ['FILE'],
  flags: ['json'],
  values: [],
  failure: (message) => ({ ok: false, problems: [{ path: '', message }] }),
  run: check,
};

async function check({ positionals, flags }: Arguments, terminal: Terminal): Promise<ExitCode> {
  const [file = ''] = positionals;
  const text = await terminal.readFile(file);
  try {
    const directory = parseShardFile(text);
    terminal.out(flags.has('json') ? JSON.stringify(summaryOf(directory)) : tableOf(file, directory));
    return 0;
  } catch (error) {
    if (!(error instanceof ShardFileError)) throw error;
    if (flags.has('json')) terminal.out(JSON.stringify({ ok: false, problems: error.problems }));
    else terminal.err(problemLines(file, error.problems));
    return 1;
  }
}

function summaryOf({ version, namespaces }: ShardDirectory): object {
  return {
    ok: true,
    version,
    namespaces: [...namespaces.values()].map((map) => ({
      namespace: map.namespace,
      partitioner: map.partitioner,
      bucketCount: map.bucketCount,
      digest: map.digest,
      shards: map.shards.map(({ name, number, cluster, group, nodes }) => {
        return {
          name,
          number,
          cluster,
          group,
          nodes: [...nodes.keys()],
          buckets: sizeOf(map.rangesOf(name)),
        };
      }),
    })),
  };
}

function tableOf(file: string, directory: ShardDirectory): string {
  const { version, shards, namespaces } = directory;
  const first = `${file}: good, version ${version}, ${counted(namespaces.size, 'namespace')}, ${counted(shards.length, 'shard')}`;
  return [wrapped(first, 2), ...[...namespaces.values()].flatMap(linesOf)].join('\n');
}

const widths = [28, 7, 9, 16];

function linesOf(map: ShardMap): readonly string[] {
  const head = `${map.namespace}: ${map.partitioner}, ${counted(map.bucketCount, 'bucket')}, digest ${hex(map.digest)}`;
  const rows = map.shards.map(({ name, number, nodes }) => {
    const buckets = sizeOf(map.rangesOf(name));
    const cells = [
      name,
      `#${number}`,
      counted(nodes.size, 'node'),
      counted(buckets, 'bucket'),
      percent(buckets, map.bucketCount),
    ];
    return row(cells, widths);
  });
  return ['', wrapped(head, 2), ...rows];
}
