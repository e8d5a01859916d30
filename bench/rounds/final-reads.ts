import { json } from '../../src/client/codec.ts';
import { connect } from '../../src/connect.ts';
import { countOf } from './journal.ts';
import type { FinalRecord } from './judge.ts';
import { nodeIds, queueName, type Service, shardNumbers } from './service.ts';

const inFlight = 200;

export interface FinalState {
  readonly records: ReadonlyMap<string, readonly FinalRecord[]>;
  readonly tasks: Readonly<Record<string, number>>;
}

/** Asks the nodes of each shard themselves, as a plain client that knows of no shards. */
export async function readAll(service: Service, keys: readonly string[]): Promise<FinalState> {
  const records = new Map<string, FinalRecord[]>();
  const tasks: Record<string, number> = {};
  for (const shard of shardNumbers) {
    const endpoints = nodeIds.map((id) => service.routerWire('client', shard, id).address);
    await using client = await connect({ endpoints, name: 'router', secret: service.routerSecret });
    const queue = client.queue(queueName, { codec: json<string>() });
    let next = 0;
    const readOn = async (): Promise<void> => {
      for (let key = keys[next++]; key !== undefined; key = keys[next++]) {
        const record = await queue.get(key).catch((error: unknown) => {
          if (error instanceof Error && error.name === 'WrongShardError') return undefined;
          throw error;
        });
        if (record === undefined) continue;
        const found = countOf(key, record.payload) ?? -1;
        records.set(key, [
          ...(records.get(key) ?? []),
          { shard: `shard-${shard}`, version: record.version, found },
        ]);
      }
    };
    await Promise.all(Array.from({ length: inFlight }, readOn));
    const { states } = await queue.stats();
    tasks[`shard-${shard}`] = Object.values(states).reduce((sum, count) => sum + count, 0);
  }
  return { records, tasks };
}
