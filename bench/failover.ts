import type { Queue } from '../src/client/index.ts';
import { BenchCluster } from './cluster.ts';
import { pause, type Quantiles, quantiles, rounded, row } from './measure.ts';
import type { BenchOptions, BenchResult } from './options.ts';
import { measureFailoverFloor } from './yardsticks.ts';

const payload = Buffer.alloc(300, 7);
/** Another write is sent so often until one of them is answered; those that wait are all sent when a leader is there. */
const writeEveryMs = 5;
/** A restarted voter stands by its leader for one election timeout: rounds start after it. */
const restMs = 2_500;
const giveUpMs = 15_000;

/** How long is a cluster of three without a leader, as a client in another process sees it? Default settings. */
export async function benchFailover(options: BenchOptions): Promise<BenchResult> {
  const floor = await measureFailoverFloor(options.rounds);
  const cluster = await BenchCluster.start();
  const writes = (await cluster.client()).queue('bench');
  const kill: number[] = [];
  const scope: number[] = [];
  const handover: number[] = [];
  await pause(restMs);
  for (let round = 0; round < options.rounds; round++) {
    handover.push(await handOver(cluster, writes));
    await pause(restMs);
    const { killMs, scopeMs } = await killLeader(cluster, writes);
    kill.push(killMs);
    scope.push(scopeMs);
    await pause(restMs);
    process.stderr.write(
      `round ${round + 1}: kill ${killMs} ms, scope ${scopeMs} ms, handover ${handover.at(-1)} ms\n`,
    );
  }
  await cluster.close();
  const json = { kill: quantiles(kill), scope: quantiles(scope), handover: quantiles(handover), floor };
  return { table: tableOf(json), json };
}

/** SIGKILL the leader; time the first write sent after it that is acknowledged, and the next exclusive scope. */
async function killLeader(
  cluster: BenchCluster,
  writes: Queue<Uint8Array>,
): Promise<{ readonly killMs: number; readonly scopeMs: number }> {
  const leader = await cluster.settled();
  const scopeOpened = new Promise<number>((resolve) => {
    cluster.onScope = (id) => {
      if (id !== leader) resolve(performance.now());
    };
  });
  const killedAt = performance.now();
  cluster.kill(leader);
  const ackedAt = await firstAck(writes);
  const openedAt = await within(scopeOpened, 'no exclusive scope');
  await cluster.exited(leader);
  await cluster.startNode(leader);
  await cluster.settled();
  return { killMs: rounded(ackedAt - killedAt), scopeMs: rounded(openedAt - killedAt) };
}

/** Ask the leader to hand over; time the longest pause between two acknowledged writes. */
async function handOver(cluster: BenchCluster, writes: Queue<Uint8Array>): Promise<number> {
  const leader = await cluster.settled();
  const acks: number[] = [];
  let done = false;
  const writer = (async () => {
    while (!done) {
      await put(writes);
      acks.push(performance.now());
    }
  })();
  await pause(100);
  const askedAt = performance.now();
  cluster.transfer(leader);
  const giveUpAt = askedAt + giveUpMs;
  while (cluster.leader() === leader || cluster.leader() === undefined) {
    if (performance.now() > giveUpAt) throw new Error('the handover did not happen');
    await pause(1);
  }
  await cluster.settled();
  await pause(100);
  done = true;
  await writer;
  const times = acks.filter((at) => at >= askedAt - 5);
  return rounded(
    times.slice(1).reduce((longest, at, index) => Math.max(longest, at - (times[index] ?? at)), 0),
  );
}

/** Sends a write every few milliseconds until one of them is acknowledged. */
async function firstAck(writes: Queue<Uint8Array>): Promise<number> {
  let ackedAt: number | undefined;
  const acked = new Promise<number>((resolve) => {
    const sendOne = () => {
      if (ackedAt !== undefined) return;
      put(writes).then(
        () => {
          ackedAt ??= performance.now();
          resolve(ackedAt);
        },
        () => {},
      );
      setTimeout(sendOne, writeEveryMs);
    };
    sendOne();
  });
  return within(acked, 'no write was acknowledged');
}

function put(writes: Queue<Uint8Array>): Promise<unknown> {
  return writes.put({ id: 'bench', payload, expiresAt: Date.now() + 86_400_000 });
}

async function within<T>(promise: Promise<T>, failure: string): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`${failure} within ${giveUpMs} ms`)), giveUpMs);
  });
  return Promise.race([promise, late]).finally(() => clearTimeout(timer));
}

function tableOf(
  result: Readonly<Record<'kill' | 'scope' | 'handover' | 'floor', Quantiles>>,
): readonly string[] {
  const { kill, scope, handover, floor } = result;
  const figure = (name: string, { p50, p99, max }: Quantiles) =>
    row(name, `p50 ${p50}, p99 ${p99}, max ${max}`, `floor p50 ${floor.p50}`, p50 / floor.p50);
  return [
    `failover of three processes, default settings, ms, n = ${kill.n}`,
    figure('kill -9 to first write', kill),
    figure('kill -9 to exclusive scope', scope),
    figure('planned handover, pause in writes', handover),
    row('floor', `p50 ${floor.p50}, p99 ${floor.p99}`, 'closed socket, 3 echoes, 3 syncs'),
  ];
}
