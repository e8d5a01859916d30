import { createServer, connect as dial } from 'node:net';
import { expect, it } from 'vitest';
import { countLinks, parseTable, socketsOf } from '../../examples/demo/links.ts';

const header =
  '  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode';

it('reads established connections only', () => {
  const text = [
    header,
    '   0: 0100007F:1F90 0100007F:C350 01 00000000:00000000 00:00000000 00000000     0        0 4711 1 0',
    '   1: 0100007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 4712 1 0',
  ].join('\n');
  expect(parseTable(text)).toEqual([{ local: '0100007F:1F90', remote: '0100007F:C350', inode: '4711' }]);
});

it('counts both ends between nodes, one end from a proxy, none from the judge, and tells who is not wanted', () => {
  const pair = (from: number, to: number, at: string) => [
    { pid: from, local: at, remote: 'x' },
    { pid: to, local: 'x', remote: at },
  ];
  const sockets = [...pair(1, 2, 'a'), ...pair(3, 1, 'b'), ...pair(4, 1, 'c'), ...pair(5, 1, 'd')];
  const roles = { nodes: new Set([1, 2]), wanted: new Set([3]), tolerated: new Set([4]) };
  expect(countLinks(sockets, roles)).toEqual({ count: 3, strangers: 1 });
});

it.runIf(process.platform === 'linux')('finds the sockets of a process', async () => {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  const port = typeof address === 'object' && address !== null ? address.port : 0;
  const client = dial(port, '127.0.0.1');
  await new Promise((resolve) => server.once('connection', resolve));
  const end = `0100007F:${port.toString(16).toUpperCase().padStart(4, '0')}`;
  const found = socketsOf([process.pid])?.filter(({ local, remote }) => local === end || remote === end);
  expect(found).toHaveLength(2);
  client.destroy();
  server.close();
});

it('says nothing where the system tells nothing', () => {
  expect(socketsOf([2 ** 22 + 1])).toBeUndefined();
});
