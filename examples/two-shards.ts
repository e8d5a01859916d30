/**
 * Two shards behind a proxy: node --import tsx examples/two-shards.ts
 *
 * Two clusters of three nodes, each node a process; one proxy, and a client that knows only the proxy. While it calls and calls, a bucket
 * moves from one shard to the other, and the leader of each shard is killed. The client counts its errors: there is none.
 */
import { type ChildProcess, fork } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { connect, json } from '../src/client/index.ts'; // in your own program: from 'raftsman/client'
import { startNode } from '../src/index.ts'; // from 'raftsman'
import { startProxy } from '../src/proxy/index.ts'; // from 'raftsman/proxy'
import { freePorts } from './three-node-cluster/free-ports.ts';

const options = process.argv[2];
if (options === undefined) await main();
else await member(JSON.parse(options));

/** One node; lives until it is killed, or until the parent is gone. */
async function member(given: Parameters<typeof startNode>[0]): Promise<void> {
  process.once('disconnect', () => process.exit());
  const node = await startNode(given);
  await node.waitForLeader();
  process.send?.('ready');
}

async function main(): Promise<void> {
  const directory = mkdtempSync(join(tmpdir(), 'raftsman-two-shards-'));
  const secrets = { member: newSecret(), proxy: newSecret(), app: newSecret() };
  const ports = await freePorts(6);
  const peersOf = (first: number): Record<string, string> =>
    Object.fromEntries(['a', 'b', 'c'].map((id, i) => [id, `ws://127.0.0.1:${ports[first + i]}`]));
  const clusters = { one: peersOf(0), two: peersOf(3) };

  const nodes = new Map<string, ChildProcess>();
  for (const [cluster, peers] of Object.entries(clusters)) {
    for (const [id, address] of Object.entries(peers)) {
      const given = {
        id,
        cluster,
        dataDir: join(directory, cluster, id),
        listen: { host: '127.0.0.1', port: Number(new URL(address).port) },
        peers,
        secret: secrets.member,
        clients: { proxy: { secret: secrets.proxy, may: ['put', 'get', 'take', 'admin', 'proxy'] } },
      };
      const file = fileURLToPath(import.meta.url);
      nodes.set(
        `${cluster} ${id}`,
        fork(file, [JSON.stringify(given)], { execArgv: ['--import', 'tsx'], silent: true }),
      );
    }
  }
  await Promise.all([...nodes.values()].map((node) => once(node, 'message')));

  /** The shard file: shard one owns what is said, shard two the rest. */
  const fileOf = (
    version: number,
    one: readonly (string | number)[],
    two: readonly (string | number)[],
  ): object => ({
    version,
    namespaces: {
      tokens: {
        shards: {
          one: { number: 1, cluster: 'one', nodes: clusters.one, buckets: one },
          two: { number: 2, cluster: 'two', nodes: clusters.two, buckets: two },
        },
      },
    },
  });
  const proxy = await startProxy({
    name: 'edge-1',
    listen: { host: '127.0.0.1', port: 0 },
    shards: { map: fileOf(1, ['0-8191'], ['8192-16383']) },
    secret: secrets.proxy,
    clients: { app: { secret: secrets.app, may: ['put', 'get', 'take'] } },
  });
  const client = await connect({ endpoints: [proxy.address], name: 'app', secret: secrets.app });
  const tokens = client.queue<string>('tokens', { codec: json<string>() });

  // One key space: what is put lands on both shards, and what is taken comes from both.
  const users = Array.from({ length: 40 }, (_, i) => `user-${i}`);
  const expiresAt = Date.now();
  await Promise.all(users.map((id) => tokens.put({ id, payload: 'first', expiresAt })));
  const shards = users.map((id) => proxy.explain('tokens', id).shard);
  const on = (name: string): number => shards.filter((shard) => shard === name).length;
  say(`put ${users.length} tokens: ${on('one')} on shard one, ${on('two')} on shard two`);
  const taken = new Set<string>();
  while (taken.size < users.length) {
    for (const lease of await tokens.take({ limit: 10, waitMs: 2_000 })) {
      taken.add(lease.task.id);
      await lease.ack({ payload: 'fresh', expiresAt: Date.now() + 3_600_000 });
    }
  }
  say(`took and refreshed ${taken.size}, each once`);

  // From here on there is always something under way.
  let calls = 0;
  let errors = 0;
  let slowestMs = 0;
  let isOver = false;
  const timed = async (call: Promise<unknown>): Promise<void> => {
    const startedMs = performance.now();
    await call.catch((error: unknown) => {
      errors += 1;
      say(`a call failed: ${error}`);
    });
    calls += 1;
    slowestMs = Math.max(slowestMs, performance.now() - startedMs);
  };
  const keepBusy = async (id: string): Promise<void> => {
    for (let turn = 0; !isOver; turn += 1) {
      const payload = `${turn}`;
      await timed(tokens.put({ id, payload, expiresAt: Date.now() + 3_600_000 }));
      await timed(tokens.get(id));
    }
  };
  const load = Promise.all(users.slice(0, 16).map(keepBusy));
  const moreCalls = async (count: number): Promise<void> => {
    const target = calls + count;
    while (calls < target) await new Promise((resolve) => setTimeout(resolve, 5));
  };

  // A bucket of shard one that is empty goes to shard two.
  const used = new Set(users.map((id) => proxy.explain('tokens', id).bucket));
  const candidates = Array.from({ length: 100 }, (_, i) => proxy.explain('tokens', `new-${i}`));
  const empty = candidates.find(({ shard, bucket }) => shard === 'one' && bucket > 0 && !used.has(bucket));
  if (empty === undefined) throw new Error('no bucket is empty');
  const { bucket, key } = empty;
  await moreCalls(200);
  await proxy.reload({
    map: fileOf(2, [`0-${bucket - 1}`, `${bucket + 1}-8191`], [bucket, '8192-16383']),
  });
  await timed(tokens.put({ id: key, payload: 'first', expiresAt: Date.now() + 3_600_000 }));
  say(`bucket ${bucket} of ${key} moved from shard ${empty.shard} to ${proxy.explain('tokens', key).shard}`);
  await moreCalls(200);

  // The leader of each shard is killed.
  for (const name of ['one', 'two']) {
    const leaderId = (): string | undefined =>
      proxy.status().shards.find((shard) => shard.name === name)?.leaderId;
    const victim = leaderId();
    nodes.get(`${name} ${victim}`)?.kill('SIGKILL');
    while (leaderId() === undefined || leaderId() === victim) await moreCalls(1);
    say(`killed ${victim}, the leader of shard ${name}; now ${leaderId()} leads`);
    await moreCalls(200);
  }

  isOver = true;
  await load;
  const read = await Promise.all([...users, key].map((id) => tokens.get(id)));
  const lost = read.filter((record) => record === undefined).length;
  say(
    `${calls} calls, ${errors} errors, ${lost} tokens lost; the slowest call took ${slowestMs.toFixed(0)} ms`,
  );

  await client.close();
  await proxy.close();
  for (const node of nodes.values()) node.kill('SIGKILL');
  rmSync(directory, { recursive: true, force: true, maxRetries: 5 });
  process.exitCode = errors + lost === 0 ? 0 : 1;
}

function newSecret(): string {
  return randomBytes(32).toString('hex');
}

function say(text: string): void {
  console.log(text);
}
