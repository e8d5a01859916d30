import { describe, expect, it } from 'vitest';
import { BucketInUseError } from '../../src/base/errors.ts';
import { Reloads, type ReloadsDeps, readShards } from '../../src/proxy/reloads.ts';
import type { ProxyReload, ProxyReloadError } from '../../src/proxy/types.ts';
import type { ShardDirectory } from '../../src/sharding/shard-directory.ts';
import { TestClock } from '../service/test-clock.ts';

const mapOf = (version: number): string => {
  const shard = { number: 1, cluster: 'c', nodes: { a: 'ws://127.0.0.1:1' }, buckets: ['0-16383'] };
  return JSON.stringify({ version, namespaces: { default: { shards: { one: shard } } } });
};

/** A proxy without a router: what is applied counts at once, or when the test lets it. */
class ReloadWorld {
  readonly files = new Map([['shards.json', mapOf(1)]]);
  readonly reloads: Reloads;
  readonly told: ProxyReload[] = [];
  readonly errors: ProxyReloadError[] = [];
  readonly cures: ProxyReload[] = [];
  readonly watched = new Map<string, () => void>();
  current: ShardDirectory;
  /** What applying ends with. */
  applying: () => Promise<void> = () => Promise.resolve();

  private constructor(current: ShardDirectory, text: string) {
    this.current = current;
    this.files.set('shards.json', text);
    const deps: ReloadsDeps = {
      readText: (path) => this.#read(path),
      watchFile: (path, onChange) => {
        this.watched.set(path, onChange);
        return () => this.watched.delete(path);
      },
      clock: new TestClock(),
      current: () => this.current,
      apply: async (next) => {
        await this.applying();
        this.current = next;
      },
      onReload: (reload) => this.told.push(reload),
      onError: (error) => this.errors.push(error),
      onCured: (reload) => this.cures.push(reload),
    };
    this.reloads = new Reloads({ file: 'shards.json' }, deps);
    this.reloads.watch();
  }

  /** @param text - of the file by the time it is watched; version 1 was read. */
  static async make(text = mapOf(1)): Promise<ReloadWorld> {
    const current = await readShards({ map: mapOf(1) }, { readText: () => Promise.reject() });
    return new ReloadWorld(current, text);
  }

  /** The file is another one, and the watcher sees it. */
  async change(text: string): Promise<void> {
    this.files.set('shards.json', text);
    this.watched.get('shards.json')?.();
    await settle();
  }

  async #read(path: string): Promise<string> {
    const text = this.files.get(path);
    if (text === undefined) throw new Error(`ENOENT: ${path}`);
    return text;
  }
}

const settle = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

function circle(): object {
  const map: Record<string, unknown> = {};
  map.namespaces = map;
  return map;
}

describe('reloads', () => {
  it('read the file again, and say whether it changed anything', async () => {
    const world = await ReloadWorld.make();
    expect(await world.reloads.reload()).toEqual({ version: 1, changed: false });
    world.files.set('shards.json', mapOf(2));
    expect(await world.reloads.reload()).toEqual({ version: 2, changed: true });
    expect([world.told, world.reloads.count]).toEqual([[{ version: 2, changed: true }], 1]);
  });

  it('follow the watched file', async () => {
    const world = await ReloadWorld.make();
    await world.change(mapOf(2));
    expect(world.current.version).toBe(2);
    await world.change('nonsense');
    expect(world.errors.map(({ code }) => code)).toEqual(['SHARD_FILE']);
    expect(world.reloads.lastError?.message).toContain('not JSON');
    await world.change(mapOf(3));
    expect([world.current.version, world.reloads.lastError]).toEqual([3, undefined]);
  });

  it('tell once of a file that is as it was before it was refused', async () => {
    const world = await ReloadWorld.make();
    await world.change('nonsense');
    await world.change('other nonsense');
    expect(world.cures).toEqual([]);
    await world.change(mapOf(1));
    await world.change(`${mapOf(1)} `);
    expect([world.cures, world.errors.length]).toEqual([[{ version: 1, changed: false }], 2]);
    await world.change('nonsense');
    await world.change(mapOf(2));
    expect([world.cures.length, world.told.length, world.reloads.lastError]).toEqual([1, 1, undefined]);
  });

  it('change nothing when a group refuses them', async () => {
    const world = await ReloadWorld.make();
    world.applying = () => Promise.reject(new BucketInUseError('bucket 3 of shard one holds a task'));
    await world.change(mapOf(2));
    expect(world.current.version).toBe(1);
    expect(world.errors).toMatchObject([
      { code: 'BUCKET_IN_USE', message: expect.stringContaining('bucket 3') },
    ]);
  });

  it('come one at a time: another is refused, and a change of the file waits for its turn', async () => {
    const world = await ReloadWorld.make();
    let finish = (): void => {};
    world.applying = () => new Promise((resolve) => (finish = resolve));
    const first = world.reloads.reload({ map: mapOf(2) });
    await settle();
    await expect(world.reloads.reload()).rejects.toMatchObject({
      code: 'RELOAD_IN_PROGRESS',
      retryable: true,
    });
    expect(world.errors).toEqual([]);
    finish();
    expect(await first).toEqual({ version: 2, changed: true });
  });

  it('catch up with a file that changed while one was under way', async () => {
    const world = await ReloadWorld.make();
    let finish = (): void => {};
    world.applying = () => new Promise((resolve) => (finish = resolve));
    await world.change(mapOf(2));
    await world.change(mapOf(3));
    world.applying = () => Promise.resolve();
    finish();
    await settle();
    expect([world.current.version, world.told.map(({ version }) => version)]).toEqual([3, [2, 3]]);
  });

  it('see a file that changed after it was read and before it was watched', async () => {
    const world = await ReloadWorld.make(mapOf(2));
    await settle();
    expect(world.current.version).toBe(2);
    world.files.set('other.json', mapOf(3));
    world.applying = async () => void world.files.set('other.json', mapOf(4));
    await world.reloads.reload({ file: 'other.json' });
    await settle();
    expect([world.current.version, world.told.map(({ version }) => version)]).toEqual([4, [2, 3, 4]]);
  });

  it('do not stand in the way of a reload while the watch begins', async () => {
    const world = await ReloadWorld.make();
    expect(await world.reloads.reload()).toEqual({ version: 1, changed: false });
    expect([world.told, world.errors]).toEqual([[], []]);
  });

  it('watch another file once it is in force, and none for a map in memory', async () => {
    const world = await ReloadWorld.make();
    world.files.set('other.json', mapOf(2));
    await world.reloads.reload({ file: 'other.json' });
    expect([...world.watched.keys()]).toEqual(['other.json']);
    await world.reloads.reload({ map: mapOf(3) });
    expect([...world.watched.keys()]).toEqual([]);
    await expect(world.reloads.reload({ file: 'gone.json' })).rejects.toThrow(/ENOENT/);
    expect(world.reloads.source).toEqual({ map: mapOf(3) });
    expect(world.reloads.lastError?.code).toBe('READ_FAILED');
  });

  it('end when the proxy closes', async () => {
    const world = await ReloadWorld.make();
    world.reloads.close();
    expect([...world.watched.keys()]).toEqual([]);
  });

  it('take a map as text, as a value, and as what was made of one', async () => {
    const reader = { readText: () => Promise.reject(new Error('no files')) };
    const fromText = await readShards({ map: mapOf(7) }, reader);
    expect((await readShards({ map: JSON.parse(mapOf(7)) }, reader)).version).toBe(7);
    expect(await readShards({ map: fromText }, reader)).toBe(fromText);
    const check = () => {
      throw new Error('not here');
    };
    await expect(readShards({ map: fromText }, { ...reader, check })).rejects.toThrow('not here');
  });

  it.each([
    ['a circle', circle()],
    ['a number beyond JSON', { version: 1n }],
  ])('refuse a value with %s as they refuse a file', async (_, map) => {
    const reader = { readText: () => Promise.reject(new Error('no files')) };
    await expect(readShards({ map }, reader)).rejects.toMatchObject({ code: 'SHARD_FILE' });
  });
});
