import { chmodSync, mkdirSync, mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { FileStorage } from '../../src/storage/file/file-storage.ts';
import { append, load, log, open, readAll, stateOf, vote, write } from './on-disk.ts';
import { type Operation, SimulatedFileSystem, SystemError } from './simulated-file-system.ts';

const entry = write({ entries: log(1, 1, 1) });
const hardState = write({ hardState: vote(1, 'a') });

/** Fails the calls that match, from the `from`th on, `count` times. */
function breaking(
  disk: SimulatedFileSystem,
  operation: Operation,
  name: string,
  code = 'EIO',
  count = Number.POSITIVE_INFINITY,
): void {
  let left = count;
  disk.fault = (called, path) => {
    if (called !== operation || !path.includes(name) || left-- <= 0) return undefined;
    return new SystemError(code, `${operation} ${path}`);
  };
}

describe('a disk that fails', () => {
  it.each([
    ['write', '.seg', 'ENOSPC'],
    ['write', '.seg', 'EIO'],
    ['fdatasync', '.seg', 'EIO'],
    ['write', 'hard-state', 'ENOSPC'],
    ['fdatasync', 'hard-state', 'EIO'],
  ] as const)(
    '%s of %s with %s: no completion, and every later call fails (pitfalls 2 and 3)',
    async (...fault) => {
      const disk = new SimulatedFileSystem();
      const storage = open(disk);
      await load(storage);
      const [operation, name, code] = fault;
      breaking(disk, operation, name, code, 1);
      await expect(append(storage, [hardState])).rejects.toMatchObject({ code: 'STORAGE_FAILED' });
      disk.calls.length = 0;
      await expect(append(storage, [entry])).rejects.toMatchObject({ code: 'STORAGE_FAILED' });
      await expect(readAll(storage)).rejects.toMatchObject({ code: 'STORAGE_FAILED' });
      await storage.close();
      // Nothing was written or synced again, not even by close.
      expect(disk.calls.filter((call) => !call.startsWith('unlink'))).toEqual([]);
    },
  );

  it('does not say done before both the log and the slot file are synced (pitfall 1)', async () => {
    for (const late of ['.seg', 'hard-state']) {
      const disk = new SimulatedFileSystem();
      const storage = open(disk);
      await load(storage);
      disk.holds = (operation, path) => operation === 'fdatasync' && path.includes(late);
      let isDone = false;
      const appended = append(storage, [hardState]).then(() => {
        isDone = true;
      });
      await new Promise((resolve) => setImmediate(resolve));
      expect([disk.held.length, isDone]).toEqual([1, false]);
      disk.held[0]!();
      await appended;
    }
  });

  it('writes the slots in turn, so that the one before is whole while the next is written', async () => {
    const disk = new SimulatedFileSystem();
    const storage = open(disk);
    await load(storage);
    disk.calls.length = 0;
    for (let term = 1; term <= 4; term++) await append(storage, [write({ hardState: vote(term, 'a') })]);
    const slots = disk.calls.filter((call) => call.startsWith('write hard-state')).map((call) => call.at(-1));
    expect(slots).toEqual(['1', '0', '1', '0']);
  });

  it('syncs the directory after every creation and rename, before what follows is written', async () => {
    const disk = new SimulatedFileSystem();
    const storage = open(disk, 4_096);
    await load(storage);
    const created = disk.calls.indexOf('rename identity.tmp');
    expect(disk.calls.slice(created + 1, created + 3)).toEqual(['open a', 'fsync a']);
    for (let index = 1; index <= 20; index++)
      await append(storage, [write({ entries: log(index, index, 1, 300) })]);
    const rolled = disk.calls.indexOf('rename log-0000000002.seg.tmp');
    expect(disk.calls.slice(rolled - 1, rolled + 3)).toEqual([
      'fdatasync log-0000000002.seg.tmp',
      'rename log-0000000002.seg.tmp',
      'open a',
      'fsync a',
    ]);
  });

  it('makes a load fail with a typed error, and lets the next one try', async () => {
    for (const operation of ['open', 'write', 'fdatasync', 'fsync', 'rename', 'mkdir'] as const) {
      const disk = new SimulatedFileSystem();
      breaking(disk, operation, '', 'EROFS');
      await expect(load(open(disk)), operation).rejects.toMatchObject({ code: 'STORAGE_FAILED' });
      disk.fault = () => undefined;
      expect((await load(open(disk))).pristine).toBe(true);
    }
  });

  it('fails an append that starts a segment when the segment cannot be created', async () => {
    const disk = new SimulatedFileSystem();
    const storage = open(disk, 4_096);
    await load(storage);
    breaking(disk, 'fsync', '/a');
    const fill = async (): Promise<void> => {
      for (let index = 1; index <= 20; index++)
        await append(storage, [write({ entries: log(index, index, 1, 300) })]);
    };
    await expect(fill()).rejects.toMatchObject({ code: 'STORAGE_FAILED' });
    disk.fault = () => undefined;
    disk.crash(() => 0);
    const { entries } = await stateOf(disk);
    expect(entries.length).toBeGreaterThan(5);
  });

  it('reports a blob that was damaged while the storage was open', async () => {
    const disk = new SimulatedFileSystem();
    const storage = open(disk);
    await load(storage);
    await append(storage, [entry]);
    disk.files('/disk/a').get('log-0000000001.seg')!.fill(0, 80, 90);
    await expect(readAll(storage)).rejects.toMatchObject({ code: 'LOG_CORRUPT' });
  });

  it('reads and writes whole in pieces of one byte (pitfall 89)', async () => {
    const disk = new SimulatedFileSystem();
    disk.transferBytesMax = 1;
    const storage = open(disk);
    await load(storage);
    await append(storage, [hardState, entry]);
    expect((await readAll(storage)).map(({ index }) => index)).toEqual([1]);
  });

  it('fails a write that takes nothing instead of turning for ever', async () => {
    const disk = new SimulatedFileSystem();
    const storage = open(disk);
    await load(storage);
    disk.transferBytesMax = 0;
    await expect(append(storage, [entry])).rejects.toMatchObject({ code: 'STORAGE_FAILED' });
  });

  it('writes once more at a load what was written and perhaps not synced (pitfall 3)', async () => {
    const disk = new SimulatedFileSystem();
    const storage = open(disk);
    await load(storage);
    breaking(disk, 'fdatasync', '.seg', 'EIO', 1);
    await expect(append(storage, [entry])).rejects.toMatchObject({ code: 'STORAGE_FAILED' });
    // As the kernel does it: the pages count as clean now, and are not on the platter.
    disk.kill();
    disk.calls.length = 0;
    expect((await stateOf(disk)).entries).toHaveLength(1);
    const rewritten = disk.calls.indexOf('write log-0000000001.seg');
    expect(disk.calls[rewritten + 1]).toBe('fdatasync log-0000000001.seg');
    disk.crash(() => 0);
    expect((await stateOf(disk)).entries).toHaveLength(1);
  });
});

describe('a real directory', () => {
  let root = '';
  beforeEach(() => {
    root = mkdtempSync(join(tmpdir(), 'raftsman-faults-'));
  });
  afterEach(() => rmSync(root, { recursive: true, force: true }));

  it('is created with its parents, for the owner alone', async () => {
    const directory = join(root, 'x', 'y');
    const storage = new FileStorage({ directory });
    await load(storage);
    await append(storage, [hardState, entry]);
    expect(statSync(directory).mode & 0o777).toBe(0o700);
    const names = readdirSync(directory);
    expect(names.filter((name) => !name.startsWith('lock.')).sort()).toEqual([
      'hard-state.0',
      'hard-state.1',
      'identity',
      'log-0000000001.seg',
    ]);
    for (const name of names) expect(statSync(join(directory, name)).mode & 0o777, name).toBe(0o600);
    await storage.close();
    expect(readdirSync(directory).some((name) => name.startsWith('lock.'))).toBe(false);
  });

  it('that is a file gets a typed error and stays a file', async () => {
    const path = join(root, 'file');
    writeFileSync(path, 'mine');
    await expect(load(new FileStorage({ directory: path }))).rejects.toMatchObject({
      code: 'STORAGE_FAILED',
      message: expect.stringContaining('not a directory'),
    });
    expect(statSync(path).size).toBe(4);
  });

  it.skipIf(process.getuid?.() === 0)('that is read-only gets a typed error', async () => {
    const path = join(root, 'read-only');
    mkdirSync(path);
    chmodSync(path, 0o500);
    await expect(load(new FileStorage({ directory: path }))).rejects.toMatchObject({
      code: 'STORAGE_FAILED',
    });
  });

  it('of another node or cluster is refused and nothing is written into it', async () => {
    const storage = new FileStorage({ directory: root });
    await load(storage);
    await storage.close();
    const before = readdirSync(root).map((name) => [name, statSync(join(root, name)).mtimeMs]);
    const wanted = { nodeId: 'b', cluster: 'test', newIncarnation: 'ffffffffffffffff' as never };
    await expect(new FileStorage({ directory: root }).load(wanted)).rejects.toMatchObject({
      code: 'DIRECTORY_MISMATCH',
    });
    expect(readdirSync(root).map((name) => [name, statSync(join(root, name)).mtimeMs])).toEqual(before);
  });

  it('takes segments of a whole number of bytes within bounds', () => {
    for (const segmentBytes of [0, 4_095, 1.5, Number.NaN, 2 ** 31]) {
      expect(() => new FileStorage({ directory: root, segmentBytes })).toThrow(/segmentBytes must be/);
    }
  });
});
