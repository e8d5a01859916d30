import { WebSocketServer } from 'ws';
import { meetBench } from './processes.ts';

/** The yardstick: a process that does nothing but send frames back. */
const bench = await meetBench<undefined>();
const server = new WebSocketServer({ host: '127.0.0.1', port: 0, perMessageDeflate: false });
server.on('connection', (socket) => {
  socket.on('error', () => {});
  socket.on('message', (data) => socket.send(data));
});
server.on('listening', () => {
  const address = server.address();
  bench.send({ type: 'ready', address: `ws://127.0.0.1:${typeof address === 'object' ? address?.port : 0}` });
});
bench.onCommand((command) => {
  if (command.type === 'stop') process.exit(0);
});
