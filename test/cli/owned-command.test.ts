import { describe, expect, it } from 'vitest';
import { ownedCommand, ownershipLines } from '../../src/cli/owned-command.ts';
import { run } from '../../src/cli/run.ts';
import { fileForm, twoShards } from '../sharding/files.ts';
import { TestTerminal } from './terminal.ts';

const config = { name: 'edge', shards: 'gone.json', secretEnv: 'NOT_SET', clients: {} };
const files: Readonly<Record<string, string>> = {
  'proxy.json': JSON.stringify(config),
  'listne.json': JSON.stringify({ ...config, listne: {} }),
  'shards.json': JSON.stringify(fileForm({ ...twoShards })),
};

async function typed(line: string) {
  const terminal = new TestTerminal(files);
  const code = await run(`shards owned ${line}`.split(' '), [ownedCommand], '1.2.3', terminal);
  return { code, stdout: terminal.stdout, stderr: terminal.stderr };
}

describe('raftsman shards owned', () => {
  it.each([
    ['--json=no', 2, /--json takes no value/],
    ['--config nothing.json', 2, /cannot read nothing\.json/],
    ['--config proxy.json', 1, /secretEnv names NOT_SET, which is not set/],
    ['--config listne.json', 1, /unknown option listne: did you mean listen\?/],
    ['--config shards.json', 1, /unknown option version/],
  ])('%j does not ask anybody, and says why in one line', async (line, code, why) => {
    expect(await typed(line)).toEqual({ code, stdout: '', stderr: expect.stringMatching(why) });
    const json = await typed(`${line} --json`);
    expect([json.code, json.stderr]).toEqual([code, '']);
    const problems = [{ shard: '', message: expect.stringMatching(why) }];
    expect(JSON.parse(json.stdout)).toEqual({ ok: false, shards: [], problems });
  });

  it('needs a configuration', async () => {
    expect(await typed('--json')).toMatchObject({
      code: 2,
      stdout: expect.stringContaining('--config FILE is missing'),
    });
  });

  it('explains itself in 80 columns', async () => {
    const { code, stdout } = await typed('--help');
    expect(code).toBe(0);
    expect(stdout).toMatch(/^usage: raftsman shards owned --config FILE \[--json\]\n/);
    expect(stdout.split('\n').every((line) => line.length <= 80)).toBe(true);
  });

  it('has every range in lines of 80 columns, whatever the names', () => {
    const name = 'x'.repeat(64);
    const ranges = Array.from({ length: 300 }, (_, at) => ({ from: at * 50, to: at * 50 + (at % 3) }));
    const lines = ownershipLines({
      name,
      number: 1_000,
      namespace: 'n'.repeat(64),
      mapVersion: 12,
      owned: ranges.map((range) => ({ ...range, epoch: 1 })),
      ceded: [
        { from: 7, to: 7, epoch: 1, owner: 'y'.repeat(64) },
        { from: 9, to: 11, epoch: 2, owner: 'z' },
      ],
      occupied: ranges,
    }).split('\n');
    expect(lines.every((line) => line.length <= 80)).toBe(true);
    const whole = lines.join(' ').replace(/ +/g, ' ');
    const all = ranges.map(({ from, to }) => (from === to ? `${from}` : `${from}-${to}`)).join(', ');
    expect(whole).toBe(
      `${name}: #1000 of ${'n'.repeat(64)}, map 12 owned: ${all} ceded to ${'y'.repeat(64)}: 7 ceded to z: 9-11 occupied: ${all}`,
    );
  });
});
