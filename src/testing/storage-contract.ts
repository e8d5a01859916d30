import { type GroupId, groupId, mainGroup, nodeId } from '../base/ids.ts';
import type { Storage, StorageWrite } from '../ports/storage.ts';
import type { EntryKind, HardState, LogEntry } from '../raft/types.ts';
import { type ContractCase, rejects, same } from './contract-case.ts';
import { append, firstLife, load, log, read, readAll, secondLife, vote, write } from './storage-calls.ts';

/** One disk to be judged. */
export interface StorageHarness {
  /** A new storage on the same disk, not loaded. */
  open(): Storage;
  /** The process that has the disk open ends without closing it; it is not in the middle of a write. */
  crash(): void;
  /** From now on the disk refuses writes and syncs. */
  breakDisk(): void;
  dispose(): Promise<void>;
}

type Test = (harness: StorageHarness) => Promise<void>;

/**
 * The contract of the `Storage` port as a list of cases for any test runner: `for (const { name, run } of storageContract(make)) it(name, run)`.
 *
 * @param make - an empty disk for each case.
 */
export function storageContract(
  make: () => StorageHarness | Promise<StorageHarness>,
): readonly ContractCase[] {
  return Object.entries(tests).map(([name, test]) => ({
    name,
    run: async () => {
      const harness = await make();
      await test(harness).finally(() => harness.dispose());
    },
  }));
}

const tests: Readonly<Record<string, Test>> = {
  'a new disk is pristine, has no group and takes the incarnation it is given': async (harness) => {
    const loaded = await load(harness.open());
    same(loaded, {
      identity: { nodeId: 'a', cluster: 'test', incarnation: firstLife },
      pristine: true,
      groups: [],
      tornBytes: 0,
    });
  },

  'what was appended is there after close and open, and the incarnation stays': async (harness) => {
    const storage = harness.open();
    await load(storage);
    const entries = log(1, 3, 1);
    await append(storage, [write({ hardState: vote(1, 'a'), entries })]);
    await storage.close();
    const again = harness.open();
    const loaded = await load(again, secondLife);
    same(loaded.identity.incarnation, firstLife);
    same(loaded.pristine, false);
    same(loaded.groups, [{ group: mainGroup, hardState: vote(1, 'a'), firstIndex: 1, lastIndex: 3 }]);
    same(await readAll(again), entries);
  },

  'what a completed append wrote survives a crash (pitfall 1)': async (harness) => {
    const storage = harness.open();
    await load(storage);
    for (let n = 1; n <= 5; n++)
      await append(storage, [write({ hardState: vote(n, 'b'), entries: log(n, n, n) })]);
    harness.crash();
    const again = harness.open();
    const loaded = await load(again);
    same(loaded.groups, [{ group: mainGroup, hardState: vote(5, 'b'), firstIndex: 1, lastIndex: 5 }]);
    same(
      (await readAll(again)).map((entry) => entry.term),
      [1, 2, 3, 4, 5],
    );
  },

  'groups are kept apart in one batch': async (harness) => {
    const storage = harness.open();
    await load(storage);
    const other = groupId('other');
    await append(storage, [
      write({ entries: log(1, 2, 1) }),
      { ...write({ hardState: vote(7, 'c'), entries: log(1, 4, 7) }), group: other },
    ]);
    harness.crash();
    const again = harness.open();
    const loaded = await load(again);
    same(
      loaded.groups.map(({ group, lastIndex }) => [group, lastIndex]),
      [
        [mainGroup, 2],
        [other, 4],
      ],
    );
    same(await readAll(again, other), log(1, 4, 7));
  },

  'a write truncates before it appends, and writes of one group follow each other': async (harness) => {
    const storage = harness.open();
    await load(storage);
    await append(storage, [write({ entries: log(1, 10, 1) })]);
    await append(storage, [
      write({ hardState: vote(2, undefined), truncateFrom: 4, entries: log(4, 6, 2) }),
      write({ truncateFrom: 6, entries: log(6, 7, 3) }),
    ]);
    const expected = [...log(1, 3, 1), ...log(4, 5, 2), ...log(6, 7, 3)];
    same(await readAll(storage), expected);
    harness.crash();
    const again = harness.open();
    await load(again);
    same(await readAll(again), expected);
  },

  'groups whose records alternate are each recovered whole, one that nobody asks for too': async (
    harness,
  ) => {
    const storage = harness.open();
    await load(storage);
    const names = ['main', 'books', 'films'].map(groupId);
    const lastIndexes = new Map<GroupId, number>();
    for (let n = 1; n <= 6; n++) {
      // Each batch has another order and leaves another group out.
      const turn = [...names.slice(n % 3), ...names.slice(0, n % 3)].slice(0, 2);
      const batch = turn.map((group) => {
        const last = lastIndexes.get(group) ?? 0;
        lastIndexes.set(group, last + 1);
        return write({ group, hardState: vote(n, 'b'), entries: log(last + 1, last + 1, n) });
      });
      await append(storage, batch);
    }
    await append(storage, [
      write({ group: groupId('books'), truncateFrom: 4, hardState: vote(9, 'a') }),
      write({ group: groupId('films'), entries: log(5, 6, 7) }),
    ]);
    lastIndexes.set(groupId('books'), 3).set(groupId('films'), 6);
    harness.crash();
    const again = harness.open();
    const loaded = await load(again);
    same(loaded.pristine, false);
    same(new Map(loaded.groups.map(({ group, lastIndex }) => [group, lastIndex])), lastIndexes);
    for (const [group, lastIndex] of lastIndexes) {
      same(
        (await readAll(again, group)).map(indexOf),
        Array.from({ length: lastIndex }, (_, at) => at + 1),
      );
    }
    // One of them goes on alone; the others stay as they are, over any number of restarts.
    await append(again, [write({ entries: log(5, 5, 8) })]);
    await again.close();
    const third = harness.open();
    same((await load(third)).groups.map(({ group, hardState }) => [group, hardState?.currentTerm]).sort(), [
      ['books', 9],
      ['films', 5],
      ['main', 6],
    ]);
  },

  'a log can be truncated to nothing': async (harness) => {
    const storage = harness.open();
    await load(storage);
    await append(storage, [write({ entries: log(1, 3, 1) })]);
    await append(storage, [write({ truncateFrom: 1 })]);
    same(await readAll(storage), []);
    harness.crash();
    const again = harness.open();
    const loaded = await load(again);
    same([loaded.pristine, loaded.groups[0]?.lastIndex], [false, 0]);
    await append(again, [write({ entries: log(1, 1, 4) })]);
    same(await readAll(again), log(1, 1, 4));
  },

  'a read starts anywhere, gives at least one entry and about the bytes asked for': async (harness) => {
    const storage = harness.open();
    await load(storage);
    await append(storage, [write({ entries: log(1, 5, 1) })]);
    await append(storage, [write({ entries: log(6, 9, 1) })]);
    for (let from = 1; from <= 9; from++) same((await read(storage, from, 0)).map(indexOf), [from]);
    const two = log(1, 2, 1).reduce((bytes, entry) => bytes + entry.data.length, 0);
    same((await read(storage, 1, two)).map(indexOf), [1, 2]);
    same((await read(storage, 4, 1_000_000)).length > 0, true);
    same(await read(storage, 10, 1_000), []);
    same(await read(storage, 1, 1_000, groupId('unknown')), []);
  },

  'data of any size and every kind comes back as it was': async (harness) => {
    const storage = harness.open();
    await load(storage);
    const kinds: readonly EntryKind[] = ['bootstrap', 'noop', 'commands'];
    const entries = kinds.map((kind, n): LogEntry => {
      const data = new Uint8Array(n * 100_000).fill(n + 1);
      return { index: n + 1, term: 2 ** 50 + n, kind, stampMs: 1_800_000_000_000, data };
    });
    await append(storage, [write({ entries })]);
    harness.crash();
    const again = harness.open();
    await load(again);
    same(await readAll(again), entries);
  },

  'the whole hard state comes back': async (harness) => {
    const storage = harness.open();
    await load(storage);
    const hardState: HardState = {
      currentTerm: 12,
      votedFor: nodeId('node-b.1'),
      longestLeaseMs: 812.5,
      bootstrapSet: [{ id: nodeId('a'), incarnation: firstLife }],
    };
    await append(storage, [write({ hardState })]);
    harness.crash();
    const loaded = await load(harness.open());
    same(loaded.groups[0]?.hardState, hardState);
  },

  'an append is answered once and not before the call returns': async (harness) => {
    const storage = harness.open();
    await load(storage);
    let answers = 0;
    const answered = new Promise<void>((resolve) => {
      storage.append([write({ entries: log(1, 1, 1) })], () => {
        answers++;
        resolve();
      });
    });
    same(answers, 0);
    await answered;
    await storage.close();
    same(answers, 1);
  },

  'an empty batch completes and leaves the disk pristine': async (harness) => {
    const storage = harness.open();
    await load(storage);
    await append(storage, []);
    await append(storage, [write({})]);
    await storage.close();
    same((await load(harness.open())).pristine, true);
  },

  'the disk of another node or cluster is refused': async (harness) => {
    const storage = harness.open();
    await load(storage);
    await append(storage, [write({ entries: log(1, 1, 1) })]);
    await storage.close();
    const wanted = { nodeId: 'a', cluster: 'test', newIncarnation: secondLife };
    await rejects(() => harness.open().load({ ...wanted, nodeId: 'b' }), 'DIRECTORY_MISMATCH');
    await rejects(() => harness.open().load({ ...wanted, cluster: 'other' }), 'DIRECTORY_MISMATCH');
    same((await load(harness.open())).groups[0]?.lastIndex, 1);
  },

  'a disk that is open is locked, and free after close': async (harness) => {
    const storage = harness.open();
    await load(storage);
    await rejects(() => load(harness.open()), 'DIRECTORY_LOCKED');
    await append(storage, [write({ entries: log(1, 1, 1) })]);
    await storage.close();
    same((await load(harness.open())).groups[0]?.lastIndex, 1);
  },

  'after a failed write every call fails and nothing is tried again (pitfalls 2 and 3)': async (harness) => {
    const storage = harness.open();
    await load(storage);
    await append(storage, [write({ entries: log(1, 1, 1) })]);
    harness.breakDisk();
    await rejects(() => append(storage, [write({ hardState: vote(1, 'a') })]), 'STORAGE_FAILED');
    await rejects(() => append(storage, [write({ hardState: vote(1, 'a') })]), 'STORAGE_FAILED');
    await rejects(() => read(storage, 1, 1_000), 'STORAGE_FAILED');
    await storage.close();
  },

  'a batch that does not follow is a defect of the caller and changes nothing (pitfalls 4 and 5)': async (
    harness,
  ) => {
    const storage = harness.open();
    await load(storage);
    await append(storage, [write({ hardState: vote(3, 'a'), entries: log(1, 3, 3) })]);
    const wrong: readonly StorageWrite[] = [
      write({ entries: log(5, 5, 3) }),
      write({ entries: log(3, 3, 3) }),
      write({ entries: log(4, 4, 2) }),
      write({ truncateFrom: 4 }),
      write({ truncateFrom: 0 }),
      write({ hardState: vote(2, undefined) }),
      write({ hardState: vote(3, 'b') }),
      write({ hardState: vote(3, undefined) }),
      write({ hardState: { ...vote(3, 'a'), longestLeaseMs: -1 } }),
    ];
    for (const bad of wrong) await rejects(async () => append(storage, [bad]), 'INVARIANT');
    same(await readAll(storage), log(1, 3, 3));
    await append(storage, [write({ hardState: vote(4, 'b'), entries: log(4, 4, 4) })]);
  },

  'a second append before the first is done is a defect of the caller': async (harness) => {
    const storage = harness.open();
    await load(storage);
    const first = append(storage, [write({ entries: log(1, 1, 1) })]);
    await rejects(async () => append(storage, [write({ entries: log(2, 2, 1) })]), 'INVARIANT');
    await first;
  },

  'close waits for the batch in flight, may be called twice, and ends the storage': async (harness) => {
    const storage = harness.open();
    await load(storage);
    let isDone = false;
    storage.append([write({ entries: log(1, 1, 1) })], (error) => {
      isDone = error === undefined;
    });
    await storage.close();
    same(isDone, true);
    await storage.close();
    await rejects(() => append(storage, [write({ entries: log(2, 2, 1) })]), 'CLOSED');
    await rejects(() => read(storage, 1, 1_000), 'CLOSED');
    same((await load(harness.open())).groups[0]?.lastIndex, 1);
  },
};

function indexOf(entry: LogEntry): number {
  return entry.index;
}
