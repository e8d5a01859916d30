import {
  appendFileSync,
  mkdirSync,
  mkdtempSync,
  renameSync,
  rmSync,
  symlinkSync,
  unlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { readTextFile, WatchedFile } from '../../src/storage/file/watched-file.ts';
import { SystemClock } from '../../src/system/system-clock.ts';
import { TestClock } from '../service/test-clock.ts';

let directory: string;
let path: string;
let changes: number;
let watched: WatchedFile | undefined;

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'raftsman-watch-'));
  path = join(directory, 'shards.json');
  changes = 0;
  writeFileSync(path, 'one');
});
afterEach(() => {
  watched?.close();
  rmSync(directory, { recursive: true, force: true });
});

/** Looks once, so that what is there counts as known. */
async function watch(clock = new SystemClock()): Promise<void> {
  watched = new WatchedFile(path, clock, () => changes++);
  watched.start();
  await new Promise((resolve) => setTimeout(resolve, 30));
}

async function until(holds: () => boolean): Promise<void> {
  const endMs = Date.now() + 4_000;
  while (!holds()) {
    if (Date.now() > endMs) throw new Error('it did not come about');
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

describe('a watched file', () => {
  it('is seen when it is written in place, and when another takes its place', async () => {
    await watch();
    writeFileSync(path, 'another');
    await until(() => changes === 1);
    writeFileSync(`${path}.next`, 'the third');
    renameSync(`${path}.next`, path);
    await until(() => changes === 2);
  });

  it('is seen behind a link to a directory that is swapped, as Kubernetes does', async () => {
    for (const name of ['v1', 'v2']) {
      mkdirSync(join(directory, name));
      writeFileSync(join(directory, name, 'shards.json'), name);
    }
    symlinkSync('v1', join(directory, 'now'));
    unlinkSync(path);
    symlinkSync(join('now', 'shards.json'), path);
    await watch();
    symlinkSync('v2', join(directory, 'next'));
    renameSync(join(directory, 'next'), join(directory, 'now'));
    await until(() => changes === 1);
    expect(await readTextFile(path)).toBe('v2');
  });

  it('is seen also beside a file that is written all the time', async () => {
    await watch();
    const log = join(directory, 'log');
    const writing = setInterval(() => appendFileSync(log, 'x'), 10);
    writeFileSync(path, 'another');
    await until(() => changes === 1).finally(() => clearInterval(writing));
  });

  it('is not seen for what happens beside it, nor while it is away for a moment', async () => {
    await watch();
    writeFileSync(join(directory, 'other'), 'x');
    unlinkSync(path);
    await new Promise((resolve) => setTimeout(resolve, 150));
    expect(changes).toBe(0);
    writeFileSync(path, 'back');
    await until(() => changes === 1);
  });

  it('is looked at every two seconds where the system tells nothing, and told of when it stays the same', async () => {
    const clock = new TestClock();
    const gone = join(directory, 'gone', 'shards.json');
    watched = new WatchedFile(gone, clock, () => changes++);
    watched.start();
    const passes = async (ms: number) => {
      await clock.advance(ms);
      await until(() => clock.timerCount === 1);
    };
    await passes(0);
    mkdirSync(join(directory, 'gone'));
    for (const [text, ms] of [
      ['half', 2_000],
      ['the half of it', 100],
    ] as const) {
      writeFileSync(gone, text);
      await passes(ms);
      expect(changes).toBe(0);
    }
    await passes(100);
    expect(changes).toBe(1);
    writeFileSync(gone, 'another');
    await passes(2_000);
    await passes(100);
    expect(changes).toBe(2);
    await passes(2_000);
    expect(changes).toBe(2);
    watched.close();
    expect(clock.timerCount).toBe(0);
  });
});

describe('a text file', () => {
  it('is read whole, and not if it is no file or too large', async () => {
    expect(await readTextFile(path)).toBe('one');
    await expect(readTextFile(directory)).rejects.toThrow(/no file/);
    writeFileSync(path, Buffer.from([0x7b, 0xff, 0x7d]));
    await expect(readTextFile(path)).rejects.toThrow(/is not UTF-8/);
    writeFileSync(path, Buffer.from([0xef, 0xbb, 0xbf, 0x7b]));
    expect(await readTextFile(path)).toBe('\ufeff{');
    await expect(readTextFile(`${path}.gone`)).rejects.toThrow(/ENOENT/);
    writeFileSync(path, Buffer.alloc(4 * 1024 * 1024 + 1));
    await expect(readTextFile(path)).rejects.toThrow(/larger/);
  });
});
