import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { freePorts } from '../integration/node-process.ts';
import { Program } from '../integration/program.ts';
import { ProxyWorld, secrets } from '../integration/proxy-world.ts';
import { root } from '../source-files.ts';

describe('the programs of the README that speak of shards', () => {
  const programs: Program[] = [];
  let world: ProxyWorld;
  let directory: string;

  beforeEach(async () => {
    world = await ProxyWorld.start();
    directory = mkdtempSync(join(tmpdir(), 'raftsman-readme-proxy-'));
    writeFileSync(join(directory, 'shards.json'), JSON.stringify(world.map(1)));
  });
  afterEach(async () => {
    await Promise.all(programs.splice(0).map((program) => program.stop('SIGKILL')));
    await world.stop();
    rmSync(directory, { recursive: true, force: true });
  });

  /** The program as it stands, but for ports that are free here and where files are. */
  const run = (name: string, ports: readonly number[]): Program => {
    const text = readFileSync(join(root, 'examples', name), 'utf8')
      .replace(/710([01])/g, (_, digit: string) => String(ports[Number(digit)]))
      .replace("'shards.json'", JSON.stringify(join(directory, 'shards.json')))
      .replace("'../src/", `'${new URL('../../src/', import.meta.url).href}`);
    const file = join(directory, name.replace('.ts', '.mts'));
    writeFileSync(file, text);
    const program = new Program([file], { PROXY_SECRET: secrets.proxy, APP_SECRET: secrets.app });
    programs.push(program);
    return program;
  };

  it('stores a token through the proxy that runs, and says on which shard', { timeout: 60_000 }, async () => {
    const ports = await freePorts(2);
    const proxy = run('readme-proxy.ts', ports);
    await proxy.line(/^edge-1 listens at ws:\/\/127.0.0.1:\d+$/);
    const client = run('readme-client.ts', ports);
    await client.ended();
    expect(client.lines).toEqual(['anna: bucket 16055, on shard two']);
    proxy.child.kill('SIGTERM');
    await proxy.ended();
    expect(proxy.child.exitCode).toBe(0);
  });
});
