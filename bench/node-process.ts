import { once } from 'node:events';
import { type StartNodeOptions, startNode } from '../src/index.ts';
import { meetBench } from './processes.ts';

/** A node as an application embeds it: default settings, files on disk. */
const bench = await meetBench<StartNodeOptions>();
const node = await startNode(bench.options);
bench.onCommand((command) => {
  if (command.type === 'transfer') node.transferLeadership().catch((error: unknown) => console.error(error));
  if (command.type === 'stop') node.close().then(() => process.exit(0));
});
bench.send({ type: 'ready', address: '' });

node
  .runWhileLeader(async (leadership) => {
    bench.send({ type: 'scope', term: leadership.term });
    if (!leadership.signal.aborted) await once(leadership.signal, 'abort');
  })
  .catch((error: unknown) => console.error(error));

for await (const { role, term, leaderId } of node.observe())
  bench.send({ type: 'view', role, term, leaderId });
