import { describe, expect, it } from 'vitest';
import { Front } from '../../../src/client/router/front.ts';
import { shardTableOf } from '../../../src/client/router/shard-table.ts';
import { encodeAttach } from '../../../src/wire/client-frame.ts';
import { noBucket } from '../../../src/wire/client-header.ts';
import { encodeResult } from '../../../src/wire/queue-result.ts';
import { clientOne, everything, routerId, sessionOne, TestSocket } from './front-world.ts';
import { elect, silent, type TwoShards, twoShards } from './router-rig.ts';

interface Rig extends TwoShards {
  readonly socket: TestSocket;
}

/** A front before a real router, and one client on it. */
async function fronted(): Promise<Rig> {
  const rig = await twoShards();
  const { router, clock } = rig;
  const front = new Front({
    router: {
      submit: (frame, origin) => router.submit(frame, origin),
      drop: (origin) => router.drop(origin),
      table: () => shardTableOf(router.directory),
    },
    clientId: routerId,
    clock,
    logger: silent,
  });
  const socket = new TestSocket(clientOne, everything);
  front.clientUp(socket);
  await clock.settle();
  return { ...rig, socket };
}

function attach(socket: TestSocket): void {
  const body = encodeAttach({ session: sessionOne, workerId: 'w', registration: 0 });
  socket.say({ kind: 'attach', group: 1, bucket: noBucket, correlation: 7, remainingMs: 2_500, body });
}

const attached = {
  kind: 'result',
  body: encodeResult({ type: 'attached', attachment: 5, registration: 3 }),
} as const;

describe('an attach of a client whose link is gone', () => {
  it('is not sent later: the client attached elsewhere meanwhile, and would lose that session', async () => {
    const { router, a, clock, socket } = await fronted();
    a[0]!.crash();
    attach(socket);
    await clock.advance(100);
    socket.onClose?.('timeout');
    elect(a.slice(1), 'n2', 2);
    await clock.advance(100);
    expect(a[1]!.requests).toEqual([]);
    router.close();
  });

  it('is not sent again when the leader that had it is lost', async () => {
    const { router, a, clock, socket } = await fronted();
    a[0]!.isDeaf = true;
    attach(socket);
    await clock.advance(5);
    socket.onClose?.('timeout');
    elect(a.slice(1), 'n2', 2);
    await clock.advance(100);
    expect(a[1]!.requests).toEqual([]);
    router.close();
  });

  it('is undone when it was applied after the client closed', async () => {
    const { router, a, clock, socket } = await fronted();
    a[0]!.answer = ({ header }) => (header.kind === 'attach' ? attached : undefined);
    attach(socket);
    await clock.settle();
    socket.onClose?.('remote');
    await clock.advance(10);
    expect(a[0]!.requests.map(({ header }) => header.kind)).toEqual(['attach', 'detach']);
    router.close();
  });
});
