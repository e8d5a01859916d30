import { describe, expect, it } from 'vitest';
import { checkCommand } from '../../src/cli/check-command.ts';
import { planCommand } from '../../src/cli/plan-command.ts';
import { run } from '../../src/cli/run.ts';
import { fileForm, shardForm, twoShards } from '../sharding/files.ts';
import { TestTerminal } from './terminal.ts';

const { one, two } = twoShards;
const three = shardForm(3, { buckets: ['40-49', 90, '92-99'] });
const books = { bucketCount: 2, shards: { books: shardForm(9, { buckets: ['0-1'] }) } };
const grown = {
  version: 2,
  namespaces: {
    tokens: {
      bucketCount: 100,
      shards: { one: { ...one, buckets: ['0-38'] }, two: { ...two, buckets: [39, '50-89', 91] }, three },
    },
    books,
  },
};
const long = 'x'.repeat(64);
const files: Readonly<Record<string, string>> = {
  'old.json': JSON.stringify(fileForm({ one, two })),
  'new.json': JSON.stringify(grown),
  'bad.json': '{"version": 1,',
  'long.json': JSON.stringify(
    fileForm({ [long]: { ...one, buckets: ['0-49'] }, two: { ...two, buckets: ['50-99'] } }),
  ),
  'scattered.json': JSON.stringify(
    fileForm(
      {
        one: { ...one, buckets: Array.from({ length: 50 }, (_, at) => at * 2) },
        two: { ...two, buckets: Array.from({ length: 50 }, (_, at) => at * 2 + 1) },
      },
      { version: 2 },
    ),
  ),
};

async function typed(line: string, more: Readonly<Record<string, string>> = {}) {
  const terminal = new TestTerminal({ ...files, ...more });
  const code = await run(line.split(' ').filter(Boolean), [checkCommand, planCommand], '1.2.3', terminal);
  return { code, stdout: terminal.stdout, stderr: terminal.stderr };
}

const fits = (text: string) => text.split('\n').every((line) => line.length <= 80);

describe('raftsman shards check', () => {
  it('says what a good file deals to whom', async () => {
    const { code, stdout } = await typed('shards check new.json');
    expect(code).toBe(0);
    expect(stdout.split('\n').map((line) => line.replace(/ +/g, ' '))).toEqual([
      'new.json: good, version 2, 2 namespaces, 4 shards',
      '',
      expect.stringMatching(/^tokens: buckets, 100 buckets, digest [0-9a-f]{8}$/),
      ' one #1 2 nodes 39 buckets 39.0 %',
      ' two #2 2 nodes 42 buckets 42.0 %',
      ' three #3 2 nodes 19 buckets 19.0 %',
      '',
      expect.stringMatching(/^books: buckets, 2 buckets/),
      ' books #9 2 nodes 2 buckets 100.0 %',
    ]);
    expect(fits(stdout)).toBe(true);
    expect(fits((await typed('shards check long.json')).stdout)).toBe(true);
  });

  it('lists every problem of a bad one, and ends with 1', async () => {
    const { code, stdout, stderr } = await typed('shards check bad.json');
    expect([code, stdout]).toEqual([1, '']);
    expect(stderr).toMatch(/^bad\.json: line 1, column 15: not JSON/);
    expect(fits(stderr)).toBe(true);
  });

  it('prints one object for a program', async () => {
    const good = await typed('shards check --json new.json');
    expect(JSON.parse(good.stdout)).toMatchObject({
      ok: true,
      version: 2,
      namespaces: [
        { namespace: 'tokens', bucketCount: 100, shards: [{ name: 'one', number: 1, buckets: 39 }, {}, {}] },
        {},
      ],
    });
    const bad = await typed('shards check bad.json --json');
    expect([bad.code, bad.stderr]).toEqual([1, '']);
    expect(JSON.parse(bad.stdout)).toEqual({
      ok: false,
      problems: [{ path: '', message: expect.any(String) }],
    });
  });
});

describe('raftsman shards plan', () => {
  it('says what moves between which shards, and how much of it between old ones', async () => {
    const { code, stdout } = await typed('shards plan old.json new.json');
    expect(code).toBe(0);
    expect(stdout.split('\n').map((line) => line.replace(/(\S) +/g, '$1 '))).toEqual([
      'version 1 to 2',
      '',
      'tokens:',
      '  20 of 100 buckets move, 20.0 % of the keys',
      '  1 of them between shards that OLD has too, 1.0 % of the keys',
      '  one -> two 1 bucket 39',
      '  one -> three 10 buckets 40-49',
      '  two -> three 9 buckets 90, 92-99',
      '',
      'books: new, nothing moves',
    ]);
  });

  it('fits into 80 columns and says how many ranges it left out', async () => {
    const { stdout } = await typed('shards plan old.json scattered.json');
    expect(fits(stdout)).toBe(true);
    expect(stdout).toMatch(/1, 3, 5.* and \d+ more$/m);
  });

  it.each([20, 38, 39, 64])('fits into 80 columns with names of %i characters', async (length) => {
    const name = (letter: string) => letter.repeat(length);
    const pair = (first: string, second: string) => ({
      [name('a')]: { ...one, buckets: [first] },
      [name('b')]: { ...two, buckets: [second] },
    });
    const file = (version: number, namespaces: object) => JSON.stringify({ version, namespaces });
    const space = (shards: object) => ({ bucketCount: 100, shards });
    const files = {
      old: file(1, { [name('n')]: space(pair('0-49', '50-99')) }),
      new: file(2, {
        [name('n')]: space(pair('0-48', '49-99')),
        [name('m')]: space({ [name('c')]: { ...three, buckets: ['0-99'] } }),
      }),
    };
    const lines = ['shards plan old new', 'shards plan new old', 'shards check new'];
    const said = await Promise.all(lines.map((line) => typed(line, files)));
    expect(said.map(({ code }) => code)).toEqual([0, 1, 0]);
    for (const { stdout, stderr } of said) expect(`${stdout}${stderr}`).toSatisfy(fits);
    // Nothing is left out.
    const whole = said.map(({ stdout, stderr }) => `${stdout}${stderr}`.replace(/\s/g, ''));
    expect(whole[0]).toContain(`${name('a')}->${name('b')}1bucket49`);
    expect(whole[1]).toContain(`namespaces.${name('m')}.shards.${name('c')}:isgone`);
  });

  it('prints one object for a program', async () => {
    const { stdout } = await typed('shards plan old.json new.json --json');
    expect(JSON.parse(stdout)).toMatchObject({
      ok: true,
      from: 1,
      to: 2,
      namespaces: [
        { namespace: 'tokens', isNew: false, bucketsMoved: 20, keysMoved: 0.2, betweenOldShards: 0.01 },
        { namespace: 'books', isNew: true, bucketsMoved: 0 },
      ],
    });
  });

  it('says why NEW cannot follow, by file, and ends with 1', async () => {
    const back = await typed('shards plan new.json old.json');
    expect(back.code).toBe(1);
    expect(back.stderr).toMatch(/^old\.json: version: 1 does not follow 2/);
    expect(back.stderr).toContain('old.json: namespaces.tokens.shards.three: is gone');
    const bad = await typed('shards plan bad.json nothing.json');
    expect(bad.code).toBe(2);
    const json = await typed('shards plan bad.json old.json --json');
    expect(JSON.parse(json.stdout)).toMatchObject({ ok: false, problems: [{ file: 'bad.json', path: '' }] });
  });
});

describe('the command line', () => {
  it.each([
    ['', 'which command? raftsman --help lists them'],
    ['shard', 'unknown command shard; did you mean shards?'],
    ['shards', 'shards what? shards check, shards plan'],
    ['shards --json', 'shards what? shards check, shards plan'],
    ['shards chekc new.json', 'unknown command shards chekc; did you mean shards check?'],
    ['qqqqqqqq', 'unknown command qqqqqqqq; see raftsman --help'],
    ['--verbose', 'unknown option --verbose; options follow the command'],
    ['shards check', 'FILE is missing'],
    ['shards plan old.json', 'NEW is missing'],
    ['shards check old.json new.json', 'new.json is one argument too many'],
    ['shards check --jsno old.json', 'unknown option --jsno; did you mean --json?'],
    ['shards check -x old.json', 'unknown option -x'],
    ['shards check --json=yes old.json', '--json takes no value'],
    ['shards check nothing.json', 'cannot read nothing.json: there is no such file'],
  ])('%j ends with 2 and one line: %s', async (line, message) => {
    const { code, stdout, stderr } = await typed(line);
    expect([code, stdout]).toEqual([2, '']);
    expect(stderr).toMatch(new RegExp(`^raftsman: ${message.replace(/[?.+]/g, '\\$&')}`));
    expect(stderr).not.toContain('\n');
  });

  it('explains itself', async () => {
    expect(await typed('--version')).toMatchObject({ code: 0, stdout: '1.2.3' });
    for (const line of ['--help', 'help', '-h']) {
      const { code, stdout } = await typed(line);
      expect(code).toBe(0);
      expect(stdout).toContain('raftsman shards plan OLD NEW [--json]\n      Says');
      expect(fits(stdout)).toBe(true);
    }
    const { stdout } = await typed('shards check --help');
    expect(stdout).toMatch(/^usage: raftsman shards check FILE \[--json\]\n/);
    expect(fits(stdout)).toBe(true);
  });

  it('shows no stack when something unforeseen fails', async () => {
    const terminal = new TestTerminal();
    const failing = { ...checkCommand, run: () => Promise.reject(new Error('the disk is on fire')) };
    expect(await run(['shards', 'check', 'x'], [failing], '1', terminal)).toBe(1);
    expect(terminal.stderr).toBe('raftsman: the disk is on fire');
  });
});
