import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, it } from 'vitest';
import { FileStorage } from '../../src/storage/file/file-storage.ts';
import { type FileSystem, nodeFileSystem } from '../../src/storage/file/file-system.ts';
import type { ProcessTable } from '../../src/storage/file/process-table.ts';
import { MemoryDisk } from '../../src/storage/memory/memory-disk.ts';
import { MemoryStorage } from '../../src/storage/memory/memory-storage.ts';
import { type StorageHarness, storageContract } from '../../src/testing/storage-contract.ts';
import { SimulatedFileSystem, SystemError } from '../storage/simulated-file-system.ts';

function onMemory(): StorageHarness {
  const disk = new MemoryDisk();
  return {
    open: () => new MemoryStorage({ disk }),
    crash: () => disk.crash(),
    breakDisk: () => disk.fail(new Error('broken')),
    dispose: async () => undefined,
  };
}

/** Processes of one test, of which only the newest is alive. */
function processes(pid: number): ProcessTable {
  const self = { boot: 'b', namespace: '1', pid: String(pid), start: '1' };
  return { self, isAlive: (mark) => mark.pid === self.pid };
}

function onFiles(): StorageHarness {
  const root = mkdtempSync(join(tmpdir(), 'raftsman-contract-'));
  let life = 1;
  let broken = false;
  const fileSystem: FileSystem = {
    ...nodeFileSystem,
    fdatasync: (fd, done) =>
      broken ? done(new SystemError('EIO', 'sync')) : nodeFileSystem.fdatasync(fd, done),
  };
  return {
    open: () =>
      new FileStorage({
        directory: join(root, 'a'),
        segmentBytes: 4_096,
        fileSystem,
        processes: processes(life),
      }),
    crash: () => {
      life++;
    },
    breakDisk: () => {
      broken = true;
    },
    dispose: async () => rmSync(root, { recursive: true, force: true }),
  };
}

function onSimulatedFiles(): StorageHarness {
  const fileSystem = new SimulatedFileSystem();
  fileSystem.transferBytesMax = 100;
  let life = 1;
  return {
    open: () =>
      new FileStorage({ directory: '/disk/a', segmentBytes: 4_096, fileSystem, processes: processes(life) }),
    crash: () => {
      life++;
      fileSystem.crash(() => 0);
    },
    breakDisk: () => {
      fileSystem.fault = (operation) =>
        operation === 'write' ? new SystemError('ENOSPC', 'write') : undefined;
    },
    dispose: async () => undefined,
  };
}

describe.each([
  ['memory', onMemory],
  ['files', onFiles],
  ['files on a disk that loses what is not synced and writes in short pieces (pitfall 89)', onSimulatedFiles],
])('the storage contract, %s', (_, make) => {
  for (const { name, run } of storageContract(make)) it(name, run);
});
