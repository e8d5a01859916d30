import { chmodSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Terminal } from '../../src/cli/command.ts';
import { proxyCommand } from '../../src/cli/proxy-command.ts';
import { run } from '../../src/cli/run.ts';

const proxySecret = 'the secret of the proxies at the nodes, long';
const appSecret = 'the secret of an application at the proxies';
let directory: string;
let out: string[];
let err: string[];

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'raftsman-cli-'));
  out = [];
  err = [];
});
afterEach(() => rmSync(directory, { recursive: true, force: true }));

function terminal(onSignal: Terminal['onSignal'] = () => {}): Terminal {
  return {
    out: (text) => out.push(text),
    err: (text) => err.push(text),
    readFile: async (path) => readFileSync(path, 'utf8'),
    env: { APP_SECRET: appSecret },
    onSignal,
  };
}

/** A configuration that works, but for `more`. */
function configure(more: object = {}, text?: string): string {
  const secretPath = join(directory, 'proxy.secret');
  writeFileSync(secretPath, `${proxySecret}\n`);
  chmodSync(secretPath, 0o600);
  const shard = { number: 1, cluster: 'c', nodes: { a: 'ws://127.0.0.1:1' } };
  const map = {
    version: 1,
    namespaces: { default: { shards: { one: { ...shard, buckets: ['0-16383'] } } } },
  };
  writeFileSync(join(directory, 'shards.json'), JSON.stringify(map));
  const path = join(directory, 'proxy.json');
  const config = {
    listen: { host: '127.0.0.1', port: 0 },
    shards: 'shards.json',
    name: 'edge',
    secretFile: 'proxy.secret',
    clients: { app: { secretEnv: 'APP_SECRET', may: ['put'] } },
    watch: false,
    ...more,
  };
  writeFileSync(path, text ?? JSON.stringify(config));
  return path;
}

const start = (args: readonly string[], io: Terminal = terminal()): Promise<number> =>
  run(['proxy', ...args], [proxyCommand], '1.2.3', io);

describe('raftsman proxy', () => {
  it('keeps the words of a log line apart from those of what it tells of', async () => {
    const signals = new Map<string, () => void>();
    const ended = start(
      ['--config', configure(), '--json'],
      terminal((name, callback) => signals.set(name, callback)),
    );
    while (out.length === 0) await new Promise((resolve) => setTimeout(resolve, 5));
    writeFileSync(join(directory, 'shards.json'), '{');
    signals.get('SIGHUP')?.();
    const refused = (): string | undefined => out.find((line) => line.includes('SHARD_FILE'));
    while (refused() === undefined) await new Promise((resolve) => setTimeout(resolve, 5));
    signals.get('SIGTERM')?.();
    await ended;
    expect(JSON.parse(refused() ?? '')).toMatchObject({
      event: 'log',
      level: 'error',
      message: 'the map of shards was not reloaded; the one before it stays in force',
      code: 'SHARD_FILE',
      why: expect.stringMatching(/./),
    });
  });

  it('runs until it is told to end', async () => {
    const signals = new Map<string, () => void>();
    const ended = start(
      ['--config', configure()],
      terminal((name, callback) => signals.set(name, callback)),
    );
    while (out.length === 0) await new Promise((resolve) => setTimeout(resolve, 5));
    expect(out).toEqual([
      expect.stringMatching(/^edge listens at ws:\/\/127\.0\.0\.1:\d+, map 1, shards one$/),
    ]);
    signals.get('SIGHUP')?.();
    while (out.length < 2) await new Promise((resolve) => setTimeout(resolve, 5));
    signals.get('SIGINT')?.();
    expect(await ended).toBe(0);
    expect(out.slice(1)).toEqual([
      'the shard file is the one in force, version 1',
      'SIGINT: clients are sent elsewhere',
      'closed',
    ]);
  });

  it('reads the shard file again for a SIGHUP that came while it started', async () => {
    const signals = new Map<string, () => void>();
    const ended = start(
      ['--config', configure()],
      terminal((name, callback) => {
        signals.set(name, callback);
        if (name === 'SIGHUP') callback();
      }),
    );
    while (out.length < 2) await new Promise((resolve) => setTimeout(resolve, 5));
    signals.get('SIGTERM')?.();
    expect(await ended).toBe(0);
    expect(out[1]).toBe('the shard file is the one in force, version 1');
  });

  it.each([
    ['an unknown option', { listne: {} }, /did you mean listen/],
    ['a secret in the file itself', { secret: proxySecret }, /unknown option secret/],
    ['two places for one secret', { secretEnv: 'APP_SECRET' }, /one of the two/],
    ['no place for a secret', { clients: { app: { may: ['put'] } } }, /clients\.app\.secretFile/],
    ['no account', { clients: {} }, /clients is empty/],
    ['no accounts at all', { clients: undefined }, /clients must be/],
    ['an account of another shape', { clients: { app: 'x' } }, /clients\.app must be/],
    ['an unknown option of an account', { clients: { app: { secretEnv: 'A', mya: [] } } }, /did you mean/],
    ['a variable that is not set', { clients: { app: { secretEnv: 'NO_SUCH', may: [] } } }, /NO_SUCH/],
    ['a permission that is none', { clients: { app: { secretEnv: 'APP_SECRET', may: ['all'] } } }, /"all"/],
    ['a secret file that is away', { secretFile: 'gone.secret' }, /gone\.secret/],
    ['a shard file that is away', { shards: 'gone.json' }, /gone\.json/],
    ['a shard file that is none', { shards: 'proxy.secret' }, /not JSON/],
    ['no shard file', { shards: undefined }, /shards is missing/],
    ['a listener beyond loopback', { listen: { host: '0.0.0.0', port: 0 } }, /beyond loopback/],
    ['no name', { name: undefined }, /name is missing/],
    ['watch that is no boolean', { watch: 'yes' }, /watch/],
  ])('does not start with %s, and says why in one line', async (_, more, why) => {
    expect(await start(['--config', configure(more)])).toBe(1);
    expect(out).toEqual([]);
    expect(err).toEqual([expect.stringMatching(why)]);
    expect(err.join()).not.toContain(proxySecret);
    expect(err.join()).not.toContain('\n');
  });

  it.each([
    ['not JSON', '{ "name": ', /line 1, column \d+: not JSON/],
    ['a list', '[]', /one object/],
    ['twice the same key', '{ "name": "a", "name": "b" }', /name/],
  ])('does not start with a configuration that is %s', async (_, text, why) => {
    expect(await start(['--config', configure({}, text)])).toBe(1);
    expect(err).toEqual([expect.stringMatching(why)]);
  });

  it('refuses a secret file that others can read or its group can write, as ssh does', async () => {
    const config = configure();
    for (const [mode, good] of [
      [0o600, true],
      [0o640, true],
      [0o644, false],
      [0o604, false],
      [0o660, false],
    ] as const) {
      chmodSync(join(directory, 'proxy.secret'), mode);
      let told = (): void => {};
      const io = terminal((name, callback) => {
        if (name === 'SIGINT') told = callback;
      });
      const toldBefore = err.length;
      const ended = start(['--config', config], io);
      if (good) {
        const count = out.length;
        while (out.length === count) await new Promise((resolve) => setTimeout(resolve, 5));
        told();
      }
      expect(await ended, mode.toString(8)).toBe(good ? 0 : 1);
      // One that starts may also have something to say of its shards.
      const told0600 = err.slice(toldBefore).map((line) => line.includes('chmod 0600'));
      expect(told0600.includes(true), mode.toString(8)).toBe(!good);
    }
  });

  it('says in JSON what failed', async () => {
    expect(await start(['--json', '--config', configure({ clients: {} })])).toBe(1);
    expect(out.map((line) => JSON.parse(line))).toEqual([
      { event: 'failed', message: expect.stringContaining('clients is empty'), code: 'INVALID_OPTION' },
    ]);
  });

  it.each([
    ['no configuration', [], /--config FILE is missing/],
    ['an unknown option', ['--confg', 'x'], /--config/],
    ['no file name', ['--config'], /needs a value/],
  ])('calls %s wrong usage', async (_, args, why) => {
    expect(await start(args)).toBe(2);
    expect(err).toEqual([expect.stringMatching(why)]);
  });
});
