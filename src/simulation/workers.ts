import type { Lease, WorkResult } from '../client/types.ts';
import type { Prng } from './prng.ts';
import { booked, codeOf, jobsOf, type Shop, tokenIn, tokensOf } from './shop.ts';
import { type Program, sleep } from './simulated-client.ts';
import type { SimulatedProcess } from './simulated-process.ts';

/** How long a call to the provider may take. */
const callTimeoutMs = 2_000;

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
