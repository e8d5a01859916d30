import { isRaftsmanError, ReloadInProgressError } from '../base/errors.ts';
import type { Logger } from '../ports/logger.ts';
import type { RaftsmanProxy } from '../proxy/proxy.ts';
import { readSecretFile } from '../storage/file/secret-file.ts';
import { type Arguments, UsageError } from './arguments.ts';
import type { Command, ExitCode, Terminal } from './command.ts';
import { readProxyConfig } from './proxy-config.ts';

export const proxyCommand: Command = {
  name: 'proxy',
  summary: 'Runs a proxy: clients know only it, and it knows which shard owns a key.',
  details: `--config FILE is JSON: listen { host, port }, shards (path of the shard file),
name, secretFile or secretEnv, and clients { NAME: { secretFile or secretEnv,
may } }. Secrets stand in files that others cannot read, or in the environment.
--json prints one object a line.

SIGHUP reads the shard file again; SIGTERM and SIGINT close the proxy.
Exit code 0: closed by a signal. 1: it could not start: the configuration, a
secret file or the shard file is wrong, or the port is taken.`,
  positionals: [],
  flags: ['json'],
  values: ['config'],
  failure: (message) => ({ event: 'failed', message }),
  run: runProxy,
};

async function runProxy({ flags, values }: Arguments, terminal: Terminal): Promise<ExitCode> {
  const path = values.get('config');
  if (path === undefined) throw new UsageError('--config FILE is missing');
  const text = await terminal.readFile(path);
  const { say, logger } = voice(flags.has('json'), terminal);
  const signals = listen(terminal);
  try {
    const options = await readProxyConfig(text, path, { readSecretFile, env: terminal.env });
    // Loaded here: the other commands need neither sockets nor the router.
    const { startProxy } = await import('../start-proxy.ts');
    const proxy = await startProxy({ ...options, logger });
    await untilClosed(proxy, signals, say);
    return 0;
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error);
    say('failed', message, { message, code: isRaftsmanError(error) ? error.code : undefined });
    return 1;
  }
}

interface Signals {
  /** What SIGHUP does; one that comes before the proxy runs is kept for then. */
  onHangUp: () => void;
  wasHungUp: boolean;
  readonly end: Promise<string>;
}

/** A signal that comes during the start must not kill the process; one from before this is loaded, `main.ts` has kept. */
function listen(terminal: Terminal): Signals {
  const end = new Promise<string>((resolve) => {
    terminal.onSignal('SIGTERM', () => resolve('SIGTERM'));
    terminal.onSignal('SIGINT', () => resolve('SIGINT'));
  });
  const signals: Signals = {
    onHangUp: () => {
      signals.wasHungUp = true;
    },
    wasHungUp: false,
    end,
  };
  terminal.onSignal('SIGHUP', () => signals.onHangUp());
  return signals;
}

/** Resolves once a signal has closed it. */
async function untilClosed(proxy: RaftsmanProxy, signals: Signals, say: Say): Promise<void> {
  signals.onHangUp = () => void reload(proxy, say);
  const { address, mapVersion, shards } = proxy.status();
  const names = shards.map(({ name }) => name);
  say('started', `${proxy.name} listens at ${address}, map ${mapVersion}, shards ${names.join(', ')}`, {
    name: proxy.name,
    address,
    mapVersion,
    shards: names,
  });
  if (signals.wasHungUp) signals.onHangUp();
  const signal = await signals.end;
  signals.onHangUp = () => {};
  say('closing', `${signal}: clients are sent elsewhere`, { signal });
  await proxy.close();
  say('closed', 'closed', {});
}

/** What it did, and why it did not, the proxy itself says. */
async function reload(proxy: RaftsmanProxy, say: Say): Promise<void> {
  try {
    const { version, changed } = await proxy.reload();
    if (!changed) say('unchanged', `the shard file is the one in force, version ${version}`, { version });
  } catch (error) {
    if (error instanceof ReloadInProgressError) say('refused', error.message, { code: error.code });
  }
}

type Say = (event: string, text: string, data: object) => void;

/** One line for each event, also for what the library says itself. */
function voice(json: boolean, terminal: Terminal): { readonly say: Say; readonly logger: Logger } {
  const say: Say = (event, text, data) => {
    if (json) terminal.out(JSON.stringify({ event, ...data }));
    else if (event === 'failed') terminal.err(`raftsman: ${text}`);
    else terminal.out(text);
  };
  const log = (level: string, data: object, message: string): void => {
    const { message: why, ...details } = plain(data);
    if (json) terminal.out(JSON.stringify({ event: 'log', level, message, why, ...details }));
    else terminal.err(`${level}: ${message}${detailsOf(plain(data))}`);
  };
  const logger: Logger = {
    debug: () => {},
    info: (data, message) => log('info', data, message),
    warn: (data, message) => log('warn', data, message),
    error: (data, message) => log('error', data, message),
  };
  return { say, logger };
}

/** Errors keep their words only. */
function plain(data: object): Readonly<Record<string, unknown>> {
  return Object.fromEntries(
    Object.entries(data).map(([name, value]) => [name, value instanceof Error ? value.message : value]),
  );
}

function detailsOf(data: object): string {
  const details = Object.entries(data)
    .filter(([, value]) => value !== undefined)
    .map(([name, value]) => `${name} ${typeof value === 'string' ? value : JSON.stringify(value)}`);
  return details.length === 0 ? '' : ` (${details.join(', ')})`;
}
