import type { Lease, QueueClient } from '../client/types.ts';
import { booked, type Market, provider, queueOf, type Stall } from './market.ts';
import type { Prng } from './prng.ts';
import { codeOf } from './shop.ts';
import { type Program, sleep } from './simulated-client.ts';
import type { SimulatedProcess } from './simulated-process.ts';

/** Keys of the tokens: most stay, those that begin with `once` are done and gone sooner or later, so that their buckets are empty. */
export const tokenKeys: readonly string[] = [
  'key-1',
  'key-2',
  'key-3',
  'key-4',
  'key-5',
  'once-1',
  'once-2',
  'once-3',
  'once-4',
  'once-5',
];
export const addressKeys: readonly string[] = ['person-1', 'person-2', 'once-6'];

/** Puts in bursts on one key, reads, counts. */
export function writer(market: Market, random: Prng, everyMs: number): Program {
  return (client, process) => {
    const counts = new Map<string, number>();
    const tick = (): void => {
      if (!process.isAlive || !market.isOpen) return;
      oneAct(market, random, client, process, counts);
      process.after(-Math.log(1 - random.next()) * everyMs, tick);
    };
    process.after(random.between(0, everyMs), tick);
  };
}

function oneAct(
  market: Market,
  random: Prng,
  client: QueueClient,
  process: SimulatedProcess,
  counts: Map<string, number>,
): void {
  const stall = random.chance(0.8) ? market.stalls[0]! : random.pick(market.stalls);
  const mood = random.next();
  const key = random.pick(stall.keys);
  if (mood < 0.6) {
    // Nobody waits for the first before the second is asked for: they must be applied in this order.
    for (let left = random.pick([1, 1, 2, 4]); left > 0; left -= 1)
      void put(market, stall, random, client, process, key, counts);
  } else if (mood < 0.8) void read(market, stall, client, process, key);
  else if (mood < 0.95) void readAny(market, stall, random, client, process, key);
  else void count(market, stall, client, process);
}

function put(
  market: Market,
  stall: Stall,
  random: Prng,
  client: QueueClient,
  process: SimulatedProcess,
  key: string,
  counts: Map<string, number>,
): Promise<void> {
  const chain = `${process.host.name}/${process.life}:${stall.name}/${key}`;
  const place = (counts.get(chain) ?? 0) + 1;
  counts.set(chain, place);
  const content = `${chain}#${place}`;
  const expiresAt = process.wallMs() + random.between(200, 4_000);
  const task = { id: key, payload: content, expiresAt, provider, weight: random.below(3) };
  return booked(market, stall, client, process, { kind: 'put', key, content, chain }, async () =>
    queueOf(client, stall).put(task),
  );
}

async function read(
  market: Market,
  { history, ...stall }: Stall,
  client: QueueClient,
  process: SimulatedProcess,
  key: string,
): Promise<void> {
  const { world } = market.stage;
  const startedMs = world.nowMs();
  await waiting(market, process, 'get', async () => {
    const found = await queueOf(client, { ...stall, history }).get(key);
    const shown = found && { content: found.payload, version: found.version };
    history.read(key, startedMs, world.nowMs(), shown);
  });
}

/** A read of any replica promises no more than that what it shows was stored. */
function readAny(
  market: Market,
  stall: Stall,
  random: Prng,
  client: QueueClient,
  process: SimulatedProcess,
  key: string,
): Promise<void> {
  const options = { read: 'any', maxAgeMs: random.pick([100, 60_000]) } as const;
  return waiting(market, process, 'get any', async () => {
    await queueOf(client, stall).get(key, options);
  });
}

function count(market: Market, stall: Stall, client: QueueClient, process: SimulatedProcess): Promise<void> {
  return waiting(market, process, 'stats', async () => {
    await queueOf(client, stall).stats();
  });
}

async function waiting(
  { stage, pending }: Market,
  process: SimulatedProcess,
  what: string,
  ask: () => Promise<void>,
): Promise<void> {
  const call = { process, what };
  pending.add(call);
  try {
    await ask();
    stage.coverage.count(`${what} ok`);
  } catch (error) {
    stage.coverage.count(`${what} ${codeOf(error)}`);
  } finally {
    pending.delete(call);
  }
}

/** Takes from all shards, and acks, finishes, gives back, buries and forgets. */
export function taker(market: Market, random: Prng): Program {
  return (client, process) => {
    const loop = async (): Promise<void> => {
      while (process.isAlive && market.isOpen) {
        const stall = random.pick(market.stalls);
        const startedMs = market.stage.world.nowMs();
        await waiting(market, process, 'take', async () => {
          const leases = await queueOf(client, stall).take({
            limit: random.pick([1, 1, 3]),
            waitMs: random.pick([0, 300, 1_500]),
            ttrMs: random.pick([800, 5_000]),
          });
          market.stage.coverage.count(leases.length === 0 ? 'take empty' : 'take found');
          for (const lease of leases) {
            bookHanded(market, stall, process, lease, startedMs);
            void finish(market, stall, random, client, process, lease);
          }
        });
        await sleep(process, random.between(10, 250));
      }
    };
    void loop();
  };
}

function bookHanded(
  market: Market,
  { history }: Stall,
  process: SimulatedProcess,
  { fence, task: { id, payload, version } }: Lease<string>,
  startedMs: number,
): void {
  const holder = `${process.host.name}/${process.life}`;
  const endedMs = market.stage.world.nowMs();
  history.handed({ id, fence, content: payload, version, holder, startedMs, endedMs });
}

async function finish(
  market: Market,
  stall: Stall,
  random: Prng,
  client: QueueClient,
  process: SimulatedProcess,
  lease: Lease<string>,
): Promise<void> {
  await sleep(process, random.pick([0, 20, 600]) * random.next());
  const { id: key } = lease.task;
  const { fence } = lease;
  const mood = random.next();
  const book = (
    kind: 'ack' | 'ackDone' | 'release' | 'bury',
    ask: () => Promise<unknown>,
    content?: string,
  ) =>
    booked(
      market,
      stall,
      client,
      process,
      { kind, key, fence, ...(content === undefined ? {} : { content }) },
      ask,
    );
  if (key.startsWith('once') && mood < 0.7) await book('ackDone', async () => lease.ack({ done: true }));
  else if (mood < 0.7) {
    const content = `${key}@${process.host.name}/${process.life}.${fence}`;
    const expiresAt = process.wallMs() + random.between(200, 4_000);
    await book('ack', async () => lease.ack({ payload: content, expiresAt }), content);
  } else if (mood < 0.88)
    await book('release', async () =>
      lease.release({ delayMs: random.below(200), callMade: random.chance(0.5) }),
    );
  else if (mood < 0.91) await book('bury', async () => lease.bury('no longer wanted'));
  else market.stage.coverage.count('lease forgotten');
}
