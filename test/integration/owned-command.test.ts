import { spawn } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { ProxyWorld, secrets, soon, tokensOf, until } from './proxy-world.ts';

const main = fileURLToPath(new URL('../../src/cli/main.ts', import.meta.url));
let world: ProxyWorld;

beforeEach(async () => {
  world = await ProxyWorld.start();
});
afterEach(() => world.stop());

/** `raftsman shards owned` as a process, with the configuration of a proxy whose clients' secrets are not at hand. */
function owned(secret: string, ...more: readonly string[]) {
  const path = join(world.directory, 'edge.json');
  const config = {
    listen: { host: '127.0.0.1', port: world.ports[0] },
    shards: 'shards.json',
    name: 'edge',
    secretEnv: 'PROXY_SECRET',
    clients: { app: { secretEnv: 'NOT_SET', may: [] } },
  };
  writeFileSync(path, JSON.stringify(config));
  const args = ['--import', 'tsx', main, 'shards', 'owned', '--config', path, ...more];
  const child = spawn(process.execPath, args, { env: { ...process.env, PROXY_SECRET: secret } });
  let stdout = '';
  let stderr = '';
  child.stdout.on('data', (chunk) => {
    stdout += String(chunk);
  });
  child.stderr.on('data', (chunk) => {
    stderr += String(chunk);
  });
  return new Promise<{ readonly code: number | null; readonly stdout: string; readonly stderr: string }>(
    (resolve) => child.on('close', (code) => resolve({ code, stdout, stderr })),
  );
}

it('says what each shard owns and which buckets are in use, and changes nothing', async () => {
  const none = 'one: #1 of default, no map yet\n  owned: nothing\n  occupied: nothing\n';
  const both = none + none.replace('one: #1', 'two: #2');
  expect(await owned(secrets.proxy)).toEqual({ code: 0, stdout: both, stderr: '' });
  expect(await owned(secrets.proxy)).toEqual({ code: 0, stdout: both, stderr: '' });
  const proxy = await world.proxy();
  await until(() => proxy.status().claimed);
  const client = await world.client(proxy);
  await tokensOf(client).put({ id: 'anna', payload: 'x', expiresAt: soon() });
  const { bucket } = await client.explain('tokens', 'anna');
  expect(bucket).toBeGreaterThan(8_191);
  expect(await owned(secrets.proxy)).toEqual({
    code: 0,
    stdout: [
      'one: #1 of default, map 1',
      '  owned: 0-8191',
      '  ceded to two: 8192-16383',
      '  occupied: nothing',
      'two: #2 of default, map 1',
      '  owned: 8192-16383',
      '  ceded to one: 0-8191',
      `  occupied: ${bucket}`,
      '',
    ].join('\n'),
    stderr: '',
  });
  const { stdout } = await owned(secrets.proxy, '--json');
  expect(JSON.parse(stdout)).toEqual({ ok: true, shards: await proxy.ownership() });
});

it('says which shard does not answer, and what the others own', async () => {
  await world.nodes.get('two')?.close();
  const [words, object] = await Promise.all([owned(secrets.proxy), owned(secrets.proxy, '--json')]);
  expect(words).toMatchObject({ code: 1, stdout: expect.stringMatching(/^one: #1 [^:]*:/) });
  expect(words.stderr).toMatch(/^raftsman: shard two/);
  expect(object).toMatchObject({ code: 1, stderr: '' });
  expect(JSON.parse(object.stdout)).toMatchObject({
    ok: false,
    shards: [{ name: 'one' }],
    problems: [{ shard: 'two', code: 'DEADLINE_EXCEEDED' }],
  });
});

it('says that the account may not ask, or is not known', async () => {
  const [plain, stranger] = await Promise.all([
    owned(secrets.plain),
    owned('a secret that no node knows at all'),
  ]);
  expect(plain).toMatchObject({ code: 1, stdout: '' });
  expect(plain.stderr).toMatch(/raftsman: shard one: .*admin/);
  expect(stranger).toMatchObject({ code: 1, stdout: '' });
  expect(stranger.stderr).toMatch(
    /^raftsman: shard one: .*wrongSecret\nraftsman: shard two: .*wrongSecret\n$/s,
  );
});
