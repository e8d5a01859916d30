/**
 * One member: writes invoices while it leads, and only then. The ledger is in the parent process; a real one is your database.
 */
import { setTimeout as delay } from 'node:timers/promises';
import { startNode } from '../../src/index.ts'; // in your own program: from 'raftsman'

const node = await startNode(JSON.parse(process.argv[2] ?? '{}'));
const tell = (message: object): void => void process.send?.(message);

node.on('leaderChange', ({ leaderId, term }) => tell({ type: 'leader', leaderId, term }));
process.on('message', async () => {
  await node.close();
  process.disconnect();
});

await node.runWhileLeader(async ({ signal, fencingToken, assertHeld }) => {
  tell({ type: 'scope', token: fencingToken });
  while (!signal.aborted) {
    assertHeld(); // Reads the clock: throws if another member may lead by now.
    tell({ type: 'invoice', token: fencingToken });
    await delay(150, undefined, { signal });
  }
});
