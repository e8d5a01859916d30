import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, describe, expect, it } from 'vitest';
import { fileForm, shardForm } from '../sharding/files.ts';

const main = fileURLToPath(new URL('../../src/cli/main.ts', import.meta.url));
const directory = mkdtempSync(join(tmpdir(), 'raftsman-cli-'));
afterAll(() => rmSync(directory, { recursive: true, force: true }));

/** Enough output to fill a pipe. */
const many = Object.fromEntries(
  Array.from({ length: 1_000 }, (_, at) => [
    `shard-${at}`,
    shardForm(at + 1, { buckets: [at], nodes: { a: `ws://h${at}` } }),
  ]),
);
const files: Readonly<Record<string, string | Uint8Array>> = {
  good: JSON.stringify(fileForm(many, { bucketCount: 1_000 })),
  marked: '\uFEFF{}',
  latin1: Uint8Array.of(0x7b, 0xe9, 0x7d),
};
for (const [name, content] of Object.entries(files)) writeFileSync(join(directory, name), content);

interface Ended {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** The command as a process of its own. With `deaf`, nobody reads what it says. */
function raftsman(args: readonly string[], deaf = false): Promise<Ended> {
  const child = spawn(process.execPath, ['--import', import.meta.resolve('tsx'), main, ...args], {
    cwd: directory,
  });
  let stdout = '';
  let stderr = '';
  child.stdout.on('data', (chunk) => {
    stdout += String(chunk);
  });
  child.stderr.on('data', (chunk) => {
    stderr += String(chunk);
  });
  if (deaf) child.stdout.destroy();
  return new Promise((resolve) => child.on('close', (code) => resolve({ code, stdout, stderr })));
}

describe('the raftsman command as a process', () => {
  it('ends with the exit code, writes to the right stream and never shows a stack', async () => {
    const [good, marked, latin1, folder, version] = await Promise.all([
      raftsman(['shards', 'check', 'good']),
      raftsman(['shards', 'check', 'marked']),
      raftsman(['shards', 'plan', 'latin1', 'good']),
      raftsman(['shards', 'check', '.']),
      raftsman(['--version']),
    ]);
    expect([good.code, good.stderr]).toEqual([0, '']);
    expect(good.stdout).toMatch(/^good: good, version 1, 1 namespace, 1000 shards\n/);
    expect(good.stdout.split('\n').length).toBeGreaterThan(1_000);
    expect([marked.code, marked.stdout]).toEqual([1, '']);
    expect(marked.stderr.replace(/\s+/g, ' ')).toBe(
      'marked: the file begins with a byte order mark; save it as UTF-8 without one ',
    );
    expect(latin1).toEqual({
      code: 2,
      stdout: '',
      stderr: 'raftsman: cannot read latin1: it is not UTF-8\n',
    });
    expect(folder).toEqual({ code: 2, stdout: '', stderr: 'raftsman: cannot read .: it is a directory\n' });
    expect(version.stdout).toMatch(/^\d+\.\d+\.\d+\n$/);
  });

  it('ends in silence when nobody reads on', async () => {
    const { code, stderr } = await raftsman(['shards', 'check', 'good'], true);
    expect([code, stderr]).toEqual([0, '']);
  });
});
