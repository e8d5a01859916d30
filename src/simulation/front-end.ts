import type { Queue, QueueClient } from '../client/types.ts';
import type { QueueHistory } from './checkers/queue-history.ts';
import type { Prng } from './prng.ts';
import { booked, codeOf, jobIds, jobsOf, providers, type Shop, tokenIds, tokensOf } from './shop.ts';
import type { Program } from './simulated-client.ts';
import type { SimulatedProcess } from './simulated-process.ts';

/** A front end: puts tasks, reads them, gives users a new consent when theirs is void. */
export function frontEnd(shop: Shop, random: Prng, everyMs: number): Program {
  return (client, process) => {
    const tick = (): void => {
      if (!process.isAlive || !shop.isOpen) return;
      void oneCall(shop, random, client, process);
      process.after(-Math.log(1 - random.next()) * everyMs, tick);
    };
    process.after(random.between(0, everyMs), tick);
  };
}

async function oneCall(
  shop: Shop,
  random: Prng,
  client: QueueClient,
  process: SimulatedProcess,
): Promise<void> {
  const mood = random.next();
  if (mood < 0.35) await putJob(shop, random, client, process);
  else if (mood < 0.55) await putToken(shop, random, client, process);
  else if (mood < 0.8) await readOne(shop, jobsOf(client), shop.jobs, random.pick(jobIds), process);
  else if (mood < 0.9) await readOne(shop, tokensOf(client), shop.tokens, random.pick(tokenIds), process);
  else await readAny(shop, random, client);
}

async function putJob(
  shop: Shop,
  random: Prng,
  client: QueueClient,
  process: SimulatedProcess,
): Promise<void> {
  const id = random.pick(jobIds);
  const payload = `${id}@${process.host.name}/${process.life}:${random.next32()}`;
  const task = {
    id,
    payload,
    expiresAt: process.wallMs() + random.between(500, 5_000),
    provider: providers.fixed,
    weight: random.below(3),
  };
  const begin = (nowMs: number) => shop.jobs.begin('put', id, nowMs, 0, payload);
  await booked(shop, process, shop.jobs, begin)(async () => jobsOf(client).put(task));
}

/** The user consents once, and again when the provider has revoked what there was. */
async function putToken(
  shop: Shop,
  random: Prng,
  client: QueueClient,
  process: SimulatedProcess,
): Promise<void> {
  const id = random.pick(tokenIds);
  const tokens = tokensOf(client);
  const found = await tokens.get(id).catch(() => 'unread' as const);
  if (found === 'unread' || (found !== undefined && found.state !== 'buried')) return;
  const provider = random.pick([providers.rotating, providers.rotating, providers.burying, providers.fixed]);
  const family = `${id}~${random.next32()}`;
  const payload = `${shop.provider.consent(family, provider !== providers.fixed)}#put`;
  const begin = (nowMs: number) => shop.tokens.begin('put', id, nowMs, 0, payload);
  const condition = found === undefined ? { ifAbsent: true } : { ifVersion: found.version };
  const expiresAt = process.wallMs() + random.between(2_000, 6_000);
  await booked(
    shop,
    process,
    shop.tokens,
    begin,
  )(async () => tokens.put({ id, payload, expiresAt, provider }, condition));
}

async function readOne(
  shop: Shop,
  queue: Queue<string>,
  history: QueueHistory,
  id: string,
  process: SimulatedProcess,
): Promise<void> {
  const { world } = process.host;
  const startedMs = world.nowMs();
  try {
    const found = await queue.get(id);
    shop.coverage.count('get ok');
    history.read(
      id,
      startedMs,
      world.nowMs(),
      found === undefined ? undefined : { content: found.payload, version: found.version },
    );
  } catch (error) {
    shop.coverage.count(`get ${codeOf(error)}`);
  }
}

/** A read of any replica promises no more than that what it shows was stored. */
async function readAny(shop: Shop, random: Prng, client: QueueClient): Promise<void> {
  try {
    await jobsOf(client).get(random.pick(jobIds), { read: 'any', maxAgeMs: random.pick([100, 60_000]) });
    shop.coverage.count('get any ok');
  } catch (error) {
    shop.coverage.count(`get any ${codeOf(error)}`);
  }
}
