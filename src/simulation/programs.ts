import { isRaftsmanError } from '../base/errors.ts';
import type { Codec, Lease, Queue, QueueClient, WorkResult } from '../client/types.ts';
import type { AuthorizationServer } from './authorization-server.ts';
import type { OperationOutcome, QueueHistory } from './checkers/queue-history.ts';
import type { Coverage } from './coverage.ts';
import type { Prng } from './prng.ts';
import { type Program, sleep } from './simulated-client.ts';
import type { SimulatedProcess } from './simulated-process.ts';

/** What all programs of a world share: the books, the provider, and whether they still begin new work. */
export interface Shop {
  readonly tokens: QueueHistory;
  readonly jobs: QueueHistory;
  readonly provider: AuthorizationServer;
  readonly coverage: Coverage;
  /** The processes of calls that are not answered yet. */
  readonly pending: Set<{ readonly process: SimulatedProcess }>;
  /** Ends the loops of the updaters that run. */
  readonly closers: Set<() => void>;
  /** False when the run comes to its end: nothing new is begun. */
  isOpen: boolean;
}

/** Names of the queues. */
export const tokenQueue = 'tokens';
export const jobQueue = 'jobs';
export const providers = { rotating: 'rot', burying: 'bury', fixed: 'fix' } as const;

/** How long a call to the provider may take. */
export const callTimeoutMs = 2_000;

const text: Codec<string> = {
  encode: (value: string) => new TextEncoder().encode(value),
  decode: (bytes: Uint8Array) => new TextDecoder().decode(bytes),
};

export function tokensOf(client: QueueClient): Queue<string> {
  return client.queue(tokenQueue, { codec: text });
}

export function jobsOf(client: QueueClient): Queue<string> {
  return client.queue(jobQueue, { codec: text });
}

/** A refresh token and what else a payload holds: the token, then a number that makes each payload its own. */
export function tokenIn(payload: string): string {
  return payload.split('#')[0]!;
}

/** An updater: refreshes tokens at the provider by the real `work()` loop. */
export function updater(shop: Shop, random: Prng, workerId: string): Program {
  return (client, process) => {
    const tokens = tokensOf(client);
    let count = 0;
    const running = { process };
    shop.pending.add(running);
    const stop = new AbortController();
    const close = (): void => stop.abort(new Error('the shop closes'));
    shop.closers.add(close);
    process.onDeath(() => shop.closers.delete(close));
    if (!shop.isOpen) close();
    const handler = async ({
      task,
      fence,
      signal,
    }: Parameters<Parameters<typeof tokens.work>[0]>[0]): Promise<WorkResult<string>> => {
      const nowMs = process.host.world.nowMs();
      const holder = `${workerId}/${process.life}`;
      shop.tokens.handed({
        id: task.id,
        fence,
        content: task.payload,
        version: task.version,
        holder,
        startedMs: 0,
        endedMs: nowMs,
      });
      const lease = `${task.id}/${fence}`;
      const answer = await shop.provider.refresh({
        refreshToken: tokenIn(task.payload),
        process,
        lease,
        signal,
      });
      shop.coverage.count(`refresh ${answer.type}`);
      process.host.world.note(`${workerId} is answered ${answer.type} for ${lease}`);
      if (answer.type === 'invalidGrant') return { bury: 'invalid_grant' };
      if (answer.type === 'retry') {
        return { retryAfterMs: answer.retryAfterMs, scope: answer.status === 429 ? 'provider' : 'task' };
      }
      count += 1;
      const payload = `${answer.refreshToken}#${holder}.${count}`;
      shop.tokens.begin('ack', task.id, process.host.world.nowMs(), fence, payload);
      return { payload, expiresAt: process.wallMs() + random.between(4_500, 9_000) };
    };
    tokens
      .work(handler, {
        workerId,
        concurrency: random.pick([1, 3, 8]),
        timeoutMs: callTimeoutMs,
        signal: stop.signal,
        onError: (error, { id, fence }) => {
          shop.coverage.count(`work ${codeOf(error)}`);
          process.host.world.note(`${workerId} reports ${codeOf(error)} for ${id}/${fence}`);
        },
      })
      .catch((error: unknown) => shop.coverage.count(`work ended ${codeOf(error)}`))
      .finally(() => shop.pending.delete(running));
  };
}

/** A worker that takes, acks, releases, buries and forgets by hand, and sees every answer. */
export function jobber(shop: Shop, random: Prng): Program {
  return (client, process) => {
    const jobs = jobsOf(client);
    const loop = async (): Promise<void> => {
      while (process.isAlive && shop.isOpen) {
        const startedMs = process.host.world.nowMs();
        try {
          const leases = await jobs.take({
            limit: random.pick([1, 1, 3]),
            waitMs: random.pick([0, 500, 2_000]),
            ttrMs: random.pick([1_000, 6_000]),
          });
          for (const lease of leases) {
            bookHanded(shop, process, lease, startedMs);
            void finishJob(shop, random, process, lease);
          }
          if (leases.length === 0) await sleep(process, random.between(10, 300));
        } catch (error) {
          shop.coverage.count(`take ${codeOf(error)}`);
          await sleep(process, random.between(10, 300));
        }
        if (random.chance(0.01)) break;
      }
      if (!shop.isOpen) return;
      // Now and then a program ends as it should, and starts again.
      shop.coverage.count('client closed');
      await client.close();
      process.after(50, () => process.die());
    };
    void loop();
  };
}

function bookHanded(shop: Shop, process: SimulatedProcess, lease: Lease<string>, startedMs: number): void {
  const { id, payload, version } = lease.task;
  shop.jobs.handed({
    id,
    fence: lease.fence,
    content: payload,
    version,
    holder: `${process.host.name}/${process.life}`,
    startedMs,
    endedMs: process.host.world.nowMs(),
  });
}

async function finishJob(
  shop: Shop,
  random: Prng,
  process: SimulatedProcess,
  lease: Lease<string>,
): Promise<void> {
  await sleep(process, random.pick([0, 50, 1_500]) * random.next());
  const { id } = lease.task;
  const mood = random.next();
  const book = (kind: 'ack' | 'ackDone' | 'release' | 'bury', content?: string) =>
    booked(shop, process, shop.jobs, (nowMs) => shop.jobs.begin(kind, id, nowMs, lease.fence, content));
  if (mood < 0.75) {
    const payload = `${id}@${process.host.name}/${process.life}.${lease.fence}`;
    const expiresAt = process.wallMs() + random.between(500, 6_000);
    await book('ack', payload)(async () => lease.ack({ payload, expiresAt }));
  } else if (mood < 0.78 && id.startsWith('once-'))
    await book('ackDone')(async () => lease.ack({ done: true }));
  else if (mood < 0.9)
    await book('release')(async () =>
      lease.release({ delayMs: random.below(300), callMade: random.chance(0.5) }),
    );
  else if (mood < 0.92) await book('bury')(async () => lease.bury('no longer wanted'));
  else shop.coverage.count('lease forgotten');
}

type Booked = (ask: () => Promise<unknown>) => Promise<void>;

/** Writes a call into the books: when it began, when it ended and how. */
function booked(
  shop: Shop,
  process: SimulatedProcess,
  history: QueueHistory,
  begin: (nowMs: number) => Parameters<QueueHistory['end']>[0],
): Booked {
  return async (ask) => {
    const { world } = process.host;
    const operation = begin(world.nowMs());
    const call = { process };
    shop.pending.add(call);
    try {
      const result = await ask();
      history.end(operation, 'ok', world.nowMs(), versionIn(result));
      shop.coverage.count(`${operation.kind} ok`);
    } catch (error) {
      history.end(operation, outcomeOf(error), world.nowMs());
      shop.coverage.count(`${operation.kind} ${codeOf(error)}`);
      if (!isRaftsmanError(error))
        world.note(`${process.host.name}: ${operation.kind} ended with ${String(error)}`);
    } finally {
      shop.pending.delete(call);
    }
  };
}

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

export const jobIds: readonly string[] = [
  'job-1',
  'job-2',
  'job-3',
  'job-4',
  'job-5',
  'job-6',
  'once-1',
  'once-2',
  'once-3',
];
export const tokenIds: readonly string[] = [
  't-1',
  't-2',
  't-3',
  't-4',
  't-5',
  't-6',
  't-7',
  't-8',
  't-9',
  't-10',
];

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

export function outcomeOf(error: unknown): OperationOutcome {
  return isRaftsmanError(error) ? error.outcome : 'unknown';
}

export function codeOf(error: unknown): string {
  if (isRaftsmanError(error)) return error.code;
  return error instanceof Error ? error.name : 'thrown';
}

function versionIn(result: unknown): number {
  if (typeof result !== 'object' || result === null || !('version' in result)) return 0;
  return typeof result.version === 'number' ? result.version : 0;
}
