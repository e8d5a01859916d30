import type { QueueClient } from '../src/client/index.ts';
import { BenchCluster, type HolderOptions } from './cluster.ts';
import { measureRate, type Quantiles, quantiles, row } from './measure.ts';
import type { BenchOptions, BenchResult } from './options.ts';
import { startProcess } from './processes.ts';
import { measureClose, measureYardstick } from './yardsticks.ts';

const bytes = 300;
const payload = Buffer.alloc(bytes, 7);
const putsInFlight = 100;
const consumers = 4;
const concurrency = 25;
const wakeups = 500;
const dueInMs = 30_000;

/** How fast do three replicated processes hand tasks out and take answers in? Clients in another process, `work` as users call it. */
export async function benchQueue(options: BenchOptions): Promise<BenchResult> {
  const yardstick = {
    ...(await measureYardstick(options.seconds / 2, bytes, putsInFlight)),
    close: await measureClose(options.rounds),
  };
  const cluster = await BenchCluster.start();
  const producer = await cluster.client();
  const { perSecond: putPerSecond, count } = await fill(producer, options.seconds);
  const takeAckPerSecond = await drain(cluster, count);
  const wakeup = await measureWakeups(cluster, producer);
  const releaseMs = await measureRelease(cluster, producer, options.rounds);
  await cluster.close();
  const brief = ({ p50, p99 }: Quantiles) => ({ p50, p99 });
  return {
    json: {
      replicated: { putPerSecond, takeAckPerSecond },
      wakeup: brief(wakeup),
      releaseMs: brief(releaseMs),
      yardstick,
    },
    table: [
      `queue on three processes, ${bytes} B, ms`,
      row(
        `put, ${putsInFlight} in flight`,
        `${putPerSecond}/s`,
        `echo ${yardstick.echo.perSecond}/s`,
        putPerSecond / yardstick.echo.perSecond,
      ),
      row(
        `take + ack, ${consumers} x ${concurrency}`,
        `${takeAckPerSecond}/s`,
        `echo ${yardstick.echo.perSecond}/s`,
        takeAckPerSecond / yardstick.echo.perSecond,
      ),
      row(
        'put to waiting taker',
        `p50 ${wakeup.p50}, p99 ${wakeup.p99}`,
        `sync p50 ${yardstick.sync.p50}`,
        wakeup.p50 / yardstick.sync.p50,
      ),
      row(
        'SIGKILL to task in other hands',
        `p50 ${releaseMs.p50}, p99 ${releaseMs.p99}`,
        `closed socket p50 ${yardstick.close.p50}`,
        releaseMs.p50 / yardstick.close.p50,
      ),
    ],
  };
}

/** Puts distinct tasks that are due at once. */
async function fill(
  producer: QueueClient,
  seconds: number,
): Promise<{ readonly perSecond: number; readonly count: number }> {
  const queue = producer.queue('fill');
  let count = 0;
  const { perSecond } = await measureRate(seconds, putsInFlight, (index) => {
    count++;
    return queue.put({ id: `task-${index}`, payload, expiresAt: Date.now() + dueInMs });
  });
  return { perSecond, count };
}

/** Four consumers with 25 handlers each take and remove all of them. */
async function drain(cluster: BenchCluster, count: number): Promise<number> {
  const clients = await Promise.all(Array.from({ length: consumers }, () => cluster.client()));
  const stop = new AbortController();
  let handled = 0;
  const startedAt = performance.now();
  await Promise.all(
    clients.map((client, index) =>
      client.queue('fill').work(
        () => {
          if (++handled >= count) stop.abort();
          return { done: true };
        },
        {
          workerId: `bench-${index}`,
          concurrency,
          signal: stop.signal,
          onError: (error) => console.error(error),
        },
      ),
    ),
  );
  return Math.round((handled * 1_000) / (performance.now() - startedAt));
}

async function measureWakeups(cluster: BenchCluster, producer: QueueClient): Promise<Quantiles> {
  const puts = producer.queue('wakeup');
  const takes = (await cluster.client()).queue('wakeup');
  const samples: number[] = [];
  for (let round = 0; round < wakeups; round++) {
    const taken = takes.take({ waitMs: 10_000 });
    await new Promise((resolve) => setTimeout(resolve, 2)); // the taker waits before the put leaves
    const putAt = performance.now();
    const put = puts.put({ id: `task-${round}`, payload, expiresAt: Date.now() + dueInMs });
    const [lease] = await taken;
    samples.push(performance.now() - putAt);
    await put;
    await lease?.ack({ done: true });
  }
  return quantiles(samples);
}

/** A process takes a task of a provider that does not rotate and is killed; another client waits for it. */
async function measureRelease(
  cluster: BenchCluster,
  producer: QueueClient,
  rounds: number,
): Promise<Quantiles> {
  const queue = producer.queue('release');
  await queue.setProvider('static', { kind: 'static' });
  const other = (await cluster.client()).queue('release');
  const samples: number[] = [];
  for (let round = 0; round < rounds; round++) {
    const options: HolderOptions = { endpoints: cluster.endpoints, secret: cluster.secret, queue: 'release' };
    const holder = startProcess('./holder-process.ts', options);
    await holder.ready;
    const holding = new Promise<void>((resolve) => {
      holder.onMessage = (message) => {
        if (message.type === 'holding') resolve();
      };
    });
    await queue.put({ id: `task-${round}`, payload, expiresAt: Date.now() + dueInMs, provider: 'static' });
    await holding;
    const taken = other.take({ waitMs: 20_000, timeoutMs: 25_000 });
    await new Promise((resolve) => setTimeout(resolve, 20));
    const killedAt = performance.now();
    holder.kill();
    const [lease] = await taken;
    samples.push(performance.now() - killedAt);
    await lease?.ack({ done: true });
    await holder.exited;
  }
  return quantiles(samples);
}
