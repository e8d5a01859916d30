import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { FileStorage } from '../../src/storage/file/file-storage.ts';
import { nodeFileSystem } from '../../src/storage/file/file-system.ts';
import { Files } from '../../src/storage/file/files.ts';
import { takeLock } from '../../src/storage/file/lock.ts';
import { nodeProcessTable, type ProcessTable } from '../../src/storage/file/process-table.ts';
import { load } from './on-disk.ts';
import { SimulatedFileSystem } from './simulated-file-system.ts';

const repository = join(import.meta.dirname, '../..');
/** Opens the directory and stays; waits for the file `go` first, so that many start at the same moment. */
const holder = `
import { existsSync } from 'node:fs';
import { FileStorage } from './src/storage/file/file-storage.ts';
const directory = process.argv[1];
while (!existsSync(directory + '.go')) await new Promise((resolve) => setTimeout(resolve, 1));
try {
  await new FileStorage({ directory }).load({ nodeId: 'a', cluster: 'test', newIncarnation: '0011223344556677' });
  console.log('won');
  setInterval(() => {}, 1000);
} catch (error) {
  console.log(error.code);
}
`;

let root = '';
let children: ChildProcess[] = [];

beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'raftsman-lock-'));
  children = [];
});

afterEach(async () => {
  await Promise.all(children.map(end));
  rmSync(root, { recursive: true, force: true });
});

function start(directory: string): { readonly child: ChildProcess; readonly said: Promise<string> } {
  const child = spawn(process.execPath, ['--import', 'tsx', '--input-type=module', '-e', holder, directory], {
    cwd: repository,
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  children.push(child);
  const said = new Promise<string>((resolve) => {
    child.stdout.on('data', (data) => resolve(String(data).trim()));
    child.on('exit', () => resolve('exited'));
  });
  return { child, said };
}

function end(child: ChildProcess): Promise<void> {
  return new Promise((resolve) => {
    if (child.exitCode !== null || child.signalCode !== null) return resolve();
    child.on('exit', () => resolve());
    child.kill('SIGKILL');
  });
}

describe('the lock of a directory, between processes', () => {
  it('is won by exactly one of several that start at once, and SIGKILL of the winner frees it', async () => {
    const directory = join(root, 'a');
    const racers = [start(directory), start(directory), start(directory), start(directory)];
    writeFileSync(`${directory}.go`, '');
    const said = await Promise.all(racers.map((racer) => racer.said));
    expect([...said].sort()).toEqual(['DIRECTORY_LOCKED', 'DIRECTORY_LOCKED', 'DIRECTORY_LOCKED', 'won']);
    const winner = racers[said.indexOf('won')]!;
    await expect(load(new FileStorage({ directory }))).rejects.toMatchObject({
      code: 'DIRECTORY_LOCKED',
      message: expect.stringContaining(`process ${winner.child.pid}`),
    });
    await end(winner.child);
    const next = new FileStorage({ directory });
    await load(next);
    expect(readdirSync(directory).filter((name) => name.startsWith('lock.'))).toHaveLength(1);
    await next.close();
  });
});

describe('the lock of a directory, by the marks of processes', () => {
  const directory = '/disk/a';

  function table(pid: number, alive: ReadonlySet<number>): ProcessTable {
    const self = { boot: 'b', namespace: '1', pid: String(pid), start: '1' };
    return { self, isAlive: (mark) => alive.has(Number(mark.pid)) };
  }

  it('has one holder however the steps of several claimants interleave', async () => {
    for (let seed = 1; seed <= 300; seed++) {
      const disk = new SimulatedFileSystem();
      const alive = new Set([1, 2, 3, 4]);
      disk.put(`${directory}/lock.b.1.9.1.0`, Buffer.from('held\n'));
      disk.holds = () => true;
      const outcomes: string[] = [];
      for (const pid of alive) {
        takeLock(new Files(disk), directory, 'lock', table(pid, alive)).then(
          () => outcomes.push('won'),
          (error) => outcomes.push(error.code),
        );
      }
      let random = seed;
      while (outcomes.length < alive.size) {
        random = (Math.imul(random, 1_664_525) + 1_013_904_223) >>> 0;
        disk.held.splice((random >>> 8) % Math.max(1, disk.held.length), 1)[0]?.();
        for (let turn = 0; turn < 8; turn++) await Promise.resolve();
      }
      expect(
        outcomes.filter((outcome) => outcome === 'won'),
        `seed ${seed}`,
      ).toHaveLength(1);
    }
  });

  it('gives up on a claimant that is alive and does not answer', async () => {
    const disk = new SimulatedFileSystem();
    disk.put(`${directory}/lock.b.1.2.1.0`, Buffer.alloc(0));
    const claim = takeLock(new Files(disk), directory, 'lock', table(1, new Set([1, 2])));
    await expect(claim).rejects.toMatchObject({ code: 'DIRECTORY_LOCKED' });
    expect([...disk.files(directory).keys()]).toEqual(['lock.b.1.2.1.0']);
  });

  it('knows this process from a dead one, a later one with its pid, another boot and another container', async () => {
    const processes = nodeProcessTable();
    const { self } = processes;
    expect(processes.isAlive(self)).toBe(true);
    expect(processes.isAlive({ ...self, boot: '0badb007' })).toBe(false);
    expect(processes.isAlive({ ...self, namespace: '7' })).toBe(false);
    expect(processes.isAlive({ ...self, pid: '999999999' })).toBe(false);
    if (process.platform === 'linux') expect(processes.isAlive({ ...self, start: '1' })).toBe(false);
    const lock = await takeLock(new Files(nodeFileSystem), root, 'lock', processes);
    expect(readdirSync(root)).toEqual([`lock.${self.boot}.${self.namespace}.${self.pid}.${self.start}.0`]);
    await lock.release();
    expect(readdirSync(root)).toEqual([]);
  });
});
