import { describe, expect, it } from 'vitest';
import { UnknownOutcomeError } from '../../src/base/errors.ts';
import type { QueueClient } from '../../src/client/types.ts';
import type { QueueResult } from '../../src/queue/types.ts';
import { keys, put, resultOf, ScriptedFront, tableOf, taskOf, watched } from './scripted-front.ts';

const [first, second] = keys;
const neverApplied: QueueResult = { type: 'refused', code: 'NEVER_APPLIED', message: '' };
const stale: QueueResult = { type: 'refused', code: 'STALE_LEASE', message: 'over' };

/** A put of an unknown outcome, and its id. */
async function unknown(front: ScriptedFront, client: QueueClient, key: string = first): Promise<string> {
  const lost = watched(client.queue('tokens').put(taskOf(key), { timeoutMs: 300 }));
  await front.clock.advance(400);
  try {
    await lost;
  } catch (error) {
    if (error instanceof UnknownOutcomeError && error.requestId !== undefined) return error.requestId;
  }
  throw new Error('the outcome is known');
}

function silent(table: ConstructorParameters<typeof ScriptedFront>[0] = tableOf(1, [1, 2, 1, 2])): {
  readonly front: ScriptedFront;
  readonly client: QueueClient;
} {
  const front = new ScriptedFront(table);
  return { front, client: front.connect() };
}

describe('a request whose outcome was unknown', () => {
  it('is asked about under its own id, where it was sent', async () => {
    const { front, client } = silent();
    const id = await unknown(front, client, second);
    expect(id).toMatch(/^[0-9a-f]{32}\/2\/1$/);
    front.answer = () => resultOf({ type: 'put', version: 4, created: false });
    const asked = client.resolve(id);
    await front.clock.advance(10);
    await expect(asked).resolves.toEqual({ outcome: 'applied', result: { version: 4, created: false } });
    const [question] = front.of('resolve');
    expect(question?.header).toMatchObject({ group: 2, bucket: 1, stream: 2, seq: 1, settledUpTo: 0 });
    expect(question?.operation).toEqual({ type: 'resolve', queue: 'tokens', id: second });
  });

  it('was not applied and never will be, if the cluster says so', async () => {
    const { front, client } = silent('node');
    const id = await unknown(front, client);
    front.answer = () => resultOf(neverApplied);
    const asked = client.resolve(id);
    await front.clock.advance(10);
    await expect(asked).resolves.toEqual({ outcome: 'neverApplied' });
  });

  it('ends as the request itself if it was refused', async () => {
    const { front, client } = silent();
    const id = await unknown(front, client);
    front.answer = () => resultOf(stale);
    const asked = watched(client.resolve(id));
    await front.clock.advance(10);
    await expect(asked).rejects.toMatchObject({ code: 'STALE_LEASE' });
  });

  it('can be asked about again if no answer came, also on another link', async () => {
    const { front, client } = silent();
    const id = await unknown(front, client);
    const nobody = watched(client.resolve(id, { timeoutMs: 300 }));
    await front.clock.advance(400);
    await expect(nobody).rejects.toMatchObject({ code: 'UNKNOWN_OUTCOME', requestId: id });
    const asked = client.resolve(id);
    await front.clock.advance(10);
    front.answer = () => resultOf(neverApplied);
    front.cut();
    await front.clock.advance(100);
    await expect(asked).resolves.toEqual({ outcome: 'neverApplied' });
  });

  it('is settled by the answer: nobody can ask twice', async () => {
    const { front, client } = silent();
    const id = await unknown(front, client);
    front.answer = () => resultOf(put);
    const asked = client.resolve(id);
    await front.clock.advance(10);
    await asked;
    await expect(client.resolve(id)).rejects.toMatchObject({ code: 'REQUEST_SETTLED', outcome: 'unknown' });
    void client.queue('tokens').put(taskOf(first));
    await front.clock.advance(10);
    expect(front.of('put').at(-1)?.header).toMatchObject({ seq: 2, settledUpTo: 1 });
  });

  it('is not settled by an answer that nobody was told: whoever stopped waiting may ask again', async () => {
    const { front, client } = silent();
    const id = await unknown(front, client);
    const stop = new AbortController();
    front.answer = () => resultOf(put, { afterMs: 50 });
    const asked = watched(client.resolve(id, { signal: stop.signal }));
    await front.clock.advance(10);
    stop.abort(new Error('enough'));
    await expect(asked).rejects.toThrow('enough');
    await front.clock.advance(100);
    const again = client.resolve(id);
    await front.clock.advance(100);
    await expect(again).resolves.toMatchObject({ outcome: 'applied' });
    expect(front.of('resolve').map(({ header }) => header.settledUpTo)).toEqual([0, 0]);
  });

  it('is told to all who asked at once before it is settled', async () => {
    const { front, client } = silent();
    const id = await unknown(front, client);
    front.answer = ({ header }) => resultOf(put, { afterMs: header.correlation % 2 === 0 ? 10 : 200 });
    const asked = Promise.all([client.resolve(id), client.resolve(id)]);
    await front.clock.advance(50);
    void client.queue('tokens').put(taskOf(first));
    await front.clock.advance(10);
    expect(front.of('put').at(-1)?.header.settledUpTo).toBe(0);
    await front.clock.advance(300);
    await expect(asked).resolves.toMatchObject([{ outcome: 'applied' }, { outcome: 'applied' }]);
    await expect(client.resolve(id)).rejects.toMatchObject({ code: 'REQUEST_SETTLED' });
  });

  it('stays unsettled until then, so that the cluster remembers it', async () => {
    const { front, client } = silent();
    await unknown(front, client);
    front.answer = () => resultOf(put);
    for (let round = 0; round < 3; round++) {
      void client.queue('tokens').put(taskOf(first));
      await front.clock.advance(10);
    }
    expect(front.of('put').at(-1)?.header).toMatchObject({ seq: 4, settledUpTo: 0 });
  });

  it('does not hold up the window: a stream that needs the room settles it', async () => {
    const { front, client } = silent();
    const id = await unknown(front, client);
    front.answer = () => resultOf(put);
    const puts = Promise.all(Array.from({ length: 3_000 }, () => client.queue('tokens').put(taskOf(first))));
    await front.clock.advance(100);
    await expect(puts).resolves.toHaveLength(3_000);
    await expect(client.resolve(id)).rejects.toMatchObject({ code: 'REQUEST_SETTLED' });
  });

  it('is one of 256 a shard at most; the oldest is settled first', async () => {
    const { front, client } = silent();
    const lost = Array.from({ length: 257 }, () =>
      watched(client.queue('tokens').put(taskOf(first), { timeoutMs: 300 })),
    );
    await front.clock.advance(400);
    const ends = await Promise.allSettled(lost);
    const ids = ends.map((end) => (end.status === 'rejected' ? String(end.reason.requestId) : ''));
    await expect(client.resolve(ids[0] ?? '')).rejects.toMatchObject({ code: 'REQUEST_SETTLED' });
    front.answer = () => resultOf(put);
    const asked = client.resolve(ids[1] ?? '');
    await front.clock.advance(10);
    await expect(asked).resolves.toMatchObject({ outcome: 'applied' });
  });

  it('is kept for ten minutes', async () => {
    const { front, client } = silent();
    const id = await unknown(front, client);
    await front.clock.advance(601_000);
    await expect(client.resolve(id)).rejects.toMatchObject({ code: 'REQUEST_SETTLED' });
  });

  it('cannot be asked about once the client has another identity', async () => {
    const { front, client } = silent();
    const id = await unknown(front, client);
    front.registration = 2;
    front.cut();
    await front.clock.advance(100);
    await expect(client.resolve(id)).rejects.toMatchObject({ code: 'REQUEST_SETTLED' });
  });

  it('is found also if a take ended before anybody knew where it goes', async () => {
    const { front, client } = silent('node');
    front.down.add(0);
    const stop = new AbortController();
    const loop = watched(
      client.queue('tokens').work(() => ({ done: true }), { workerId: 'w', signal: stop.signal }),
    );
    await front.clock.advance(50);
    const shards = tableOf(1, [1, 2, 1, 2]);
    front.push(shards);
    front.table = undefined;
    await front.clock.advance(100);
    stop.abort();
    await front.clock.advance(100);
    front.push(shards);
    await front.clock.advance(3_000);
    const id = await unknown(front, client);
    front.answer = () => resultOf(put);
    const asked = client.resolve(id);
    await front.clock.advance(10);
    await expect(asked).resolves.toMatchObject({ outcome: 'applied' });
    await expect(loop).resolves.toBeUndefined();
  });

  it('has an id: anything else is refused', async () => {
    const { front, client } = silent();
    const id = await unknown(front, client);
    const [client1, stream] = id.split('/');
    const wrong = ['', 'x', `${client1}/${stream}/9`, `${client1}/7/1`, `${'0'.repeat(32)}/1/1`];
    for (const text of wrong)
      await expect(client.resolve(text)).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' });
    await client.close();
    await expect(client.resolve(id)).rejects.toMatchObject({ code: 'CLOSED' });
  });
});
