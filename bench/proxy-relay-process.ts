import { WebSocket, WebSocketServer } from 'ws';
import { meetBench } from './processes.ts';

/** The yardstick of a proxy: a process that hands frames on to another and back, and does nothing else. No proxy can beat it. */
const bench = await meetBench<string>();
const server = new WebSocketServer({ host: '127.0.0.1', port: 0, perMessageDeflate: false });
server.on('connection', (client) => {
  const behind = new WebSocket(bench.options, { perMessageDeflate: false });
  behind.on('error', () => {});
  client.on('error', () => {});
  client.pause();
  behind.on('open', () => client.resume());
  client.on('message', (data) => behind.send(data));
  behind.on('message', (data) => client.send(data));
});
server.on('listening', () => {
  const address = server.address();
  bench.send({ type: 'ready', address: `ws://127.0.0.1:${typeof address === 'object' ? address?.port : 0}` });
});
bench.onCommand((command) => {
  if (command.type === 'stop') process.exit(0);
});
