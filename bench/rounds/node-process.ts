import { once } from 'node:events';
import { createServer } from 'node:http';
import { startNode } from '../../src/start-node.ts';
import { meetParent } from './child.ts';

const pulseEveryMs = 100;

/** A node as an application embeds it: default settings, files on disk, and a server whose port is another one after each start. */
const { first, send, onMessage } = await meetParent('node');
const server = createServer().listen(0, '127.0.0.1');
await once(server, 'listening');
const node = await startNode({ ...first.options, listen: { server, path: '/' } });
const pulse = (): void => {
  const { role, term, leaderId, appliedIndex } = node.status();
  send({ type: 'node', role, term, leaderId, appliedIndex });
};
node.on('stateChange', ({ role, term }) => console.log(Date.now(), role, `term ${term}`));
setInterval(pulse, pulseEveryMs);
onMessage((message) => {
  if (message.type === 'stop') node.close().then(() => process.exit(0));
});
const address = server.address();
send({ type: 'ready', address: `ws://127.0.0.1:${typeof address === 'object' ? address?.port : ''}` });
