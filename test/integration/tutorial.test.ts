import { randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { freePorts } from '../../examples/three-node-cluster/free-ports.ts';
import { Program } from './program.ts';

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
