import { describe, expect, it } from 'vitest';
import { connectOver } from '../../src/client/connect.ts';
import type { ConnectOptions } from '../../src/client/types.ts';
import type { Transport } from '../../src/ports/transport.ts';
import { TestClock, TestRandom } from '../service/test-clock.ts';

const logger = { debug: () => {}, info: () => {}, warn: () => {}, error: () => {} };
const options = { name: 'web', secret: 'x'.repeat(32) };
const map = {
  version: 1,
  namespaces: {
    tokens: {
      shards: {
        one: { number: 1, cluster: 'updaters', nodes: { a: 'ws://127.0.0.1:7001' }, buckets: ['0-16383'] },
      },
    },
  },
};

const nowhere: Transport = {
  listen: () => Promise.reject(new Error('it listens to nobody')),
  dial: () => Promise.reject(new Error('nobody is there')),
};

function attempt(more: Partial<ConnectOptions>, clock: TestClock = new TestClock()): Promise<unknown> {
  const files = { read: () => Promise.resolve('{'), watch: () => () => {} };
  const ports = { transport: nowhere, clock, random: new TestRandom(1), logger, shardFile: files };
  const connecting = connectOver(ports, { ...options, ...more });
  connecting.catch(() => undefined);
  return connecting;
}

describe('connecting', () => {
  it('takes endpoints or shards, and not both', async () => {
    const wrong: readonly Partial<ConnectOptions>[] = [
      {},
      { endpoints: [] },
      { endpoints: ['ws://127.0.0.1:7001'], shards: { map } },
      { shards: { file: '' } },
    ];
    for (const each of wrong) await expect(attempt(each)).rejects.toMatchObject({ code: 'INVALID_OPTION' });
  });

  it('refuses a bad shard file with everything that is wrong with it', async () => {
    await expect(attempt({ shards: { file: 'shards.json' } })).rejects.toMatchObject({ code: 'SHARD_FILE' });
    await expect(attempt({ shards: { map: '{}' } })).rejects.toMatchObject({ code: 'SHARD_FILE' });
    await expect(attempt({ shards: { map: { version: 0 } } })).rejects.toMatchObject({ code: 'SHARD_FILE' });
  });

  it('with shards ends when no node was reached in time, and leaves no timer behind', async () => {
    const clock = new TestClock();
    const connecting = attempt({ shards: { map }, timeoutMs: 500 }, clock);
    await clock.advance(600);
    await expect(connecting).rejects.not.toMatchObject({ code: 'SHARD_FILE' });
    await clock.advance(3_000);
    expect(clock.timerCount).toBe(0);
  });
});
