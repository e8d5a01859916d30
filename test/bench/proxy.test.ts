import { once } from 'node:events';
import { connect, createServer } from 'node:net';
import { platform } from 'node:process';
import { describe, expect, it } from 'vitest';
import { establishedIn, linkEndsOf } from '../../bench/links.ts';
import { type Probe, Rounds } from '../../bench/proxy-rounds.ts';

const table = `  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 0100007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 1001 1 0000000000000000 100 0 0 10 0
   1: 0100007F:1F90 0100007F:C350 01 00000000:00000000 00:00000000 00000000     0        0 1002 1 0000000000000000 20 4 30 10 -1
   2: 0100007F:C350 0100007F:1F90 01 00000000:00000000 00:00000000 00000000     0        0 1003 1 0000000000000000 20 4 30 10 -1
   3: 0100007F:C351 0100007F:1F90 06 00000000:00000000 00:00000000 00000000     0        0 0 3 0000000000000000
`;

describe('the links of a process', () => {
  it('are the connections that stand: none that listens or is over', () => {
    expect(establishedIn(table)).toEqual(['1002', '1003']);
    expect(establishedIn('')).toEqual([]);
  });

  it.runIf(platform === 'linux')('are counted from its open sockets, each end once', async () => {
    const server = createServer().listen(0, '127.0.0.1');
    await once(server, 'listening');
    const address = server.address();
    const before = linkEndsOf([process.pid]);
    const socket = connect(typeof address === 'object' && address !== null ? address.port : 0, '127.0.0.1');
    const [accepted] = await Promise.all([once(server, 'connection'), once(socket, 'connect')]);
    expect(linkEndsOf([process.pid])).toBe(before + 2);
    for (const end of accepted) end.destroy();
    socket.destroy();
    server.close();
  });
});

describe('the rounds of a comparison', () => {
  const probe = (name: string, order: string[] = []): Probe => ({
    name,
    inFlight: 1,
    call: (count) => {
      if (count === 0) order.push(name);
      return new Promise((resolve) => setImmediate(resolve));
    },
  });

  it('measure each probe in each round, another one first each time', async () => {
    const order: string[] = [];
    const rounds = new Rounds(() => Promise.resolve(0));
    const probes = [probe('one', order), probe('other', order)];
    expect(await rounds.run(probes, 0, 0.01, () => true)).toBe(true);
    expect(await rounds.run(probes, 1, 0.01, () => true)).toBe(true);
    expect(order).toEqual(['one', 'other', 'other', 'one']);
    expect(rounds.median('one', ({ perSecond }) => perSecond)).toBeGreaterThan(0);
  });

  it('compare slices of one round, and keep none of a round that was spoilt', async () => {
    const rounds = new Rounds(() => Promise.resolve(0));
    for (let turn = 0; turn < 3; turn++)
      await rounds.run([probe('one'), probe('other')], turn, 0.005, () => turn > 0);
    let pairs = 0;
    const spread = rounds.paired('one', 'other', () => ++pairs);
    expect(spread).toEqual({ median: 1, lower: 1, upper: 1 });
    expect(pairs).toBe(2);
  });
});
