import { type ChildProcess, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { freePorts } from '../../examples/three-node-cluster/free-ports.ts';

const root = fileURLToPath(new URL('../..', import.meta.url));

/** A process of the tutorial and what it printed. */
class Program {
  readonly child: ChildProcess;
  readonly lines: string[] = [];
  #wakers: (() => void)[] = [];

  constructor(args: readonly string[], env: NodeJS.ProcessEnv) {
    this.child = spawn(process.execPath, ['--import', 'tsx', ...args], {
      cwd: root,
      env: { ...process.env, ...env },
    });
    for (const stream of [this.child.stdout, this.child.stderr]) {
      if (stream === null) continue;
      createInterface(stream).on('line', (line) => {
        this.lines.push(line);
        for (const wake of this.#wakers.splice(0)) wake();
      });
    }
  }

  /** Resolves with the first line that matches, printed already or still to come. */
  async line(pattern: RegExp): Promise<string> {
    for (;;) {
      const found = this.lines.find((line) => pattern.test(line));
      if (found !== undefined) return found;
      await this.#nextLine();
    }
  }

  async linesAbove(count: number): Promise<void> {
    while (this.lines.length <= count) await this.#nextLine();
  }

  #nextLine(): Promise<void> {
    return new Promise((resolve) => this.#wakers.push(resolve));
  }

  async stop(signal: NodeJS.Signals): Promise<void> {
    if (this.child.exitCode !== null || this.child.signalCode !== null) return;
    const ended = once(this.child, 'exit');
    this.child.kill(signal);
    await ended;
  }
}

describe('the tutorial', () => {
  let directory: string;
  let env: NodeJS.ProcessEnv;
  const programs: Program[] = [];
  const run = (...args: string[]): Program => {
    const program = new Program(args, env);
    programs.push(program);
    return program;
  };

  beforeEach(async () => {
    directory = mkdtempSync(join(tmpdir(), 'raftsman-tutorial-'));
    const secret = (): string => randomBytes(32).toString('hex');
    env = {
      RAFTSMAN_PORTS: (await freePorts(3)).join(','),
      RAFTSMAN_DATA: directory,
      RAFTSMAN_SECRET: secret(),
      WEB_SECRET: secret(),
      UPDATER_SECRET: secret(),
    };
  });

  afterEach(async () => {
    await Promise.all(programs.map((program) => program.stop('SIGKILL')));
    rmSync(directory, { recursive: true, force: true });
  });

  it('elects, hands over, stores and refreshes as the page says', async () => {
    const nodes = ['a', 'b', 'c'].map((id) => run('examples/tutorial/node.ts', id));
    const first = await Promise.race(nodes.map((node) => node.line(/my watch begins/)));
    const leader = nodes.find((node) => node.lines.includes(first));
    const others = nodes.filter((node) => node !== leader);

    const updater = run('examples/tutorial/updater.ts', 'one');
    const web = run('examples/tutorial/web.ts', '60');
    await web.line(/^boris: stored/);
    await updater.line(/^one: anna, attempt 1/);
    expect(await web.line(/^anna: access-one-/)).toMatch(/access-one-\d+, \d s left/);

    await leader?.stop('SIGINT');
    expect(leader?.lines.some((line) => /^[abc]: closed/.test(line))).toBe(true);
    const second = await Promise.race(others.map((node) => node.line(/my watch begins/)));
    expect(tokenOf(second)).toBeGreaterThan(tokenOf(first));

    const refreshed = updater.lines.length;
    await updater.linesAbove(refreshed + 1);
    await updater.stop('SIGINT');
    expect(updater.lines).toContain('one: stopped');
  }, 60_000);
});

function tokenOf(line: string): number {
  return Number(/fencing token (\d+)/.exec(line)?.[1]);
}
