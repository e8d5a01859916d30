import { describe, expect, it } from 'vitest';
import { clientId, sessionId } from '../../../src/base/ids.ts';
import {
  encodeAttach,
  encodeLeaseLost,
  encodeSession,
  readAttachmentList,
  readDetach,
  readRefused,
} from '../../../src/wire/client-frame.ts';
import { blankHeader, encodeFrame } from '../../../src/wire/client-header.ts';
import { encodeResult } from '../../../src/wire/queue-result.ts';
import {
  clientOne,
  clientTwo,
  FrontWorld,
  routerId,
  sessionOne,
  sessionTwo,
  shardOf,
  TestSocket,
} from './front-world.ts';

/** What the leader of each shard was told of sessions, in order. */
function renewals(world: FrontWorld): readonly (readonly [number, readonly string[]])[] {
  return world.router
    .of('renew')
    .map(({ header, body }) => [header.group, readAttachmentList(body).map(({ session }) => session)]);
}

function push(
  world: FrontWorld,
  kind: 'leaseLost' | 'sessionEnded',
  index: number,
  session = sessionOne,
): void {
  const lost = { session, queue: 'tokens', id: 't1', fence: 3, why: 'put' } as const;
  const body = kind === 'leaseLost' ? encodeLeaseLost(lost) : encodeSession(session);
  const header = { ...blankHeader, kind, group: 1, client: clientOne, settledUpTo: index };
  world.front.onPush(encodeFrame(header, body));
}

async function ping(world: FrontWorld, socket: TestSocket): Promise<void> {
  socket.say({ kind: 'ping' });
  await world.clock.settle();
}

describe('the sessions of a front', () => {
  it('are renewed at every shard they are attached to, as long as their client is heard', async () => {
    const world = new FrontWorld();
    const socket = await world.dial();
    await world.attach(socket, 1);
    await world.attach(socket, 2);
    const silent = await world.dial(clientTwo);
    await world.attach(silent, 1, { session: sessionTwo });
    await world.clock.advance(701);
    expect(renewals(world)).toEqual([
      [1, [sessionOne, sessionTwo]],
      [2, [sessionOne]],
    ]);
    expect(world.router.of('renew').every(({ header }) => header.client === routerId)).toBe(true);
    await ping(world, socket);
    await world.clock.advance(700);
    expect(renewals(world).slice(2)).toEqual([
      [1, [sessionOne]],
      [2, [sessionOne]],
    ]);
    await world.clock.advance(700);
    expect(renewals(world)).toHaveLength(4);
  });

  it('are renewed at once when their shard has a leader again, and at that shard alone', async () => {
    const world = new FrontWorld();
    const socket = await world.dial();
    await world.attach(socket, 1);
    await world.attach(socket, 2);
    await world.clock.advance(100);
    world.front.onLeader(shardOf(2));
    world.front.onLeader(shardOf(3));
    expect(renewals(world)).toEqual([[2, [sessionOne]]]);
  });

  it('are told of in pieces of 4,096', async () => {
    const world = new FrontWorld();
    for (let i = 0; i < 5_000; i++) {
      const id = i.toString(16).padStart(32, '0');
      attachNow(world, dialNow(world, id), id);
    }
    await world.clock.advance(701);
    expect(renewals(world).map(([, sessions]) => sessions.length)).toEqual([4_096, 904]);
  });

  it('end at every shard when their client closes its link', async () => {
    const world = new FrontWorld();
    const socket = await world.dial();
    await world.attach(socket, 1, { attachment: 4 });
    await world.attach(socket, 2, { attachment: 9 });
    socket.onClose?.('remote');
    expect(
      world.router
        .of('detach')
        .map(({ header, body }) => [header.group, header.client, header.remainingMs, readDetach(body)]),
    ).toEqual([
      [1, clientOne, 10_000, { session: sessionOne, attachment: 4 }],
      [2, clientOne, 10_000, { session: sessionOne, attachment: 9 }],
    ]);
    await world.clock.advance(2_000);
    expect(renewals(world)).toEqual([]);
  });

  it('live on when the link was lost, closed here, or left for another', async () => {
    for (const how of ['timeout', 'local', 'moved'] as const) {
      const world = new FrontWorld();
      const socket = await world.dial();
      await world.attach(socket);
      if (how === 'moved') socket.say({ kind: 'move' });
      socket.onClose?.(how === 'moved' ? 'remote' : how);
      expect(world.router.of('detach')).toEqual([]);
    }
  });

  it('end when their client was gone before the answer to its attach came', async () => {
    const world = new FrontWorld();
    const socket = await world.dial();
    socket.say({
      kind: 'attach',
      group: 1,
      body: encodeAttach({ session: sessionOne, workerId: 'w', registration: 0 }),
    });
    socket.onClose?.('remote');
    const result = encodeResult({ type: 'attached', attachment: 5, registration: 1 });
    world.router.answer('attach', 'result', result, 8);
    expect(world.router.of('detach').map(({ body }) => readDetach(body).attachment)).toEqual([5]);
  });

  it('are sixteen on one link at most', async () => {
    const world = new FrontWorld();
    const socket = await world.dial();
    const attach = (i: number) => {
      const session = sessionId(i.toString(16).padStart(32, '0'));
      socket.say({
        kind: 'attach',
        group: 1,
        body: encodeAttach({ session, workerId: '', registration: 0 }),
      });
    };
    for (let i = 0; i < 17; i++) attach(i);
    attach(3);
    await world.clock.settle();
    expect(world.router.of('attach')).toHaveLength(17);
    expect(readRefused(socket.of('refused')[0]!.body).code).toBe('BUSY');
  });

  it('hear of their leases and their end, from the log after they were attached', async () => {
    const world = new FrontWorld();
    const socket = await world.dial();
    const other = await world.dial(clientTwo);
    await world.attach(socket, 1, { index: 10 });
    push(world, 'leaseLost', 10);
    push(world, 'sessionEnded', 9);
    push(world, 'leaseLost', 11, sessionTwo);
    await world.clock.settle();
    expect([...socket.of('leaseLost'), ...socket.of('sessionEnded')]).toEqual([]);
    push(world, 'leaseLost', 11);
    push(world, 'sessionEnded', 12);
    push(world, 'sessionEnded', 12);
    await world.clock.settle();
    expect(socket.of('leaseLost')[0]?.header).toMatchObject({ group: 1, client: clientOne });
    expect(socket.of('sessionEnded')).toHaveLength(1);
    expect(other.got.map(({ header }) => header.kind)).toEqual(['shards']);
    await world.clock.advance(701);
    expect(renewals(world)).toEqual([]);
  });

  it('belong to the link that attached them last', async () => {
    const world = new FrontWorld();
    const old = await world.dial();
    await world.attach(old, 1, { attachment: 1, index: 10 });
    const fresh = await world.dial();
    await world.attach(fresh, 1, { attachment: 2, index: 20 });
    old.onClose?.('remote');
    expect(world.router.of('detach')).toEqual([]);
    push(world, 'leaseLost', 21);
    await world.clock.settle();
    expect(fresh.of('leaseLost')).toHaveLength(1);
  });

  it('survive news that cannot be read', async () => {
    const world = new FrontWorld();
    await world.attach(await world.dial());
    const header = { ...blankHeader, kind: 'leaseLost' as const, group: 1, client: clientOne };
    world.front.onPush(encodeFrame(header, Buffer.from('?')));
    expect(world.warnings).toHaveLength(1);
  });
});

function dialNow(world: FrontWorld, id: string): TestSocket {
  const socket = new TestSocket(clientId(id), ['take']);
  world.front.clientUp(socket);
  return socket;
}

function attachNow(world: FrontWorld, socket: TestSocket, id: string): void {
  socket.say({
    kind: 'attach',
    group: 1,
    body: encodeAttach({ session: sessionId(id), workerId: '', registration: 0 }),
  });
  const { origin } = world.router.taken.at(-1)!;
  const header = { ...blankHeader, kind: 'result' as const, group: 1, client: socket.clientId };
  origin.answer(
    encodeFrame(
      { ...header, settledUpTo: 5 },
      encodeResult({ type: 'attached', attachment: 1, registration: 1 }),
    ),
  );
}
