import { nearest } from '../base/nearest.ts';
import { readArguments, UsageError } from './arguments.ts';
import type { Command, ExitCode, Terminal } from './command.ts';
import { wrapped } from './layout.ts';

/** Runs one command line; never throws. */
export async function run(
  args: readonly string[],
  commands: readonly Command[],
  version: string,
  terminal: Terminal,
): Promise<ExitCode> {
  try {
    return await dispatch(args, commands, version, terminal);
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error);
    const asked = args.includes('--json') ? named(args, commands) : undefined;
    // A person reads this: no stack.
    if (asked === undefined) terminal.err(`raftsman: ${message}`);
    else terminal.out(JSON.stringify(asked.failure(message)));
    return error instanceof UsageError ? 2 : 1;
  }
}

async function dispatch(
  args: readonly string[],
  commands: readonly Command[],
  version: string,
  terminal: Terminal,
): Promise<ExitCode> {
  const [first] = args;
  if (first === undefined) throw new UsageError('which command? raftsman --help lists them');
  if (first === 'help' && args.length > 1)
    return dispatch([...args.slice(1), '--help'], commands, version, terminal);
  const asked = helpOf(args, commands);
  if (asked !== undefined || first === '--version') {
    terminal.out(asked ?? version);
    return 0;
  }
  const command = commandOf(args, commands);
  const rest = args.slice(command.name.split(' ').length);
  if (!rest.includes('--help') && !rest.includes('-h'))
    return command.run(readArguments(rest, command), terminal);
  terminal.out(`usage: raftsman ${usageOf(command)}\n\n${command.summary}\n\n${command.details}`);
  return 0;
}

/** The overview, of all commands or of a family; undefined if something else was asked. */
function helpOf(
  [first = '', second = '']: readonly string[],
  commands: readonly Command[],
): string | undefined {
  if (['--help', '-h', 'help'].includes(first)) return overview(commands);
  const family = commands.filter(({ name }) => name.startsWith(`${first} `));
  return ['--help', '-h'].includes(second) && family.length > 0 ? overview(family) : undefined;
}

function named(args: readonly string[], commands: readonly Command[]): Command | undefined {
  return commands.find(({ name }) => name.split(' ').every((word, at) => word === args[at]));
}

function commandOf(args: readonly string[], commands: readonly Command[]): Command {
  const found = named(args, commands);
  if (found !== undefined) return found;
  const [first = '', second = ''] = args;
  if (first.startsWith('-')) throw new UsageError(`unknown option ${first}; options follow the command`);
  const names = commands.map(({ name }) => name);
  const family = names.filter((name) => name.startsWith(`${first} `));
  if (family.length > 0 && (second === '' || second.startsWith('-')))
    throw new UsageError(`${first} what? ${family.join(', ')}`);
  const heads = names.map((name) => name.split(' ')[0] ?? name);
  const near = nearest(`${first} ${second}`.trim(), names) ?? nearest(first, heads);
  const advice = near === undefined ? 'see raftsman --help' : `did you mean ${near}?`;
  throw new UsageError(`unknown command ${family.length > 0 ? `${first} ${second}` : first}; ${advice}`);
}

function overview(commands: readonly Command[]): string {
  const lines = commands.flatMap((command) => [
    `  raftsman ${usageOf(command)}`,
    wrapped(`      ${command.summary}`, 6),
  ]);
  return [
    'The command of raftsman: shard files and proxies.',
    '',
    ...lines,
    '',
    '  raftsman --version, raftsman --help, raftsman COMMAND --help',
    '',
    'Exit codes: 0 done, 1 what was looked at is wrong, 2 the command line is wrong',
    'or names a file that cannot be read.',
  ].join('\n');
}

/** `shards check FILE [--json]`; an option with a value is one that the command cannot do without. */
function usageOf({ name, positionals, values, flags }: Command): string {
  const options = [...values.map((value) => `--${value} FILE`), ...flags.map((flag) => `[--${flag}]`)];
  return [name, ...positionals, ...options].join(' ');
}
