import { describe, expect, it } from 'vitest';
import {
  encodeAttach,
  encodeAttachments,
  encodeDetach,
  readLeaseLost,
  readSessionEnded,
} from '../../src/wire/client-frame.ts';
import { linkCodes } from '../../src/wire/close-codes.ts';
import { decodeResult } from '../../src/wire/queue-result.ts';
import { idOf, proxy, putOf, RawRouter, routed, routerId, sessionOf, takeOf } from './raw-router.ts';
import { everything, TestCluster } from './test-cluster.ts';

const client = idOf(1);

async function started(): Promise<TestCluster> {
  const cluster = new TestCluster();
  cluster.lead('a');
  await cluster.clock.settle();
  return cluster;
}
const sessionsOf = (cluster: TestCluster): number =>
  cluster.node('b').group.machine.state.stats('tokens').sessions;

/** A proxy at node a whose client 1 holds a lease in session 1. */
async function holding(cluster: TestCluster): Promise<{ router: RawRouter; attachment: number }> {
  const router = new RawRouter(cluster, 'a');
  const attachment = await router.attach(client, 1);
  const ids = { kind: 'request', client, stream: 1 } as const;
  await router.ask(routed({ ...ids, seq: 1 }, putOf(cluster, 't1')));
  const [taken] = await router.ask(routed({ ...ids, seq: 2 }, takeOf(1)));
  expect(decodeResult(taken?.body ?? Buffer.alloc(0))).toMatchObject({ tasks: [{ id: 't1' }] });
  return { router, attachment };
}
const putAgain = (cluster: TestCluster, seq = 3): Buffer =>
  routed({ kind: 'request', client, stream: 1, seq }, putOf(cluster, 't1'));

describe('news of a session that is attached through a router', () => {
  it('goes to that router from the node that leads, says whose it is and which entry tells it', async () => {
    const cluster = await started();
    const { router } = await holding(cluster);
    const others = ['b', 'c'].map((id) => new RawRouter(cluster, id));
    const another = new RawRouter(cluster, 'a', proxy, idOf(0xdef));
    const [lost] = (await router.ask(putAgain(cluster))).filter(({ header }) => header.kind === 'leaseLost');
    expect(lost?.header).toMatchObject({ client, settledUpTo: cluster.main.entries.length });
    expect(readLeaseLost(lost?.body ?? Buffer.alloc(0))).toMatchObject({
      session: sessionOf(1),
      id: 't1',
      why: 'put',
    });
    await cluster.clock.advance(5_000);
    const ended = router.frames.filter(({ header }) => header.kind === 'sessionEnded');
    expect(ended.map(({ header }) => header.client)).toEqual([client]);
    expect(ended.map(({ body }) => readSessionEnded(body))).toEqual([sessionOf(1)]);
    expect([...others, another].flatMap(({ kinds }) => kinds.filter((kind) => kind !== 'leader'))).toEqual(
      [],
    );
  });

  it('comes from the next leader without a word of anybody, for the log names the router', async () => {
    const cluster = await started();
    await holding(cluster);
    const atB = new RawRouter(cluster, 'b');
    await cluster.clock.advance(5);
    cluster.lead('b');
    const heard = await atB.ask(putAgain(cluster));
    expect(heard.map(({ header }) => header.kind).sort()).toEqual(['leaseLost', 'result']);
  });

  it('that the leader of its time could not say is said by the next one', async () => {
    const cluster = await started();
    const { router } = await holding(cluster);
    const atB = new RawRouter(cluster, 'b');
    await cluster.clock.advance(5);
    router.socket.mute = true;
    await router.ask(putAgain(cluster));
    expect(atB.kinds).not.toContain('leaseLost');
    cluster.lead('b');
    await cluster.clock.advance(5);
    expect(atB.kinds.filter((kind) => kind === 'leaseLost')).toHaveLength(1);
  });

  it('of long ago is no news', async () => {
    const cluster = await started();
    const { router } = await holding(cluster);
    const atB = new RawRouter(cluster, 'b');
    await router.ask(putAgain(cluster));
    await cluster.clock.advance(60_000);
    cluster.lead('b');
    await cluster.clock.advance(5);
    expect(atB.kinds.filter((kind) => kind === 'leaseLost')).toEqual([]);
  });

  it('goes to nobody else after the session moved to another gateway', async () => {
    const cluster = await started();
    const { router } = await holding(cluster);
    const other = new RawRouter(cluster, 'a', proxy, idOf(0xdef));
    await other.attach(client, 1);
    await other.ask(putAgain(cluster));
    expect(router.kinds).not.toContain('leaseLost');
    expect(other.kinds).toContain('leaseLost');
  });
});

describe('a session behind a router', () => {
  it('lives as long as the router renews it, under its own name', async () => {
    const cluster = await started();
    const { router, attachment } = await holding(cluster);
    const thief = new RawRouter(cluster, 'a', proxy, idOf(0xdef));
    const renewal = routed(
      { kind: 'renew', client: idOf(0) },
      encodeAttachments([{ session: sessionOf(1), attachment }]),
    );
    for (let round = 0; round < 8; round++) {
      await router.ask(renewal);
      await cluster.clock.advance(1_000);
    }
    expect(sessionsOf(cluster)).toBe(1);
    for (let round = 0; round < 8; round++) {
      await thief.ask(renewal);
      await cluster.clock.advance(1_000);
    }
    expect(sessionsOf(cluster)).toBe(0);
  });

  it('is ended at once by a detach with its attachment, and by no other', async () => {
    const cluster = await started();
    const { router, attachment } = await holding(cluster);
    const detach = (number: number): Buffer =>
      routed({ kind: 'detach', client }, encodeDetach({ session: sessionOf(1), attachment: number }));
    const [stale] = await router.ask(detach(attachment - 1));
    expect(decodeResult(stale?.body ?? Buffer.alloc(0))).toMatchObject({ code: 'CONDITION_FAILED' });
    expect(sessionsOf(cluster)).toBe(1);
    await router.ask(detach(attachment));
    expect(sessionsOf(cluster)).toBe(0);
  });

  it('lives on when its proxy closes the link: that is silence, and silence takes its time', async () => {
    const cluster = await started();
    const { router } = await holding(cluster);
    router.socket.cut('remote');
    await cluster.clock.advance(2_000);
    expect(sessionsOf(cluster)).toBe(1);
    await cluster.clock.advance(3_000);
    expect(sessionsOf(cluster)).toBe(0);
  });

  for (const [name, end, left] of [
    ['closes its link', (router: RawRouter) => router.socket.cut('remote'), 0],
    [
      'closes it after saying that it goes on elsewhere',
      (router: RawRouter) => {
        router.send(routed({ kind: 'move', marked: false }));
        router.socket.cut('remote');
      },
      1,
    ],
    ['falls silent', (router: RawRouter) => router.socket.cut('timeout'), 1],
  ] as const) {
    it(`of a client that routes for itself and ${name} has ${left} lives left after 50 ms`, async () => {
      const cluster = await started();
      const router = new RawRouter(cluster, 'a', everything);
      await router.attach(routerId, 1);
      end(router);
      await cluster.clock.advance(50);
      expect(sessionsOf(cluster)).toBe(left);
    });
  }

  it('of a client that closed before its attach was answered ends when the answer comes', async () => {
    const cluster = await started();
    const router = new RawRouter(cluster, 'a', everything);
    await cluster.clock.advance(5);
    router.send(
      routed({ kind: 'attach' }, encodeAttach({ session: sessionOf(1), workerId: '', registration: 0 })),
    );
    router.socket.cut('remote');
    await cluster.clock.advance(50);
    expect(cluster.main.entries.length).toBe(3);
    expect(sessionsOf(cluster)).toBe(0);
  });

  it('of a client that routes for itself ends at the next leader, which learned of it by a renewal', async () => {
    const cluster = await started();
    const atA = new RawRouter(cluster, 'a', everything);
    const atB = new RawRouter(cluster, 'b', everything);
    const attachment = await atA.attach(routerId, 1);
    atA.socket.frozen = true;
    cluster.lead('b');
    await atB.ask(routed({ kind: 'renew' }, encodeAttachments([{ session: sessionOf(1), attachment }])));
    atB.socket.cut('remote');
    await cluster.clock.advance(50);
    expect(sessionsOf(cluster)).toBe(0);
  });

  it('is one of a few: a client that routes for itself fills neither the cluster nor this node with them', async () => {
    const cluster = await started();
    const router = new RawRouter(cluster, 'a', everything);
    const attaches = Array.from({ length: 200 }, (_, at) =>
      routed({ kind: 'attach' }, encodeAttach({ session: sessionOf(at + 1), workerId: '', registration: 0 })),
    );
    const answers = await router.ask(...attaches);
    expect(answers.filter(({ header }) => header.kind === 'refused')).toHaveLength(184);
    expect(sessionsOf(cluster)).toBe(16);
    // 100,000 more that exist nowhere, each with an attachment of its own.
    for (let round = 0; round < 25; round++) {
      const claimed = Array.from({ length: 4_000 }, (_, at) => ({
        session: sessionOf(1_000 + round * 4_000 + at),
        attachment: 1_000_000,
      }));
      await router.ask(routed({ kind: 'renew' }, encodeAttachments(claimed)));
    }
    const before = cluster.proposalCount;
    router.socket.cut('remote');
    await cluster.clock.advance(50);
    expect(cluster.proposalCount - before).toBeLessThanOrEqual(16);
    expect(router.socket.closedWith).not.toBe(linkCodes.badFrame);
  });
});
