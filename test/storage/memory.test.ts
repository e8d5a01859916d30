import { describe, expect, it } from 'vitest';
import { mainGroup } from '../../src/base/ids.ts';
import { MemoryDisk } from '../../src/storage/memory/memory-disk.ts';
import { MemoryStorage } from '../../src/storage/memory/memory-storage.ts';
import { load, log, readAll, vote, write } from './on-disk.ts';

const batch = [write({ hardState: vote(1, 'a'), entries: log(1, 2, 1) })];

describe('the memory disk', () => {
  it.each([false, true])(
    'keeps a batch in flight at a crash or not, as the test says: %s',
    async (survives) => {
      const disk = new MemoryDisk();
      const later: (() => void)[] = [];
      const storage = new MemoryStorage({ disk, schedule: (run) => later.push(run) });
      await load(storage);
      let answered = false;
      storage.append(batch, () => {
        answered = true;
      });
      disk.crash(survives);
      for (const run of later) run();
      expect(answered).toBe(false);
      const again = new MemoryStorage({ disk });
      const loaded = await load(again);
      expect(loaded.groups).toEqual(
        survives ? [{ group: mainGroup, hardState: vote(1, 'a'), firstIndex: 1, lastIndex: 2 }] : [],
      );
      expect(await readAll(again)).toHaveLength(survives ? 2 : 0);
    },
  );

  it('is not readable before the batch is durable', async () => {
    const disk = new MemoryDisk();
    const later: (() => void)[] = [];
    const storage = new MemoryStorage({ disk, schedule: (run) => later.push(run) });
    await load(storage);
    storage.append(batch, () => undefined);
    expect(disk.groups.size).toBe(0);
    later.shift()!();
    expect(disk.groups.get(mainGroup)?.entries).toHaveLength(2);
  });

  it('that is broken refuses to be loaded until it is repaired', async () => {
    const disk = new MemoryDisk();
    disk.fail(new Error('broken'));
    await expect(load(new MemoryStorage({ disk }))).rejects.toMatchObject({ code: 'STORAGE_FAILED' });
    disk.repair();
    expect((await load(new MemoryStorage({ disk }))).pristine).toBe(true);
  });
});
