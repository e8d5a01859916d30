import { writeFileSync } from 'node:fs';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { RaftsmanProxy } from '../../src/proxy/proxy.ts';
import { ProxyWorld, secrets, soon, tokensOf, until } from './proxy-world.ts';

let world: ProxyWorld;

beforeEach(async () => {
  world = await ProxyWorld.start();
});
afterEach(() => world.stop());

function bucketOf(proxy: RaftsmanProxy, id: string): number {
  return proxy.explain('tokens', id).bucket;
}

/** A task id in that bucket. */
function keyIn(bucket: number, proxy: RaftsmanProxy): string {
  for (let i = 0; ; i++) if (bucketOf(proxy, `k${i}`) === bucket) return `k${i}`;
}

describe('what the shards own', () => {
  it('is asked of their logs: what they own, what they gave away, and which buckets are in use', async () => {
    const proxy = await world.proxy();
    await until(() => proxy.status().claimed);
    const tokens = tokensOf(await world.client(proxy));
    const ids = [keyIn(7, proxy), keyIn(9_000, proxy)];
    await Promise.all(ids.map((id) => tokens.put({ id, payload: 'x', expiresAt: soon() })));
    world.write(world.map(2, 8_191));
    await proxy.reload();
    expect(await proxy.ownership()).toEqual([
      {
        name: 'one',
        number: 1,
        namespace: 'default',
        mapVersion: 2,
        owned: [{ from: 0, to: 8_190, epoch: 1 }],
        ceded: [
          { from: 8_191, to: 8_191, epoch: 1, owner: 'two' },
          { from: 8_192, to: 16_383, epoch: 0, owner: 'two' },
        ],
        occupied: [{ from: 7, to: 7 }],
      },
      expect.objectContaining({ name: 'two', occupied: [{ from: 9_000, to: 9_000 }] }),
    ]);
  });

  it('is not told to a proxy whose account lacks admin', async () => {
    const proxy = await world.proxy({ secret: secrets.plain });
    await expect(proxy.ownership()).rejects.toMatchObject({ code: 'FORBIDDEN' });
    await proxy.close();
    await expect(proxy.ownership()).rejects.toMatchObject({ code: 'CLOSED' });
  });
});

describe('the map of a proxy', () => {
  it('is another one after each reload under load, and clients notice nothing', async () => {
    const proxy = await world.proxy();
    await until(() => proxy.status().claimed);
    const tokens = tokensOf(await world.client(proxy));
    let isOver = false;
    let count = 0;
    const load = Array.from({ length: 8 }, async (_, writer) => {
      for (let i = 0; !isOver; i++) {
        const id = `w${writer}`;
        await tokens.put({ id, payload: `${i}`, expiresAt: soon() });
        count++;
      }
    });
    for (let version = 2; version <= 6; version++) {
      world.write(world.map(version));
      expect(await proxy.reload()).toEqual({ version, changed: true });
    }
    expect(await proxy.reload()).toEqual({ version: 6, changed: false });
    isOver = true;
    await Promise.all(load);
    expect(count).toBeGreaterThan(8);
    expect(proxy.status()).toMatchObject({ mapVersion: 6, reloadCount: 5, lastReloadError: null });
  });

  it('moves an empty bucket from one shard to the other under load', async () => {
    const proxy = await world.proxy();
    await until(() => proxy.status().claimed);
    const tokens = tokensOf(await world.client(proxy));
    const moved = keyIn(8_191, proxy);
    const others = Array.from({ length: 400 }, (_, i) => `k${i}`).filter(
      (id) => bucketOf(proxy, id) !== 8_191,
    );
    let isOver = false;
    const load = Array.from({ length: 8 }, async (_, writer) => {
      for (let i = writer; !isOver; i += 8) {
        await tokens.put({ id: others[i % others.length]!, payload: 'x', expiresAt: soon() });
      }
    });
    expect(proxy.explain('tokens', moved).shard).toBe('one');
    world.write(world.map(2, 8_191));
    await proxy.reload();
    expect(proxy.explain('tokens', moved).shard).toBe('two');
    await tokens.put({ id: moved, payload: 'there', expiresAt: soon() });
    isOver = true;
    await Promise.all(load);
    expect(await tokens.get(moved)).toMatchObject({ payload: 'there', version: 1 });
  });

  it('stays as it is when the next one gives away a bucket that holds a task', async () => {
    const proxy = await world.proxy();
    await until(() => proxy.status().claimed);
    const tokens = tokensOf(await world.client(proxy));
    const id = keyIn(8_191, proxy);
    await tokens.put({ id, payload: 'kept', expiresAt: soon() });
    world.write(world.map(2, 8_191));
    await expect(proxy.reload()).rejects.toMatchObject({ code: 'BUCKET_IN_USE' });
    expect(proxy.status()).toMatchObject({ mapVersion: 1, lastReloadError: { code: 'BUCKET_IN_USE' } });
    expect((await tokens.get(id))?.payload).toBe('kept');
  });

  it.each([
    ['not JSON', '{ "version": 2, '],
    ['empty', ''],
    ['of a lower version', { version: 0, namespaces: {} }],
  ])('stays as it is when the next one is %s, and the error says so', async (_, content) => {
    const proxy = await world.proxy();
    const errors: string[] = [];
    proxy.on('reloadError', ({ code }) => errors.push(code));
    world.write(content);
    await expect(proxy.reload()).rejects.toMatchObject({ code: 'SHARD_FILE' });
    expect(errors).toEqual(['SHARD_FILE']);
    expect(proxy.status()).toMatchObject({ mapVersion: 1, lastReloadError: { code: 'SHARD_FILE' } });
    world.write(world.map(2));
    await proxy.reload();
    expect(proxy.status()).toMatchObject({ mapVersion: 2, lastReloadError: null });
  });

  it('stays as it is when the file is away, or what is given is no source of a map', async () => {
    const proxy = await world.proxy();
    // @ts-expect-error: a name with a slip.
    await expect(proxy.reload({ fil: world.file })).rejects.toMatchObject({ code: 'INVALID_OPTION' });
    expect(proxy.status()).toMatchObject({ lastReloadError: null });
    await expect(proxy.reload({ file: `${world.file}.gone` })).rejects.toThrow(/ENOENT/);
    expect(proxy.status()).toMatchObject({
      lastReloadError: { code: 'READ_FAILED' },
      shardsFile: world.file,
    });
  });

  it('can be given in memory', async () => {
    const proxy = await world.proxy({ shards: { map: world.map(3) } });
    expect(proxy.status()).toMatchObject({ mapVersion: 3, shardsFile: null });
    expect(await proxy.reload({ map: JSON.stringify(world.map(4)) })).toEqual({ version: 4, changed: true });
  });

  it('is reloaded once at a time, and a second one changes nothing', async () => {
    const proxy = await world.proxy();
    await until(() => proxy.status().claimed);
    const first = proxy.reload({ map: world.map(2) });
    await expect(proxy.reload({ map: world.map(3) })).rejects.toMatchObject({ code: 'RELOAD_IN_PROGRESS' });
    expect(await first).toEqual({ version: 2, changed: true });
    expect(proxy.status()).toMatchObject({ mapVersion: 2, lastReloadError: null });
  });

  it('follows its file, replaced or written in place', async () => {
    const proxy = await world.proxy({ watch: true });
    await until(() => proxy.status().claimed);
    const reloads: number[] = [];
    const errors: string[] = [];
    proxy.on('reload', ({ version }) => reloads.push(version));
    proxy.on('reloadError', ({ code }) => errors.push(code));
    world.write(world.map(2));
    await until(() => reloads.includes(2));
    writeFileSync(world.file, JSON.stringify(world.map(3)));
    await until(() => reloads.includes(3));
    world.write('nonsense');
    await until(() => errors.length > 0);
    world.write(world.map(4));
    await until(() => reloads.includes(4));
    expect(errors).toEqual(['SHARD_FILE']);
  });

  it('dials nobody beyond loopback unless that was asked for', async () => {
    const map = world.map(1, 8_192, 'ws://10.0.0.1:7001');
    await expect(world.proxy({ shards: { map } })).rejects.toMatchObject({ code: 'SHARD_FILE' });
    const proxy = await world.proxy();
    await expect(proxy.reload({ map: world.map(2, 8_192, 'ws://10.0.0.1:7001') })).rejects.toThrow(
      /loopback/,
    );
  });
});
