import type { Queue, QueueClient } from '../src/client/index.ts';
import { countLinks } from './links.ts';
import { rounded, row } from './measure.ts';
import type { BenchOptions, BenchResult } from './options.ts';
import { ProxyPlace } from './proxy-place.ts';
import { type Probe, Rounds, type Slice, type Spread } from './proxy-rounds.ts';
import { EchoYardstick } from './proxy-yardstick.ts';
import { measureRoute } from './route.ts';

const payload = Buffer.alloc(200, 7);
const ids = 1_000;
const inFlightMax = 64;
/** About what a put takes on the wire: header, names and value. */
const frameBytes = 300;
const modes = ['direct', 'router', 'proxy'] as const;
type Mode = (typeof modes)[number];
/** Rounds in which the leader changed are measured again, so often at most. */
const spoiltMax = 10;

/**
 * What do a router in the client and a proxy cost, beside a plain client of the leader's node? One shard of three processes.
 *
 * Each throughput and each latency is measured for `seconds` in total, cut into `rounds` slices: the three modes take turns, and what
 * is compared was measured in the same round. The added hop is measured with reads: a replicated put waits for two disks, which
 * vary more than a hop costs. A read `any` is answered by the node that it reaches, from memory. A router gives these to the two
 * followers in turn; so does the plain mode, with one client at each follower.
 */
export async function benchProxy(options: BenchOptions): Promise<BenchResult> {
  const links = await countLinks();
  const routeNs = measureRoute(options.seconds / 20);
  const yardstick = await EchoYardstick.start(frameBytes);
  const place = await ProxyPlace.start();
  const rounds = new Rounds(() => place.proxyCpuUs());
  await measureAll(options, rounds, place, yardstick);
  await place.close();
  await yardstick.close();
  const json = { ...summaryOf(rounds), routeNs, links };
  return { json, table: tableOf(json) };
}

async function measureAll(
  { seconds, rounds: roundCount }: BenchOptions,
  rounds: Rounds,
  place: ProxyPlace,
  yardstick: EchoYardstick,
): Promise<void> {
  let spoilt = 0;
  for (let round = -1; round < roundCount; ) {
    const leader = await place.cluster.settled();
    let isGood = true;
    for (const group of probesOf(place, yardstick, leader)) {
      const sliceSeconds = seconds / (round < 0 ? 5 : roundCount);
      const isSame = () => place.cluster.leader() === leader;
      isGood &&= await rounds.run(group, Math.max(0, round), sliceSeconds, isSame);
    }
    if (round < 0) rounds.forget();
    if (isGood) round++;
    else if (spoilt++ === spoiltMax) throw new Error('the leader changes again and again');
  }
}

/** What is compared is measured side by side: the probes of one group. */
function probesOf(
  place: ProxyPlace,
  { echo, relay }: EchoYardstick,
  leader: string,
): readonly (readonly Probe[])[] {
  const followers = place.cluster.ids.filter((id) => id !== leader);
  const queueOf = (client: QueueClient) => client.queue('bench');
  const writerOf = (mode: Mode) => queueOf(mode === 'direct' ? place.direct(leader) : place[mode]);
  const readersOf = (mode: Mode) =>
    (mode === 'direct' ? followers.map((id) => place.direct(id)) : [place[mode]]).map(queueOf);
  const each = (what: string, inFlight: number, call: (mode: Mode) => Probe['call']) =>
    modes.map((mode): Probe => ({ name: `${what} ${mode}`, inFlight, call: call(mode) }));
  const puts = (mode: Mode) => put(writerOf(mode));
  return [
    [
      ...each('put64', inFlightMax, puts),
      { name: 'echo64', inFlight: inFlightMax, call: echo },
      { name: 'relay64', inFlight: inFlightMax, call: relay },
    ],
    [
      ...each('read', 1, (mode) => read(readersOf(mode))),
      { name: 'echo', inFlight: 1, call: echo },
      { name: 'relay', inFlight: 1, call: relay },
    ],
    each('put', 1, puts),
  ];
}

function put(queue: Queue<Uint8Array>): Probe['call'] {
  const expiresAt = Date.now() + 86_400_000;
  return (count) => queue.put({ id: `task-${count % ids}`, payload, expiresAt });
}

function read(queues: readonly Queue<Uint8Array>[]): Probe['call'] {
  return (count) => queues[count % queues.length]!.get(`task-${count % ids}`, { read: 'any' });
}

type Summary = ReturnType<typeof summaryOf>;

function summaryOf(rounds: Rounds) {
  const modeOf = (mode: Mode) => {
    const of = (figure: (slice: Slice) => number) => rounds.median(`put64 ${mode}`, figure);
    return {
      perSecond: Math.round(of((slice) => slice.perSecond)),
      p50: of((slice) => slice.p50),
      p99: of((slice) => slice.p99),
      put1P50: rounds.median(`put ${mode}`, (slice) => slice.p50),
      read1P50: rounds.median(`read ${mode}`, (slice) => slice.p50),
      clientCpuUs: of((slice) => slice.clientCpuUs),
      proxyCpuUs: of((slice) => slice.proxyCpuUs),
    };
  };
  const share = (one: string, other: string) =>
    spreadOf(
      rounds.paired(one, other, (slice, base) => slice.perSecond / base.perSecond),
      1_000,
    );
  const added = (one: string, other: string) =>
    spreadOf(
      rounds.paired(one, other, (slice, base) => (slice.p50 - base.p50) * 1_000),
      10,
    );
  const ratio = share('put64 proxy', 'put64 direct');
  const routerRatio = share('put64 router', 'put64 direct');
  const addedP50us = added('read proxy', 'read direct');
  const routerAddedP50us = added('read router', 'read direct');
  const relayRatio = share('relay64', 'echo64');
  const relayAddedP50us = added('relay', 'echo');
  return {
    direct: modeOf('direct'),
    router: modeOf('router'),
    proxy: modeOf('proxy'),
    ratio: ratio.median,
    routerRatio: routerRatio.median,
    addedP50us: addedP50us.median,
    routerAddedP50us: routerAddedP50us.median,
    yardstick: {
      echo: { perSecond: perSecondOf(rounds, 'echo64'), p50: rounds.median('echo', (slice) => slice.p50) },
      relay: { perSecond: perSecondOf(rounds, 'relay64'), p50: rounds.median('relay', (slice) => slice.p50) },
      ratio: relayRatio.median,
      addedP50us: relayAddedP50us.median,
    },
    /** Lower quartile, median and upper quartile over the rounds. */
    spread: { ratio, routerRatio, addedP50us, routerAddedP50us, relayRatio, relayAddedP50us },
  };
}

function perSecondOf(rounds: Rounds, name: string): number {
  return Math.round(rounds.median(name, (slice) => slice.perSecond));
}

function spreadOf({ median, lower, upper }: Spread, digits: number): Spread {
  const cut = (value: number) => Math.round(value * digits) / digits;
  return { median: cut(median), lower: cut(lower), upper: cut(upper) };
}

function tableOf(
  json: Summary & { readonly routeNs: number; readonly links: Readonly<Record<string, number>> | undefined },
): readonly string[] {
  const { direct, yardstick, spread, links } = json;
  const quartiles = ({ lower, upper }: Spread) => `quartiles ${lower} to ${upper}`;
  const throughput = (mode: Mode) => {
    const { perSecond, p50, p99 } = json[mode];
    return row(mode, `${perSecond}/s, p50 ${p50}, p99 ${p99}`, `direct ${direct.perSecond}/s`, shareOf(mode));
  };
  const shareOf = (mode: Mode) => ({ direct: undefined, router: json.routerRatio, proxy: json.ratio })[mode];
  const latency = (mode: Mode) =>
    row(mode, `read p50 ${rounded(json[mode].read1P50)}`, `put p50 ${json[mode].put1P50}`);
  return [
    `put of ${payload.length} B, ${inFlightMax} in flight, one connection, ms`,
    ...modes.map(throughput),
    row('bare echo', `${yardstick.echo.perSecond}/s`),
    row(
      'bare relay',
      `${yardstick.relay.perSecond}/s`,
      `echo ${yardstick.echo.perSecond}/s`,
      yardstick.ratio,
    ),
    row('router / direct', `${json.routerRatio}`, quartiles(spread.routerRatio)),
    row('proxy / direct', `${json.ratio}`, quartiles(spread.ratio)),
    'one in flight: a read from a follower, and a replicated put, ms',
    ...modes.map(latency),
    row('bare echo', `p50 ${yardstick.echo.p50}`),
    row('bare relay', `p50 ${yardstick.relay.p50}`),
    row('added by a router, us', `${json.routerAddedP50us}`, quartiles(spread.routerAddedP50us)),
    row('added by a proxy, us', `${json.addedP50us}`, quartiles(spread.addedP50us)),
    row('added by a bare relay, us', `${yardstick.addedP50us}`, quartiles(spread.relayAddedP50us)),
    'processor time of a put, us',
    ...modes.map((mode) =>
      row(mode, `client ${json[mode].clientCpuUs}`, mode === 'proxy' ? `proxy ${json.proxy.proxyCpuUs}` : ''),
    ),
    row('route(key)', `${json.routeNs} ns`),
    links === undefined
      ? 'links cannot be counted on this system'
      : `link ends at the nodes, 3 proxies: ${links['2']} with 2 shards, ${links['3']} with 3`,
  ];
}
