import { describe, expect, it } from 'vitest';
import type { QueueResult } from '../../src/queue/types.ts';
import { encodeSession, readAttach } from '../../src/wire/client-frame.ts';
import { noBucket } from '../../src/wire/client-header.ts';
import { encodeRedirect } from '../../src/wire/shard-frames.ts';
import {
  keys,
  namespaceOf,
  put,
  refused,
  resultOf,
  ScriptedFront,
  type Seen,
  tableOf,
  taskOf,
  watched,
} from './scripted-front.ts';

const two = tableOf(1, [1, 2, 1, 2]);
const [first, second] = keys;
const forgotten: QueueResult = { type: 'refused', code: 'CLIENT_EXPIRED', message: '' };

/** A front of two shards and a client that has opened `tokens`. */
async function started(table = two): Promise<{
  readonly front: ScriptedFront;
  readonly client: ReturnType<ScriptedFront['connect']>;
  readonly tokens: ReturnType<ReturnType<ScriptedFront['connect']>['queue']>;
}> {
  const front = new ScriptedFront(table);
  front.answer = () => resultOf(put);
  const client = front.connect();
  const tokens = client.queue('tokens');
  await front.clock.advance(10);
  return { front, client, tokens };
}

const to =
  (shard: number) =>
  ({ header }: Seen) =>
    header.group === shard;

describe('a client of shards', () => {
  it('attaches its one session to every shard of the queues it uses, and to no other', async () => {
    const table = {
      version: 1,
      namespaces: [...two.namespaces, namespaceOf(1, [3, 4], 'addressBook')],
    };
    const { front, client } = await started(table);
    expect(front.kind('attach').map(({ group }) => group)).toEqual([1, 2]);
    client.queue('addressBook');
    await front.clock.advance(10);
    expect(front.kind('attach').map(({ group }) => group)).toEqual([1, 2, 3, 4]);
    const sessions = front.seen
      .filter(({ header }) => header.kind === 'attach')
      .map(({ body }) => readAttach(body));
    expect(new Set(sessions.map(({ session }) => session)).size).toBe(1);
  });

  it('sends each key to the shard that owns its bucket, in the stream of that shard', async () => {
    const { front, tokens } = await started();
    const stored = Promise.all(keys.map((key) => tokens.put(taskOf(key))));
    await front.clock.advance(10);
    await stored;
    expect(
      front
        .of('put')
        .map(({ header: { group, bucket, stream, seq, mapVersion } }) => [
          group,
          bucket,
          stream,
          seq,
          mapVersion,
        ]),
    ).toEqual([
      [1, 0, 1, 1, 1],
      [2, 1, 2, 1, 1],
      [1, 2, 1, 2, 1],
      [2, 3, 2, 2, 1],
    ]);
  });

  it('is connected while one of its shards has the session; a shard without holds only its own calls', async () => {
    const front = new ScriptedFront(two);
    front.answer = () => resultOf(put);
    front.down.add(2);
    const client = front.connect();
    const tokens = client.queue('tokens');
    await front.clock.advance(10);
    expect(client.connected).toBe(true);
    const held = tokens.put(taskOf(second));
    const sent = tokens.put(taskOf(first));
    await front.clock.advance(10);
    await expect(sent).resolves.toEqual({ version: 1, created: true });
    expect(front.of('put').filter(to(2))).toEqual([]);
    front.down.clear();
    await front.clock.advance(3_000);
    await expect(held).resolves.toEqual({ version: 1, created: true });
    expect(front.links).toHaveLength(1);
  });

  it('settles each stream by itself: a shard that does not answer holds up no other', async () => {
    const { front, tokens } = await started();
    front.answer = ({ header }) => (header.group === 2 ? undefined : resultOf(put));
    void tokens.put(taskOf(second)).catch(() => undefined);
    for (let round = 0; round < 3; round++) {
      void tokens.put(taskOf(first));
      await front.clock.advance(10);
    }
    expect(
      front
        .of('put')
        .filter(to(1))
        .map(({ header }) => header.settledUpTo),
    ).toEqual([0, 1, 2]);
    expect(
      front
        .of('put')
        .filter(to(2))
        .map(({ header }) => header.settledUpTo),
    ).toEqual([0]);
  });

  it('attaches anew only where the session ended', async () => {
    const { front } = await started();
    const [attach] = front.seen;
    if (attach === undefined) throw new Error('nothing was attached');
    front.pushFrame('sessionEnded', 2, encodeSession(readAttach(attach.body).session));
    await front.clock.advance(10);
    expect(front.kind('attach').map(({ group }) => group)).toEqual([1, 2, 2]);
  });

  it('refuses what is no key, or too long a one, and sends nothing; others are not disturbed', async () => {
    const front = new ScriptedFront(tableOf(1, [1, 2, 1, 2]));
    front.answer = () => resultOf(put);
    const client = front.connect();
    const tokens = client.queue('tokens');
    const fine = tokens.put(taskOf(keys[0]));
    const wrong: readonly string[] = JSON.parse(String.raw`["", 7, null, {}, ["k"], "\ud800"]`);
    for (const id of wrong) {
      const refused = { name: 'InvalidArgumentError', code: 'INVALID_ARGUMENT', outcome: 'refused' };
      await expect(tokens.put(taskOf(id))).rejects.toMatchObject(refused);
      await expect(tokens.get(id)).rejects.toMatchObject(refused);
      await expect(client.explain('tokens', id)).rejects.toMatchObject(refused);
    }
    const long = { name: 'TooLargeError', code: 'TOO_LARGE', outcome: 'refused' };
    await expect(tokens.put(taskOf('k'.repeat(257)))).rejects.toMatchObject(long);
    await expect(tokens.get('\u20ac'.repeat(86))).rejects.toMatchObject(long);
    await front.clock.advance(20);
    await expect(fine).resolves.toMatchObject({ version: 1 });
    expect(front.seen.filter(({ header }) => header.kind !== 'attach')).toHaveLength(1);
  });

  it('refuses a queue that no namespace holds, and names those there are', async () => {
    const { front, client } = await started();
    const got = watched(client.queue('elsewhere').get('k'));
    await front.clock.advance(10);
    await expect(got).rejects.toMatchObject({
      code: 'INVALID_ARGUMENT',
      message: expect.stringContaining('tokens'),
    });
  });

  it('finds a queue without a namespace of its own in the default one', async () => {
    const { front, client } = await started(tableOf(1, [5], 'default'));
    const stored = client.queue('elsewhere').put(taskOf('k'));
    await front.clock.advance(10);
    await expect(stored).resolves.toMatchObject({ version: 1 });
    expect(front.of('put').map(({ header }) => header.group)).toEqual([5]);
  });

  it('explains where a key goes', async () => {
    const { front, client } = await started();
    const explained = client.explain('tokens', second);
    await front.clock.advance(10);
    await expect(explained).resolves.toMatchObject({
      namespace: 'tokens',
      shard: 's2',
      bucket: 1,
      mapVersion: 1,
      via: 'proxy',
      connected: true,
    });
    front.push(tableOf(2, [2, 2, 1, 2]));
    await front.clock.advance(10);
    await expect(client.explain('tokens', second)).resolves.toMatchObject({ mapVersion: 2 });
  });
});

describe('a change of the map', () => {
  it('leaves a request that has an id where it is; new ones go by the new map', async () => {
    const { front, tokens } = await started();
    front.answer = () => undefined;
    const old = tokens.put(taskOf(first));
    await front.clock.advance(10);
    front.push(tableOf(2, [2, 2, 1, 2]));
    await front.clock.advance(10);
    front.answer = () => resultOf(put);
    front.cut();
    const fresh = tokens.put(taskOf(first));
    await front.clock.advance(100);
    await Promise.all([old, fresh]);
    const ids = front
      .of('put')
      .map(({ header: { group, stream, seq, mapVersion } }) => [group, stream, seq, mapVersion]);
    expect(ids.filter(([group]) => group === 1)).toEqual([
      [1, 1, 1, 1],
      [1, 1, 1, 1],
    ]);
    expect(ids.filter(([group]) => group === 2)).toEqual([[2, 2, 1, 1]]);
  });

  it('is not undone by a proxy that has an older one', async () => {
    const { front, tokens } = await started();
    front.push(tableOf(2, [2, 2, 1, 2]));
    await front.clock.advance(10);
    front.table = two;
    front.cut();
    await front.clock.advance(100);
    void tokens.put(taskOf(first));
    await front.clock.advance(10);
    expect(front.of('put').map(({ header }) => header.group)).toEqual([2]);
  });

  it('attaches the session to a shard that is new', async () => {
    const { front } = await started();
    front.push(tableOf(2, [1, 2, 3, 2]));
    await front.clock.advance(10);
    expect(front.kind('attach').map(({ group }) => group)).toEqual([1, 2, 3]);
  });

  it('is waited for when the proxy does not know the shard yet', async () => {
    const { front, tokens } = await started();
    front.answer = () => refused('UNKNOWN_GROUP');
    const stored = tokens.put(taskOf(first));
    await front.clock.advance(500);
    front.answer = () => resultOf(put);
    await front.clock.advance(200);
    await expect(stored).resolves.toMatchObject({ version: 1 });
  });
});

describe('a redirect that only the client may follow', () => {
  it('is followed under the same id, by the version that it told', async () => {
    const { front, tokens } = await started(tableOf(9, [1, 2, 1, 2]));
    front.answer = ({ header }) =>
      header.mapVersion < 7
        ? { kind: 'wrongShard', body: encodeRedirect({ owner: 's1', version: 7 }) }
        : resultOf(put);
    const stored = tokens.put(taskOf(first));
    await front.clock.advance(5);
    await expect(stored).resolves.toMatchObject({ version: 1 });
    void tokens.put(taskOf(first));
    await front.clock.advance(5);
    // The version of the table is no proof that a group knows it; what a group told is.
    expect(front.of('put').map(({ header: { seq, mapVersion } }) => [seq, mapVersion])).toEqual([
      [1, 1],
      [1, 7],
      [2, 7],
    ]);
  });

  it('raises no version on the word of a shard that is not the owner', async () => {
    const { front, tokens } = await started(tableOf(9, [1, 2, 1, 2]));
    front.answer = () => ({ kind: 'wrongShard', body: encodeRedirect({ owner: 's2', version: 7 }) });
    watched(tokens.put(taskOf(first), { timeoutMs: 300 }));
    await front.clock.advance(200);
    expect(new Set(front.of('put').map(({ header }) => header.mapVersion))).toEqual(new Set([1]));
    expect(front.of('put').length).toBeGreaterThan(5);
  });

  it('is asked again every 20 ms while the bucket is frozen, and is no error before the deadline', async () => {
    const { front, tokens } = await started();
    front.answer = () => ({ kind: 'frozen', body: encodeRedirect({ owner: undefined, version: 0 }) });
    const stored = watched(tokens.put(taskOf(first), { timeoutMs: 400 }));
    await front.clock.advance(200);
    expect(front.of('put').length).toBeGreaterThan(5);
    expect(front.of('put').length).toBeLessThan(12);
    await front.clock.advance(250);
    await expect(stored).rejects.toMatchObject({ code: 'DEADLINE_EXCEEDED' });
  });

  it('reaches the caller as an error when the client speaks to a node', async () => {
    const front = new ScriptedFront('node');
    const tokens = front.connect().queue('tokens');
    front.answer = () => ({ kind: 'wrongShard', body: encodeRedirect({ owner: 's2', version: 3 }) });
    const wrong = watched(tokens.put(taskOf(first)));
    await front.clock.advance(10);
    await expect(wrong).rejects.toMatchObject({ code: 'WRONG_SHARD', owner: 's2', version: 3 });
    front.answer = () => ({ kind: 'frozen', body: encodeRedirect({ owner: undefined, version: 3 }) });
    const frozen = watched(tokens.put(taskOf(first)));
    await front.clock.advance(10);
    await expect(frozen).rejects.toMatchObject({ code: 'FROZEN', retryable: true });
  });

  it('to a shard that does not know the client yet has it attached there first: nothing is forgotten', async () => {
    const { front, client, tokens } = await started();
    const met = (): boolean => front.kind('attach').some(({ group }) => group === 3);
    front.answer = () =>
      met()
        ? resultOf(put, { group: 3 })
        : resultOf({ type: 'refused', code: 'CLIENT_EXPIRED', message: '' }, { group: 3 });
    const stored = tokens.put(taskOf(first));
    await front.clock.advance(100);
    await expect(stored).resolves.toMatchObject({ version: 1 });
    expect(new Set(front.links.map((link) => link.client)).size).toBe(1);
    expect(new Set(front.of('put').map(({ header }) => header.seq))).toEqual(new Set([1]));
    await client.close();
  });
});

describe('the order of requests on one key', () => {
  it('is kept when the earlier one bounces while the later one is under way: the group decides what becomes of it', async () => {
    const { front, tokens } = await started();
    const overtaken: QueueResult = { type: 'refused', code: 'OVERTAKEN', message: '' };
    let attempts = 0;
    front.answer = ({ header }) => {
      if (header.seq !== 1) return resultOf(put, { afterMs: 300 });
      return attempts++ === 0 ? { kind: 'unknown', body: new Uint8Array(0) } : resultOf(overtaken);
    };
    const earlier = watched(tokens.put(taskOf(first)));
    const later = tokens.put(taskOf(first));
    const other = tokens.put(taskOf(keys[2]));
    await front.clock.advance(250);
    expect(front.of('put').map(({ header }) => header.seq)).toEqual([1, 2, 3]);
    await front.clock.advance(100);
    await later;
    await other;
    await front.clock.advance(100);
    await expect(earlier).rejects.toMatchObject({ code: 'OVERTAKEN', outcome: 'refused', retryable: false });
    expect(front.of('put').map(({ header }) => header.seq)).toEqual([1, 2, 3, 1]);
  });

  it('is kept while the shard that a bucket went to has yet to meet the client', async () => {
    const { front, tokens } = await started();
    const expired: QueueResult = { type: 'refused', code: 'CLIENT_EXPIRED', message: '' };
    front.answer = () => {
      const hasMet = front.kind('attach').some(({ group }) => group === 3);
      return resultOf(hasMet ? put : expired, { group: 3 });
    };
    const earlier = tokens.put(taskOf(first));
    await front.clock.advance(10);
    const later = tokens.put(taskOf(first));
    await front.clock.advance(300);
    await Promise.all([earlier, later]);
    expect(front.of('put').map(({ header }) => header.seq)).toEqual([1, 1, 2]);
  });

  it('is kept when both bounce: they go again in their order', async () => {
    const { front, tokens } = await started();
    let isBack = false;
    const bounce = { kind: 'unknown', body: new Uint8Array(0) } as const;
    front.answer = ({ header }) =>
      isBack ? resultOf(put) : { ...bounce, afterMs: header.seq === 2 ? 120 : 0 };
    const both = [tokens.put(taskOf(first)), tokens.put(taskOf(first))];
    await front.clock.advance(119);
    isBack = true;
    await front.clock.advance(300);
    await Promise.all(both);
    expect(front.of('put').map(({ header }) => header.seq)).toEqual([1, 2, 1, 2]);
  });

  it('is kept when the bucket has moved: a later one, by the version told since, does not go ahead of one that may bounce', async () => {
    const { front, tokens } = await started(tableOf(9, [1, 2, 1, 2]));
    const bounce = { kind: 'wrongShard', body: encodeRedirect({ owner: 's1', version: 7 }) } as const;
    front.answer = ({ header: { seq, mapVersion } }) => {
      if (mapVersion === 7) return resultOf(put);
      return { ...bounce, afterMs: seq === 1 ? 100 : 0 };
    };
    const slow = tokens.put(taskOf(first));
    const other = tokens.put(taskOf(`{${first}}other`));
    await front.clock.advance(50);
    const later = tokens.put(taskOf(first));
    await front.clock.advance(200);
    await Promise.all([slow, other, later]);
    expect(front.of('put').map(({ header: { seq, mapVersion } }) => [seq, mapVersion])).toEqual([
      [1, 1],
      [2, 1],
      [2, 7],
      [1, 7],
      [3, 7],
    ]);
  });

  it('is kept on a new link: all that is unanswered goes out by the version told meanwhile', async () => {
    const { front, tokens } = await started(tableOf(9, [1, 2, 1, 2]));
    const bounce = { kind: 'wrongShard', body: encodeRedirect({ owner: 's1', version: 7 }) } as const;
    front.answer = ({ header: { seq } }) => (seq === 1 ? undefined : bounce);
    const both = [tokens.put(taskOf(first)), tokens.put(taskOf(`{${first}}other`))];
    await front.clock.advance(5);
    const sent = front.of('put').length;
    front.answer = () => resultOf(put);
    front.cut();
    await front.clock.advance(500);
    await Promise.all(both);
    expect(
      front
        .of('put')
        .slice(sent)
        .map(({ header: { seq, mapVersion } }) => [seq, mapVersion]),
    ).toEqual([
      [1, 7],
      [2, 7],
    ]);
  });
});

describe('a client that one shard has forgotten', () => {
  it.each([
    { how: 'bounces', answer: refused('UNKNOWN_GROUP') },
    { how: 'is told so last', answer: resultOf(forgotten, { afterMs: 25 }) },
  ])(
    'keeps the order of its calls under the new identity, also if the earlier one $how',
    async ({ answer }) => {
      const { front, tokens } = await started();
      front.answer = ({ header }) => {
        if (front.links.length > 1) return resultOf(put);
        return header.seq === 1 ? answer : resultOf(forgotten, { afterMs: 2 });
      };
      const weighed = (weight: number) => tokens.put({ ...taskOf(first), weight });
      const both = [weighed(1), weighed(2)];
      await front.clock.advance(1_000);
      await Promise.all(both);
      const again = front.of('put').filter(({ header }) => header.client === front.links[1]?.client);
      const weights = again.map(({ operation }) => (operation?.type === 'put' ? operation.weight : 0));
      expect(weights).toEqual([1, 2]);
    },
  );

  it('waits for the answers of the others, then goes on under a new identity everywhere', async () => {
    const { front, tokens } = await started();
    front.answer = ({ header }) =>
      header.group === 1 && front.links.length === 1
        ? resultOf({ type: 'refused', code: 'CLIENT_EXPIRED', message: '' })
        : resultOf(put, { afterMs: header.group === 2 ? 500 : 0 });
    const slow = tokens.put(taskOf(second));
    const forgotten = tokens.put(taskOf(first));
    await front.clock.advance(400);
    expect(front.links).toHaveLength(1);
    await front.clock.advance(300);
    await expect(slow).resolves.toMatchObject({ version: 1 });
    await expect(forgotten).resolves.toMatchObject({ version: 1 });
    expect(new Set(front.links.map(({ client }) => client)).size).toBe(2);
    expect(front.kind('attach').map(({ group }) => group)).toEqual([1, 2, 1, 2]);
  });

  it('does not wait for a shard that is down longer than 5 s', async () => {
    const { front, tokens } = await started();
    front.answer = ({ header }) => {
      if (header.group === 2) return undefined;
      return front.links.length === 1
        ? resultOf({ type: 'refused', code: 'CLIENT_EXPIRED', message: '' })
        : resultOf(put);
    };
    const stuck = watched(tokens.put(taskOf(second), { timeoutMs: 60_000 }));
    const forgotten = tokens.put(taskOf(first), { timeoutMs: 60_000 });
    await front.clock.advance(5_200);
    await expect(forgotten).resolves.toMatchObject({ version: 1 });
    await expect(stuck).rejects.toMatchObject({ code: 'UNKNOWN_OUTCOME' });
  });
});

describe('an idle client', () => {
  it('tells every shard that answered a request what is settled, a bounded number of times', async () => {
    const { front, tokens } = await started();
    front.answer = ({ header }) => (header.kind === 'request' ? resultOf(put, { group: 2 }) : undefined);
    void tokens.put(taskOf(first));
    await front.clock.advance(900);
    expect(front.kind('settle')).toEqual([]);
    await front.clock.advance(200);
    expect(front.kind('settle')).toMatchObject([
      { group: 2, stream: 1, settledUpTo: 1, seq: 0, bucket: noBucket },
    ]);
    await front.clock.advance(60_000);
    expect(front.kind('settle')).toHaveLength(5);
  });

  it('says nothing of the kind to a node', async () => {
    const front = new ScriptedFront('node');
    front.answer = () => resultOf(put);
    void front.connect().queue('tokens').put(taskOf(first));
    await front.clock.advance(60_000);
    expect(front.kind('settle')).toEqual([]);
  });

  it('asks anew with a take that waits, so that the answers after it can be forgotten', async () => {
    const { front, tokens } = await started(tableOf(1, [1]));
    front.answer = ({ header, operation }) => {
      if (header.kind === 'cancel') return undefined;
      return operation?.type === 'take' ? undefined : resultOf(put);
    };
    void tokens.take({ waitMs: 30_000 }).catch(() => undefined);
    await front.clock.advance(10);
    void tokens.put(taskOf(first));
    await front.clock.advance(1_200);
    expect(front.kind('cancel')).toMatchObject([{ stream: 1, seq: 1 }]);
  });
});

describe('the way to the shards', () => {
  it('is another proxy when this one reaches no shard, and later when it lacks one', async () => {
    const front = new ScriptedFront(two);
    front.gateways = ['p1', 'p2'];
    front.down.add(1).add(2);
    front.connect().queue('tokens');
    await front.clock.advance(2_600);
    expect(front.links.map(({ at }) => at)).toEqual(['p1', 'p2']);
    front.down.delete(1);
    await front.clock.advance(2_600);
    front.seen.length = 0;
    const before = front.links.length;
    await front.clock.advance(4_000);
    expect(front.links).toHaveLength(before);
    await front.clock.advance(3_000);
    expect(front.links).toHaveLength(before + 1);
  });

  it('is never a node once there were shards', async () => {
    const { front, client } = await started();
    front.table = 'node';
    front.cut();
    await front.clock.advance(500);
    expect(client.connected).toBe(false);
    front.table = two;
    await front.clock.advance(3_000);
    expect(client.connected).toBe(true);
  });

  it('may begin at a node: then what was sent means nothing to the shards, and the rest goes on', async () => {
    const front = new ScriptedFront('node');
    const tokens = front.connect().queue('tokens');
    const sent = watched(tokens.put(taskOf(first)));
    await front.clock.advance(10);
    front.table = two;
    front.cut();
    const later = tokens.put(taskOf(second));
    front.answer = () => resultOf(put);
    await front.clock.advance(200);
    await expect(sent).rejects.toMatchObject({ code: 'UNKNOWN_OUTCOME' });
    await expect(later).resolves.toMatchObject({ version: 1 });
    expect(
      front
        .of('put')
        .filter(to(2))
        .map(({ header: { stream, seq } }) => [stream, seq]),
    ).toEqual([[2, 1]]);
  });

  it('is left for another if it never says whether there are shards', async () => {
    const front = new ScriptedFront(undefined);
    front.connect();
    await front.clock.advance(2_600);
    expect(front.links).toHaveLength(2);
  });
});
