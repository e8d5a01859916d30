import { BenchCluster } from './cluster.ts';
import { measureRate, type Rate, row } from './measure.ts';
import type { BenchOptions, BenchResult } from './options.ts';
import { measureYardstick } from './yardsticks.ts';

const bytes = 300;
const payload = Buffer.alloc(bytes, 7);
const ids = 1_000;
const inFlightMax = 64;

/**
 * How many writes a second do three processes agree on? A write is a `put` of 300 bytes from one connection in another process:
 * request, log entry, sync on a majority, apply with duplicate detection, answer. Nothing cheaper is on offer.
 */
export async function benchWrite(options: BenchOptions): Promise<BenchResult> {
  const floor = {
    inFlight1: await measureYardstick(options.seconds / 2, bytes, 1),
    inFlight64: await measureYardstick(options.seconds / 2, bytes, inFlightMax),
  };
  const cluster = await BenchCluster.start();
  const leader = await cluster.settled();
  const follower = cluster.endpoints.find((endpoint) => endpoint !== cluster.address(leader)) ?? '';
  const inFlight1 = await writes(cluster, cluster.address(leader), options.seconds, 1);
  const inFlight64 = await writes(cluster, cluster.address(leader), options.seconds, inFlightMax);
  const forwarded = await writes(cluster, follower, options.seconds, inFlightMax);
  await cluster.close();
  const json = { inFlight1, inFlight64, floor };
  const figure = (rate: Rate) => `${rate.perSecond}/s, p50 ${rate.p50}, p99 ${rate.p99}`;
  return {
    json,
    table: [
      `replicated write: put of ${bytes} B on three processes, one connection, ms`,
      row(
        '1 in flight',
        figure(inFlight1),
        `echo + sync p50 ${(floor.inFlight1.echo.p50 + floor.inFlight1.sync.p50).toFixed(3)}`,
        inFlight1.p50 / (floor.inFlight1.echo.p50 + floor.inFlight1.sync.p50),
      ),
      row(
        '64 in flight',
        figure(inFlight64),
        `echo ${floor.inFlight64.echo.perSecond}/s`,
        inFlight64.perSecond / floor.inFlight64.echo.perSecond,
      ),
      row(
        '64 in flight, through a follower',
        figure(forwarded),
        `echo ${floor.inFlight64.echo.perSecond}/s`,
        forwarded.perSecond / floor.inFlight64.echo.perSecond,
      ),
      row('bare append + fdatasync', figure(floor.inFlight1.sync)),
    ],
  };
}

async function writes(
  cluster: BenchCluster,
  endpoint: string,
  seconds: number,
  inFlight: number,
): Promise<Rate> {
  const client = await cluster.client([endpoint]);
  const queue = client.queue('bench');
  const expiresAt = Date.now() + 86_400_000;
  const rate = await measureRate(seconds, inFlight, (count) =>
    queue.put({ id: `task-${count % ids}`, payload, expiresAt }),
  );
  await client.close();
  return rate;
}
