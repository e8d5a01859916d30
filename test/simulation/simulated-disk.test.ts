import { describe, expect, it } from 'vitest';
import { incarnation, mainGroup } from '../../src/base/ids.ts';
import type { StorageWrite } from '../../src/ports/storage.ts';
import type { LogEntry } from '../../src/raft/types.ts';
import { Prng } from '../../src/simulation/prng.ts';
import { SimulatedDisk, SimulatedStorage } from '../../src/simulation/simulated-disk.ts';
import { SimulatedHost } from '../../src/simulation/simulated-process.ts';
import { World } from '../../src/simulation/world.ts';

const entry = (index: number, term = 1): LogEntry => ({
  index,
  term,
  kind: 'commands',
  stampMs: 0,
  data: Uint8Array.of(index),
});

const write = (entries: readonly LogEntry[], truncateFrom?: number): StorageWrite => ({
  group: mainGroup,
  hardState: {
    currentTerm: entries.at(-1)?.term ?? 0,
    votedFor: undefined,
    longestLeaseMs: 0,
    bootstrapSet: undefined,
  },
  truncateFrom,
  entries,
});

function make(seed: number): {
  world: World;
  host: SimulatedHost;
  disk: SimulatedDisk;
  storage: SimulatedStorage;
} {
  const world = new World(seed);
  const host = new SimulatedHost(world, 'a', new Prng(1));
  const disk = new SimulatedDisk('a', new Prng(seed));
  const storage = new SimulatedStorage(
    disk,
    host.boot(new Prng(2), () => {}),
  );
  return { world, host, disk, storage };
}

const identity = { nodeId: 'a', cluster: 'test', newIncarnation: incarnation('0011223344556677') };

describe('the simulated disk', () => {
  it('keeps a batch once it is done, and cuts the log where told', async () => {
    const { world, disk, storage } = make(1);
    let done = 0;
    storage.append([write([entry(1), entry(2), entry(3)])], () => {
      done += 1;
      storage.append([write([entry(2, 2)], 2)], () => {
        done += 1;
      });
    });
    expect(disk.group(mainGroup).entries).toHaveLength(0);
    await world.run(100);
    expect(done).toBe(2);
    expect(disk.group(mainGroup).entries.map((e) => e.term)).toEqual([1, 2]);
  });

  it('leaves a prefix of the batch in flight when the process dies: nothing, a part, or all of it', async () => {
    const left = new Set<number>();
    for (let seed = 0; seed < 60; seed += 1) {
      const { world, host, disk, storage } = make(seed);
      storage.append([write([entry(1), entry(2), entry(3)])], () => left.add(99));
      host.process!.die();
      await world.run(100);
      const { entries } = disk.group(mainGroup);
      expect(entries.map((e) => e.index)).toEqual([1, 2, 3].slice(0, entries.length));
      left.add(entries.length);
    }
    expect([...left].sort()).toEqual([0, 1, 2, 3]);
  });

  it('fails for good after one failed sync', async () => {
    const { world, disk, storage } = make(1);
    disk.failChance = 1;
    const errors: (string | undefined)[] = [];
    storage.append([write([entry(1)])], (error) => {
      disk.failChance = 0;
      errors.push(error?.name);
      storage.append([write([entry(1)])], (again) => errors.push(again?.name));
    });
    await world.run(100);
    expect(errors).toEqual(['StorageFailedError', 'StorageFailedError']);
  });

  it('keeps its incarnation across processes and mints a new one when it was replaced', async () => {
    const { world, host, disk, storage } = make(1);
    const load = async (from: SimulatedStorage, newIncarnation: string): Promise<string> => {
      const loaded = from.load({ ...identity, newIncarnation: incarnation(newIncarnation) });
      await world.run(world.nowMs() + 10);
      return `${(await loaded).identity.incarnation} ${(await loaded).pristine}`;
    };
    expect(await load(storage, '00')).toBe('00 true');
    storage.append([write([entry(1)])], () => {});
    await world.run(world.nowMs() + 10);
    host.process!.die();
    expect(
      await load(
        new SimulatedStorage(
          disk,
          host.boot(new Prng(3), () => {}),
        ),
        '01',
      ),
    ).toBe('00 false');
    disk.wipe();
    expect(
      await load(
        new SimulatedStorage(
          disk,
          host.boot(new Prng(3), () => {}),
        ),
        '02',
      ),
    ).toBe('02 true');
  });

  it('owns its bytes: changing an entry after it was written changes nothing', async () => {
    const { world, disk, storage } = make(1);
    const mine = entry(1);
    storage.append([write([mine])], () => {});
    mine.data[0] = 77;
    await world.run(100);
    expect(disk.group(mainGroup).entries[0]!.data[0]).toBe(1);
  });
});
