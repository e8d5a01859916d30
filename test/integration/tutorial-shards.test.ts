import { randomBytes } from 'node:crypto';
import { mkdtempSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { freePorts } from '../../examples/three-node-cluster/free-ports.ts';
import { root } from '../source-files.ts';
import { Program } from './program.ts';

const tutorial = 'examples/tutorial';

/** Where the tutorial listens, and which ports are free here. */
async function portsFor(shown: readonly number[]): Promise<ReadonlyMap<string, string>> {
  const free = await freePorts(shown.length);
  return new Map(shown.map((port, at) => [`${port}`, `${free[at]}`]));
}

describe('the tutorial from one shard to two', () => {
  let directory: string;
  let ports: ReadonlyMap<string, string>;
  let env: NodeJS.ProcessEnv;
  const programs: Program[] = [];

  const run = (args: readonly string[], more: NodeJS.ProcessEnv = {}): Program => {
    const program = new Program(args, { ...env, ...more });
    programs.push(program);
    return program;
  };
  const raftsman = (...args: readonly string[]): Program => run(['src/cli/main.ts', ...args]);
  const outputOf = async (program: Program): Promise<string> => {
    await program.ended();
    return program.lines.join('\n');
  };
  const portsOf = (first: number): string => [0, 1, 2].map((i) => ports.get(`${first + i}`)).join(',');
  const node = (id: string, more: NodeJS.ProcessEnv = {}): Program => run([`${tutorial}/node.ts`, id], more);
  /** A file of the tutorial, but for the ports. */
  const put = (name: string, as: string): string => {
    const text = readFileSync(join(root, tutorial, name), 'utf8')
      .replace(/\b7\d{3}\b/g, (port) => ports.get(port) ?? port)
      .replace('../../data/', '');
    const path = join(directory, as);
    writeFileSync(`${path}.next`, text);
    renameSync(`${path}.next`, path);
    return path;
  };

  beforeEach(async () => {
    directory = mkdtempSync(join(tmpdir(), 'raftsman-shards-'));
    ports = await portsFor([7001, 7002, 7003, 7011, 7012, 7013, 7100]);
    const secret = (): string => randomBytes(32).toString('hex');
    env = {
      RAFTSMAN_PORTS: portsOf(7001),
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

  it('grows as the page says, without an error', async () => {
    const before = new Map(['a', 'b', 'c'].map((id) => [id, node(id)]));
    await before.get('a')!.line(/: leader [abc],/);
    const direct = run([`${tutorial}/web.ts`, '600']);
    await direct.line(/^boris: stored/);

    // 1. The nodes let a proxy in, one after the other.
    const PROXY_SECRET = randomBytes(32).toString('hex');
    env = { ...env, PROXY_SECRET };
    for (const id of before.keys()) {
      await before.get(id)!.stop('SIGINT');
      await node(id).line(/: leader [abc],/);
    }

    // 2. A proxy before the one shard; the application is started anew with its address.
    const shards = put('shards-1.json', 'shards.json');
    expect(await outputOf(raftsman('shards', 'check', shards))).toContain(
      'good, version 1, 1 namespace, 1 shard',
    );
    const proxy = raftsman('proxy', '--config', put('proxy.json', 'proxy.json'));
    await proxy.line(/^edge-1 listens at ws:\/\/127.0.0.1:\d+, map 1, shards one$/);
    env = { ...env, RAFTSMAN_ENDPOINTS: `ws://127.0.0.1:${ports.get('7100')}` };
    const web = run([`${tutorial}/web.ts`, '600']);
    const updater = run([`${tutorial}/updater.ts`, 'one']);
    await web.line(/^anna: access-one-/);
    await direct.line(/^anna: access-one-/);

    // 3. The second cluster.
    const second = {
      RAFTSMAN_CLUSTER: 'second',
      RAFTSMAN_PORTS: portsOf(7011),
      RAFTSMAN_DATA: join(directory, 'second'),
    };
    const added = ['a', 'b', 'c'].map((id) => node(id, second));
    const leads = await Promise.race(added.map((each) => each.line(/my watch begins/)));

    // 4. Half of the buckets: refused, because some are not empty.
    const plan = raftsman('shards', 'plan', shards, put('shards-2.json', 'next.json'));
    expect(await outputOf(plan)).toContain('8192 of 16384 buckets move, 50.0 % of the keys');
    renameSync(join(directory, 'next.json'), shards);
    const refused = await proxy.line(/^error: the map of shards was not reloaded/);
    expect(refused).toContain('bucket 14387 of tokens cannot go from one to two');
    const inForce = put('shards-1.json', 'shards-1.json');
    expect(await outputOf(run([`${tutorial}/occupied.ts`, inForce]))).toBe('one: in use 14387, 16055');
    const buckets = await outputOf(run([`${tutorial}/buckets.ts`, 'anna', 'boris']));
    expect(buckets).toBe('anna: bucket 16055, shard one, map 1\nboris: bucket 14387, shard one, map 1');

    // 5. Without these two.
    put('shards-3.json', 'shards.json');
    await proxy.line(/^info: another map of shards is in force \(version 3/);
    const after = await outputOf(run([`${tutorial}/buckets.ts`, 'anna', 'jan', 'carla']));
    expect(after.split('\n')).toEqual([
      'anna: bucket 16055, shard one, map 3',
      'jan: bucket 349, shard one, map 3',
      'carla: bucket 9149, shard two, map 3',
    ]);

    const astray = run([`${tutorial}/web.ts`, '1', 'carla'], { RAFTSMAN_ENDPOINTS: undefined });
    expect(await outputOf(astray)).toContain('WrongShardError: the key belongs to two by map version 3');

    // 6. A token on the second shard; its leader is killed.
    const carla = run([`${tutorial}/web.ts`, '600', 'carla']);
    await carla.line(/^carla: access-one-/);
    await added.find(({ lines }) => lines.includes(leads))!.stop('SIGKILL');
    const seen = [carla, web, direct].map((program) => ({ program, count: program.lines.length }));
    await Promise.all(seen.map(({ program, count }) => program.linesAbove(count + 1)));
    for (const { lines } of [carla, web, direct, updater]) expect(lines.join('\n')).not.toMatch(/error/i);
    await proxy.stop('SIGTERM');
    expect(proxy.lines.at(-1)).toBe('closed');
  }, 240_000);
});
