import { describe, expect, it } from 'vitest';
import { encodeRefused, readRefused } from '../../../src/wire/client-frame.ts';
import { noBucket } from '../../../src/wire/client-header.ts';
import { linkCodes } from '../../../src/wire/close-codes.ts';
import { encodeResult } from '../../../src/wire/queue-result.ts';
import { readShardTable } from '../../../src/wire/shard-frames.ts';
import { aPut, aTake, clientTwo, FrontWorld, nothing } from './front-world.ts';

const done = encodeResult({ type: 'done' });
const request = { kind: 'request', seq: 1, stream: 1, group: 1, remainingMs: 5_000 } as const;

describe('a front', () => {
  it('tells a client of the shards first, and again when they change', async () => {
    const world = new FrontWorld();
    const socket = await world.dial();
    expect(socket.got.map(({ header }) => header.kind)).toEqual(['shards']);
    expect(readShardTable(socket.got[0]!.body).version).toBe(1);
    world.router.version = 2;
    world.front.onMapChanged();
    await world.clock.settle();
    expect(readShardTable(socket.of('shards')[1]!.body).version).toBe(2);
  });

  it('hands requests on as they came, and answers in whatever order they come', async () => {
    const world = new FrontWorld();
    const socket = await world.dial();
    const ids = { bucket: 77, mapVersion: 3, waitMs: 0, settledUpTo: 0 };
    socket.say(
      { ...request, ...ids, correlation: 1, body: aPut },
      { ...request, ...ids, correlation: 2, seq: 2, body: aPut },
    );
    expect(world.router.taken.map(({ header }) => header)).toMatchObject([
      { ...ids, correlation: 1, group: 1, marked: false },
      { ...ids, correlation: 2, group: 1, marked: false },
    ]);
    expect(world.router.taken[0]!.body.equals(aPut)).toBe(true);
    const messages = socket.messageCount;
    world.router.answer('request', 'result', done, 12);
    expect(socket.of('result')).toEqual([]);
    await world.clock.settle();
    expect(socket.of('result').map(({ header }) => header.correlation)).toEqual([2]);
    expect(socket.messageCount).toBe(messages + 1);
  });

  it.each([
    ['put', aPut, 'put'],
    ['take', aTake, 'take'],
  ] as const)('refuses a %s that the secret does not allow', async (_, body, permission) => {
    const world = new FrontWorld();
    const socket = await world.dial(undefined, ['get']);
    socket.say({ ...request, correlation: 5, body });
    await world.clock.settle();
    expect(world.router.taken).toEqual([]);
    const [refused] = socket.of('refused');
    expect(refused?.header).toMatchObject({ correlation: 5, stream: 1, seq: 1, group: 1 });
    expect(readRefused(refused!.body)).toMatchObject({
      code: 'FORBIDDEN',
      message: expect.stringContaining(permission),
    });
  });

  it.each(['get', 'stats', 'ownership', 'claim'] as const)('asks for a permission of %s', async (kind) => {
    const world = new FrontWorld();
    const socket = await world.dial(undefined, ['put', 'take']);
    socket.say({ kind, group: 1, correlation: 5 });
    await world.clock.settle();
    expect(world.router.taken).toEqual([]);
    expect(readRefused(socket.of('refused')[0]!.body).code).toBe('FORBIDDEN');
    const other = await world.dial(clientTwo, ['get', 'admin']);
    other.say({ kind, group: 1, correlation: 5 });
    expect(world.router.of(kind)).toHaveLength(1);
  });

  it('refuses what was passed on too often, and goes on', async () => {
    const world = new FrontWorld();
    const socket = await world.dial();
    socket.say({ ...request, hops: 0, correlation: 9, body: aPut });
    await world.clock.settle();
    expect(readRefused(socket.of('refused')[0]!.body).code).toBe('TOO_MANY_HOPS');
    expect(socket.closedWith).toBeUndefined();
  });

  it('hands on cancels and settles, and answers pings itself', async () => {
    const world = new FrontWorld();
    const socket = await world.dial();
    socket.say({ kind: 'settle', stream: 2, group: 1, settledUpTo: 4 }, { kind: 'cancel' }, { kind: 'ping' });
    await world.clock.settle();
    expect(world.router.taken.map(({ header }) => header.kind)).toEqual(['settle', 'cancel']);
    expect(socket.of('pong')).toHaveLength(1);
    expect(world.front.status().underWay).toBe(0);
  });

  it.each([
    ['of another client', { client: clientTwo, ...request, body: aPut }],
    ['marked', { ...request, marked: true, body: aPut }],
    ['without a request id', { ...request, seq: 0, body: aPut }],
    ['without an operation', { ...request, body: nothing }],
    ['only a node sends', { kind: 'renew' }],
    ['that is an answer', { kind: 'result' }],
    ['with an attach that cannot be read', { kind: 'attach', body: aPut }],
  ] as const)('closes the link on a frame %s, and nobody else notices', async (_, frame) => {
    const world = new FrontWorld();
    const socket = await world.dial();
    const other = await world.dial(clientTwo);
    socket.say(frame);
    expect(socket.closedWith).toBe(linkCodes.badFrame);
    expect(world.warnings).toHaveLength(1);
    expect(world.warnings[0]).not.toContain('secret');
    other.say({ ...request, body: aPut });
    expect(world.router.taken).toHaveLength(1);
  });

  it('closes the link on bytes that are no bundle', async () => {
    const world = new FrontWorld();
    const socket = await world.dial();
    socket.onFrame?.(Buffer.from('no bundle'));
    expect(socket.closedWith).toBe(linkCodes.badFrame);
  });

  it('closes the link of a client whose request no leader can read', async () => {
    const world = new FrontWorld();
    const socket = await world.dial();
    socket.say({ ...request, body: aPut });
    const refused = encodeRefused({ code: 'PROTOCOL', message: 'put: too short', retryAfterMs: 0 });
    world.router.answer('request', 'refused', refused);
    expect(socket.closedWith).toBe(linkCodes.badFrame);
  });

  it('reads no further than 2,048 requests of one client, and goes on when half are answered', async () => {
    const world = new FrontWorld();
    const socket = await world.dial();
    const many = Array.from({ length: 3_000 }, (_, i) => ({
      ...request,
      seq: i + 1,
      correlation: i,
      body: aPut,
    }));
    socket.say(...many);
    expect(socket.paused).toBe(true);
    const first = world.router.taken.length;
    expect(first).toBeLessThan(2_048 + 32);
    for (const { origin, frame } of world.router.taken.slice(0, 1_200)) origin.answer(frame);
    expect(socket.paused).toBe(false);
    await world.clock.advance(20);
    expect(world.router.taken).toHaveLength(3_000);
    expect(world.router.taken.map(({ header }) => header.seq)).toEqual(many.map(({ seq }) => seq));
  });

  it('reads no further while a client takes no answers', async () => {
    const world = new FrontWorld();
    const socket = await world.dial();
    socket.queued = 5 * 1024 * 1024;
    socket.say({ ...request, body: aPut });
    expect(socket.paused).toBe(true);
    expect(world.router.taken).toEqual([]);
    socket.queued = 0;
    await world.clock.advance(20);
    expect(socket.paused).toBe(false);
    expect(world.router.taken).toHaveLength(1);
  });

  it('waits for nothing of a client that is gone', async () => {
    const world = new FrontWorld();
    const socket = await world.dial();
    socket.say({ ...request, body: aPut });
    const { origin } = world.router.taken[0]!;
    socket.onClose?.('remote');
    expect(world.router.dropped.has(origin)).toBe(true);
    expect(world.front.status()).toEqual({ clients: 0, sessions: 0, underWay: 0 });
  });

  it('sends idle clients elsewhere at once when it closes, and others when they have their answers', async () => {
    const world = new FrontWorld();
    const idle = await world.dial();
    const busy = await world.dial(clientTwo);
    busy.say({ ...request, body: aPut });
    let isDrained = false;
    void world.front.drain(2_000).then(() => {
      isDrained = true;
    });
    await world.clock.settle();
    expect([idle.closedWith, busy.closedWith, isDrained]).toEqual([linkCodes.closing, undefined, false]);
    busy.say({ ...request, seq: 2, body: aPut });
    expect(world.router.taken).toHaveLength(1);
    world.router.answer('request', 'result', done);
    await world.clock.settle();
    expect(busy.of('result')).toHaveLength(1);
    expect([busy.closedWith, isDrained]).toEqual([linkCodes.closing, true]);
  });

  it('waits no longer than it was told for answers, and not at all for takes that wait', async () => {
    const world = new FrontWorld();
    const waiting = await world.dial();
    const stuck = await world.dial(clientTwo);
    waiting.say({ ...request, waitMs: 30_000, correlation: 3, body: aTake });
    stuck.say({ ...request, body: aPut });
    let isDrained = false;
    void world.front.drain(2_000).then(() => {
      isDrained = true;
    });
    await world.clock.advance(1_999);
    expect([waiting.closedWith, stuck.closedWith, isDrained]).toEqual([linkCodes.closing, undefined, false]);
    await world.clock.advance(1);
    expect([stuck.closedWith, isDrained]).toEqual([linkCodes.closing, true]);
    const late = await world.dial();
    expect(late.closedWith).toBe(linkCodes.closing);
  });

  it('names no bucket in what it sends itself', async () => {
    const world = new FrontWorld();
    await world.attach(await world.dial());
    await world.clock.advance(700);
    expect(world.router.of('renew')[0]?.header.bucket).toBe(noBucket);
  });
});
