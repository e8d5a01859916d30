import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { groupId, mainGroup } from '../../src/base/ids.ts';
import { StorageQueue } from '../../src/node/storage-queue.ts';
import type { StorageWrite } from '../../src/ports/storage.ts';
import type { LogEntry, PersistRequest } from '../../src/raft/types.ts';
import { entry, ManualStorage } from './fakes.ts';

const hard = (currentTerm: number) => ({
  currentTerm,
  votedFor: undefined,
  longestLeaseMs: 0,
  bootstrapSet: undefined,
});

function setUp() {
  const storage = new ManualStorage();
  const events: string[] = [];
  const clock = { nowMs: 0 };
  const queue = new StorageQueue(storage, () => clock.nowMs, {
    persisted: (group, token) => events.push(`${group}:${token}`),
    failed: (error) => events.push(`failed: ${error.message}`),
    synced: (tookMs) => events.push(`synced in ${tookMs}`),
  });
  return { storage, events, clock, queue };
}

const request = (token: number, parts: Partial<PersistRequest> = {}): PersistRequest => ({
  token,
  hardState: undefined,
  truncateFrom: undefined,
  entries: [],
  ...parts,
});

describe('the storage queue', () => {
  it('keeps one batch in flight and merges what arrives meanwhile, of all groups', () => {
    const { storage, events, queue } = setUp();
    queue.push(mainGroup, request(1, { entries: [entry(1, 1)] }));
    queue.start();
    queue.push(mainGroup, request(2, { entries: [entry(2, 1)], hardState: hard(1) }));
    queue.push(groupId('other'), request(1, { hardState: hard(4) }));
    queue.push(mainGroup, request(3, { entries: [entry(3, 1)], hardState: hard(2) }));
    queue.start();
    expect(storage.batches).toHaveLength(1);
    storage.complete();
    expect(events).toEqual(['synced in 0', 'main:1']);
    expect(storage.batches).toHaveLength(2);
    const [main, other] = storage.batches[1]!;
    expect(main).toMatchObject({ group: 'main', hardState: { currentTerm: 2 } });
    expect(main!.entries.map((e) => e.index)).toEqual([2, 3]);
    expect(other).toMatchObject({ group: 'other', hardState: { currentTerm: 4 } });
    storage.complete();
    expect(events).toEqual(['synced in 0', 'main:1', 'synced in 0', 'main:3', 'other:1']);
  });

  it('hands a lone request to the disk with the very array the core made, so that it is encoded once', () => {
    const { storage, queue } = setUp();
    const entries = [entry(1, 1)];
    queue.push(mainGroup, request(1, { entries }));
    queue.start();
    expect(storage.batches[0]![0]!.entries).toBe(entries);
  });

  it('reports a failed write and never writes again (pitfalls 2 and 3)', async () => {
    const { storage, events, queue } = setUp();
    queue.push(mainGroup, request(1, { entries: [entry(1, 1)] }));
    queue.start();
    queue.push(mainGroup, request(2, { entries: [entry(2, 1)] }));
    storage.complete(new Error('EIO'));
    queue.start();
    expect(events).toEqual(['failed: EIO']);
    expect(storage.batches).toHaveLength(1);
    await queue.written();
  });

  it('leaves the disk as the single requests would have, whatever was merged', () => {
    const step = fc.record({
      cut: fc.integer({ min: 0, max: 4 }),
      count: fc.integer({ min: 0, max: 3 }),
      flush: fc.boolean(),
    });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 20 }), (steps) => {
        const { storage, queue } = setUp();
        let log: LogEntry[] = [];
        steps.forEach(({ cut, count, flush }, i) => {
          const from = Math.max(1, log.length + 1 - cut);
          const entries = Array.from({ length: count }, (_, k) => entry(from + k, i + 1));
          const truncateFrom = from <= log.length ? from : undefined;
          log = [...log.slice(0, from - 1), ...entries];
          queue.push(mainGroup, request(i + 1, { truncateFrom, entries }));
          if (flush) {
            queue.start();
            if (storage.busy) storage.complete();
          }
        });
        queue.start();
        while (storage.busy) storage.complete();
        expect(replay(storage.batches.flat())).toEqual(log);
      }),
    );
  });
});

/** What a disk holds after the writes; every cut and entry must fit what is there. */
function replay(writes: readonly StorageWrite[]): readonly LogEntry[] {
  let log: LogEntry[] = [];
  for (const write of writes) {
    if (write.truncateFrom !== undefined) {
      expect(write.truncateFrom).toBeLessThanOrEqual(log.length);
      log = log.filter((e) => e.index < write.truncateFrom!);
    }
    for (const e of write.entries) {
      expect(e.index).toBe(log.length + 1);
      log.push(e);
    }
  }
  return log;
}
