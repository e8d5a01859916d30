import { spawn } from 'node:child_process';
import { closeSync, existsSync, mkdtempSync, openSync, rmSync, writeFileSync } from 'node:fs';
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
function raftsman(
  args: readonly string[],
  { deaf = false, stdout: to = 'pipe' }: { readonly deaf?: boolean; readonly stdout?: 'pipe' | number } = {},
): Promise<Ended> {
  const child = spawn(process.execPath, ['--import', import.meta.resolve('tsx'), main, ...args], {
    cwd: directory,
    stdio: ['pipe', to, 'pipe'],
  });
  let stdout = '';
  let stderr = '';
  child.stdout?.on('data', (chunk) => {
    stdout += String(chunk);
  });
  child.stderr?.on('data', (chunk) => {
    stderr += String(chunk);
  });
  if (deaf) child.stdout?.destroy();
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

  it('says in one object, with --json, why it could not even begin', async () => {
    const [check, plan, word, proxy] = await Promise.all([
      raftsman(['shards', 'check', 'nofile', '--json']),
      raftsman(['shards', 'plan', 'good', 'latin1', '--json']),
      raftsman(['shards', 'check', 'good', '--json', '--nonsense']),
      raftsman(['proxy', '--config', 'nofile', '--json']),
    ]);
    for (const { code, stderr } of [check, plan, word, proxy]) expect([code, stderr]).toEqual([2, '']);
    const none = 'cannot read nofile: there is no such file';
    expect(JSON.parse(check.stdout)).toEqual({ ok: false, problems: [{ path: '', message: none }] });
    const latin = { file: '', path: '', message: 'cannot read latin1: it is not UTF-8' };
    expect(JSON.parse(plan.stdout)).toEqual({ ok: false, problems: [latin] });
    expect(JSON.parse(word.stdout).problems).toHaveLength(1);
    expect(JSON.parse(proxy.stdout)).toEqual({ event: 'failed', message: none });
  });

  it.skipIf(!existsSync('/dev/full'))('says in one line that its output cannot be written', async () => {
    const full = openSync('/dev/full', 'w');
    const { code, stderr } = await raftsman(['shards', 'check', 'good'], { stdout: full });
    closeSync(full);
    expect([code, stderr.split('\n').length]).toEqual([1, 2]);
    expect(stderr).toMatch(/^raftsman: the output cannot be written: ENOSPC/);
  });

  it('shows help about what was asked', async () => {
    const [family, word, both] = await Promise.all([
      raftsman(['shards', '--help']),
      raftsman(['help', 'proxy']),
      raftsman(['proxy', '--help']),
    ]);
    expect([family.code, word.code, word.stdout]).toEqual([0, 0, both.stdout]);
    expect(family.stdout).toContain('raftsman shards plan OLD NEW');
    expect(family.stdout).not.toContain('raftsman proxy');
  });

  it('ends in silence when nobody reads on', async () => {
    const { code, stderr } = await raftsman(['shards', 'check', 'good'], { deaf: true });
    expect([code, stderr]).toEqual([0, '']);
  });
});
