import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, describe, expect, it } from 'vitest';
import { freePorts } from '../integration/node-process.ts';

const root = fileURLToPath(new URL('../../', import.meta.url));
const tsx = fileURLToPath(import.meta.resolve('tsx'));
const children: Program[] = [];
const directories: string[] = [];

afterEach(async () => {
  await Promise.all(children.splice(0).map((child) => child.kill()));
  for (const directory of directories.splice(0)) rmSync(directory, { recursive: true, force: true });
});

/** A program as a user starts it. */
class Program {
  output = '';
  readonly ended: Promise<number | null>;
  readonly #child: ChildProcess;

  constructor(file: string, args: readonly string[], cwd: string) {
    const env = { ...process.env, RAFTSMAN_SECRET: 'a secret of at least thirty-two bytes' };
    this.#child = spawn(process.execPath, ['--import', tsx, file, ...args], { cwd, env });
    for (const stream of [this.#child.stdout, this.#child.stderr]) {
      stream?.on('data', (chunk: Buffer) => {
        this.output += chunk.toString();
      });
    }
    this.ended = new Promise((resolve) => this.#child.on('exit', resolve));
    children.push(this);
  }

  signal(name: NodeJS.Signals): void {
    this.#child.kill(name);
  }

  async kill(): Promise<void> {
    if (this.#child.exitCode === null && this.#child.signalCode === null) this.signal('SIGKILL');
    await this.ended;
  }
}

describe('the README program', () => {
  const source = readFileSync(join(root, 'examples/readme.ts'), 'utf8');

  it('has fewer than twenty lines of code', () => {
    const lines = source.split('\n').filter((line) => line.trim() !== '');
    expect(lines.length).toBeLessThan(20);
  });

  it('elects one leader of three, and another one when that is stopped', { timeout: 60_000 }, async () => {
    const directory = mkdtempSync(join(tmpdir(), 'raftsman-readme-'));
    directories.push(directory);
    const ports = await freePorts(3);
    // The program as it stands, but for ports that are free here and where the library is.
    const text = source
      .replace(/700([123])/g, (_, digit: string) => String(ports[Number(digit) - 1]))
      .replace("'../src/index.ts'", JSON.stringify(new URL('../../src/index.ts', import.meta.url).href));
    const file = join(directory, 'readme.mts');
    writeFileSync(file, text);
    const programs = ['a', 'b', 'c'].map((id, i) => new Program(file, [id, String(ports[i])], directory));
    const leaders = (): readonly Program[] =>
      programs.filter(({ output }) => /leads, fencing token \d+/.test(output));
    await expect.poll(() => leaders().length, { timeout: 20_000 }).toBe(1);
    const [first] = leaders();
    first?.signal('SIGINT');
    expect(await first?.ended).toBe(0);
    await expect.poll(() => leaders().length, { timeout: 20_000 }).toBe(2);
    for (const { output } of programs) expect(output).not.toMatch(/error/i);
  });
});

describe('examples/three-node-cluster', () => {
  it('runs its job on one member at a time, and ends by itself', { timeout: 60_000 }, async () => {
    const program = new Program(join(root, 'examples/three-node-cluster/main.ts'), [], root);
    const code = await program.ended;
    expect(code, program.output).toBe(0);
    expect(program.output).toMatch(/-- kill -9 [abc]\n/);
    expect(program.output).toMatch(/arrives only now: refused: [abc] has token \d+, \d+ was seen/);
    expect(program.output).toMatch(/ invoices by [abc](?:, then [abc]){2,}; [1-9]\d* late write refused\n$/);
    const tokens = [...program.output.matchAll(/fencing token (\d+)/g)].map(([, token]) => Number(token));
    expect(tokens.length).toBeGreaterThanOrEqual(3);
    expect(tokens).toEqual([...tokens].sort((a, b) => a - b));
  });
});
