import { describe, expect, it } from 'vitest';
import type { Escrow, EscrowRecord } from '../../src/ports/escrow.ts';
import { FileEscrow } from '../../src/storage/file/file-escrow.ts';
import type { ProcessTable } from '../../src/storage/file/process-table.ts';
import { MemoryEscrow, MemoryEscrowDisk } from '../../src/storage/memory/memory-escrow.ts';
import { newProcess } from './on-disk.ts';
import { SimulatedFileSystem, SystemError } from './simulated-file-system.ts';

const file = '/disk/e/escrow-updater-1.log';

function answer(n: number, bytes = 8): EscrowRecord {
  const payload = new Uint8Array(bytes).fill(n);
  return { queue: 'tokens', id: `user-${n}`, fence: n, expiresAtMs: 1_800_000_000_000.5 + n, payload };
}

function onDisk(
  disk: SimulatedFileSystem,
  workerId = 'updater-1',
  processes: ProcessTable = newProcess(),
): FileEscrow {
  return new FileEscrow({ directory: '/disk/e', workerId, fileSystem: disk, processes });
}

function append(escrow: Escrow, record: EscrowRecord): Promise<void> {
  return new Promise((resolve, reject) => {
    escrow.append(record, (error) => (error === undefined ? resolve() : reject(error)));
  });
}

function plain(records: readonly EscrowRecord[]): readonly unknown[] {
  return records.map((record) => ({ ...record, payload: [...record.payload] }));
}

interface Harness {
  open(): Escrow;
  crash(): void;
}

function memoryHarness(): Harness {
  const disk = new MemoryEscrowDisk();
  return { open: () => new MemoryEscrow({ disk }), crash: () => disk.crash() };
}

function fileHarness(): Harness {
  const disk = new SimulatedFileSystem();
  disk.transferBytesMax = 17;
  return { open: () => onDisk(disk), crash: () => disk.crash(() => 0) };
}

describe.each([
  ['memory', memoryHarness],
  ['files', fileHarness],
])('the escrow contract, %s', (_, make) => {
  it('starts empty and gives back what was appended and not settled, oldest first, after a crash', async () => {
    const harness = make();
    const escrow = harness.open();
    expect(await escrow.load()).toEqual([]);
    for (const n of [3, 1, 2]) await append(escrow, answer(n));
    escrow.settle(answer(1));
    await append(escrow, answer(4, 0));
    harness.crash();
    expect(plain(await harness.open().load())).toEqual(plain([answer(3), answer(2), answer(4, 0)]));
  });

  it('takes many appends at once and answers each', async () => {
    const harness = make();
    const escrow = harness.open();
    await escrow.load();
    await Promise.all(Array.from({ length: 50 }, (_unused, n) => append(escrow, answer(n))));
    harness.crash();
    expect(await harness.open().load()).toHaveLength(50);
  });

  it('keeps two fences of one task apart', async () => {
    const harness = make();
    const escrow = harness.open();
    await escrow.load();
    await append(escrow, answer(1));
    await append(escrow, { ...answer(1), fence: 2 });
    escrow.settle(answer(1));
    await append(escrow, answer(9));
    harness.crash();
    expect((await harness.open().load()).map(({ fence }) => fence)).toEqual([2, 9]);
  });

  it('is not changed by a payload that is changed after the call', async () => {
    const harness = make();
    const escrow = harness.open();
    await escrow.load();
    const record = answer(5);
    const isDone = append(escrow, record);
    record.payload.fill(99);
    await isDone;
    harness.crash();
    expect(plain(await harness.open().load())).toEqual(plain([answer(5)]));
  });

  it('is refused to a second worker of the same id while the first lives, and free after close', async () => {
    const harness = make();
    const escrow = harness.open();
    await escrow.load();
    if (make === memoryHarness)
      await expect(harness.open().load()).rejects.toMatchObject({ code: 'DIRECTORY_LOCKED' });
    const isDone = append(escrow, answer(1));
    await escrow.close();
    await isDone;
    await escrow.close();
    await expect(append(escrow, answer(2))).rejects.toMatchObject({ code: 'CLOSED' });
    expect(await harness.open().load()).toHaveLength(1);
  });
});

describe('the escrow on files', () => {
  async function recorded(count: number): Promise<Buffer> {
    const disk = new SimulatedFileSystem();
    const escrow = onDisk(disk);
    await escrow.load();
    for (let n = 1; n <= count; n++) await append(escrow, answer(n));
    return Buffer.from(disk.files('/disk/e').get('escrow-updater-1.log')!);
  }

  it('drops a torn last record at every byte, and no other', async () => {
    const whole = await recorded(3);
    const length = whole.length / 3;
    for (let end = 0; end <= whole.length; end++) {
      const disk = new SimulatedFileSystem();
      disk.put(file, whole.subarray(0, end));
      const expected = [answer(1), answer(2), answer(3)].slice(0, Math.floor(end / length));
      expect(plain(await onDisk(disk).load()), `cut at ${end}`).toEqual(plain(expected));
    }
  });

  it('loses one record to one flipped bit, and none behind it', async () => {
    const whole = await recorded(3);
    const length = whole.length / 3;
    for (let at = 0; at < whole.length; at++) {
      const damaged = Buffer.from(whole);
      damaged[at]! ^= 1 << (at % 8);
      const disk = new SimulatedFileSystem();
      disk.put(file, damaged);
      const expected = [answer(1), answer(2), answer(3)].filter((_, n) => n !== Math.floor(at / length));
      expect(plain(await onDisk(disk).load()), `byte ${at}`).toEqual(plain(expected));
    }
  });

  it('is refused to a second worker with the same id in one directory, not to another id', async () => {
    const disk = new SimulatedFileSystem();
    const processes = (pid: string): ProcessTable => ({
      self: { boot: 'b', namespace: '1', pid, start: '1' },
      isAlive: () => true,
    });
    const first = onDisk(disk, 'updater-1', processes('1'));
    await first.load();
    await expect(onDisk(disk, 'updater-1', processes('2')).load()).rejects.toMatchObject({
      code: 'DIRECTORY_LOCKED',
    });
    expect(await onDisk(disk, 'updater-2', processes('2')).load()).toEqual([]);
    await first.close();
    expect(await onDisk(disk, 'updater-1', processes('3')).load()).toEqual([]);
  });

  it('does not grow with what was settled', async () => {
    const disk = new SimulatedFileSystem();
    const escrow = onDisk(disk);
    await escrow.load();
    await append(escrow, answer(0));
    for (let n = 1; n <= 1_000; n++) {
      await append(escrow, answer(n, 1_000));
      escrow.settle(answer(n));
    }
    await append(escrow, answer(2_000));
    expect(disk.files('/disk/e').get('escrow-updater-1.log')!.length).toBeLessThan(70_000);
    disk.crash(() => 0);
    expect(plain(await onDisk(disk).load())).toEqual(plain([answer(0), answer(2_000)]));
  });

  it('syncs before it says done, and not for a settle alone', async () => {
    const disk = new SimulatedFileSystem();
    const escrow = onDisk(disk);
    await escrow.load();
    disk.calls.length = 0;
    await append(escrow, answer(1));
    expect(disk.calls).toEqual(['write escrow-updater-1.log', 'fdatasync escrow-updater-1.log']);
    disk.calls.length = 0;
    escrow.settle(answer(1));
    await escrow.close();
    expect(disk.calls.filter((call) => !call.startsWith('unlink'))).toEqual(['write escrow-updater-1.log']);
  });

  it.each(['write', 'fdatasync'] as const)('fails for good after the first failed %s', async (broken) => {
    const disk = new SimulatedFileSystem();
    const escrow = onDisk(disk);
    await escrow.load();
    let failures = 0;
    disk.fault = (operation) =>
      operation === broken && failures++ === 0 ? new SystemError('EIO', broken) : undefined;
    await expect(append(escrow, answer(1))).rejects.toMatchObject({ code: 'STORAGE_FAILED' });
    await expect(append(escrow, answer(2))).rejects.toMatchObject({ code: 'STORAGE_FAILED' });
    await escrow.close();
  });

  it('keeps a worker id of any characters in one file of its own', async () => {
    const disk = new SimulatedFileSystem();
    const escrow = onDisk(disk, '../a/ü b');
    await escrow.load();
    await append(escrow, answer(1));
    expect([...disk.files('/disk/e').keys()].filter((name) => name.endsWith('.log'))).toEqual([
      'escrow-..%2Fa%2F%C3%BC%20b.log',
    ]);
  });
});
