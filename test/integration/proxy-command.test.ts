import { chmodSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { connect } from '../../src/connect.ts';
import { ProxyProcess } from './proxy-processes.ts';
import { codec, everything, ProxyWorld, secrets, soon, until } from './proxy-world.ts';

let world: ProxyWorld;
const processes: ProxyProcess[] = [];

beforeEach(async () => {
  world = await ProxyWorld.start();
});
afterEach(async () => {
  for (const each of processes) each.signal('SIGKILL');
  await Promise.all(processes.splice(0).map(({ exited }) => exited));
  await world.stop();
});

/** A configuration with its secrets: one in a file, one in the environment. */
function configure(name: string, more: object = {}, secretMode = 0o600): string {
  const secretPath = join(world.directory, `${name}.secret`);
  writeFileSync(secretPath, `${secrets.proxy}\n`);
  chmodSync(secretPath, secretMode);
  const path = join(world.directory, `${name}.json`);
  const config = {
    listen: { host: '127.0.0.1', port: 0 },
    shards: 'shards.json',
    name,
    secretFile: `${name}.secret`,
    clients: { app: { secretEnv: 'APP_SECRET', may: everything } },
    ...more,
  };
  writeFileSync(path, JSON.stringify(config));
  return path;
}

function run(config: string, before?: string): ProxyProcess {
  const started = new ProxyProcess(config, { APP_SECRET: secrets.app }, before);
  processes.push(started);
  return started;
}

async function started(name: string, more: object = {}): Promise<ProxyProcess> {
  const proxy = run(configure(name, more));
  await until(() => proxy.has('started'), 15_000);
  return proxy;
}

/** A module by which a process gets a SIGHUP when `main.ts` asks for the first module of its own. */
const hook = `export function resolve(specifier, context, next) {
  const isFirst = context.parentURL?.endsWith('/cli/main.ts') && specifier.startsWith('.');
  if (isFirst) process.kill(process.pid, 'SIGHUP');
  return next(specifier, context);
}`;
const hangsUpFirst = moduleOf(
  `import { register } from 'node:module'; register(${JSON.stringify(moduleOf(hook))});`,
);

function moduleOf(code: string): string {
  return `data:text/javascript,${encodeURIComponent(code)}`;
}

describe('raftsman proxy', () => {
  it('survives the death of one of two proxies with 200 requests in flight: no error, nothing twice', async () => {
    const proxies = await Promise.all([started('east'), started('west')]);
    await using client = await connect({
      endpoints: proxies.map(({ address }) => address),
      name: 'app',
      secret: secrets.app,
    });
    const tokens = client.queue('tokens', { codec });
    let isOver = false;
    const ids: string[] = [];
    const writers = Array.from({ length: 200 }, async (_, writer) => {
      for (let i = 0; !isOver; i++) {
        const id = `w${writer}-${i}`;
        ids.push(id);
        await tokens.put({ id, payload: id, expiresAt: soon() });
      }
    });
    await until(() => ids.length > 1_000);
    for (const proxy of proxies) {
      // One of them has the client; when it is dead, the other has.
      const before = ids.length;
      if (proxy === proxies[0]) proxy.signal('SIGKILL');
      await until(() => ids.length > before + 1_000, 10_000);
    }
    isOver = true;
    await Promise.all(writers);
    const versions = new Set<number | undefined>();
    for (let from = 0; from < ids.length; from += 500) {
      const records = await Promise.all(ids.slice(from, from + 500).map((id) => tokens.get(id)));
      for (const record of records) versions.add(record?.version);
    }
    expect(versions).toEqual(new Set([1]));
  });

  it('reads its shard file again on SIGHUP and closes on SIGTERM', async () => {
    const proxy = await started('edge', { watch: false });
    expect(proxy.events[0]).toMatchObject({
      event: 'started',
      name: 'edge',
      mapVersion: 1,
      shards: ['one', 'two'],
    });
    proxy.signal('SIGHUP');
    await until(() => proxy.has('unchanged'));
    world.write(world.map(2));
    proxy.signal('SIGHUP');
    await until(() => proxy.has('log', (line) => 'version' in line && line.version === 2));
    world.write('nonsense');
    proxy.signal('SIGHUP');
    await until(() => proxy.has('log', (line) => 'code' in line && line.code === 'SHARD_FILE'));
    world.write(world.map(2));
    proxy.signal('SIGHUP');
    const isCured = (line: object): boolean => 'message' in line && /in force again$/.test(`${line.message}`);
    await until(() => proxy.has('log', isCured));
    proxy.signal('SIGTERM');
    expect(await proxy.exited).toBe(0);
    expect(proxy.has('closed')).toBe(true);
    expect(JSON.stringify(proxy.events) + proxy.errors).not.toContain('secret of');
  });

  it('takes a SIGHUP for a reload from the moment on in which its first module runs', async () => {
    const proxy = run(configure('edge', { watch: false }), hangsUpFirst);
    await until(() => proxy.has('unchanged'), 15_000);
    expect(proxy.events[0]).toMatchObject({ event: 'started' });
    proxy.signal('SIGTERM');
    expect(await proxy.exited).toBe(0);
  });

  it('lives on when nobody reads what it says any more', async () => {
    const proxy = await started('edge', { watch: false });
    await using client = await connect({ endpoints: [proxy.address], name: 'app', secret: secrets.app });
    const tokens = client.queue('tokens', { codec });
    proxy.stopReading();
    world.write(world.map(2));
    proxy.signal('SIGHUP');
    // It said so to nobody before its clients heard of the map.
    let version = 0;
    const look = async (): Promise<boolean> => {
      version = (await client.explain('tokens', 'any')).mapVersion;
      return version === 2;
    };
    for (let tries = 0; !(await look()) && tries < 500; tries++)
      await new Promise((resolve) => setTimeout(resolve, 10));
    expect(version).toBe(2);
    proxy.signal('SIGHUP');
    expect(await tokens.put({ id: 't1', payload: 'x', expiresAt: soon() })).toMatchObject({ version: 1 });
    proxy.signal('SIGTERM');
    expect(await proxy.exited).toBe(0);
  });

  it('does not start with a secret that others can read, and says why', async () => {
    const proxy = run(configure('edge', {}, 0o644));
    expect(await proxy.exited).toBe(1);
    expect(proxy.events).toEqual([{ event: 'failed', message: expect.stringMatching(/mode 0644/) }]);
    expect(proxy.errors).toBe('');
  });
});
