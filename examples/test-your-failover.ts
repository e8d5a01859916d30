import { strict as assert } from 'node:assert';
import type { Leadership } from '../src/index.ts'; // in your own program: from 'raftsman'
import { localCluster } from '../src/testing/index.ts'; // in your own program: from 'raftsman/testing'

/** Your service: it sends invoices, and two of it must never do so at once. */
class Invoices {
  readonly sent: { readonly by: string; readonly token: number }[] = [];

  async sendWhileLeading(id: string, leadership: Leadership): Promise<void> {
    leadership.assertHeld();
    this.sent.push({ by: id, token: leadership.fencingToken });
    await new Promise((resolve) => leadership.signal.addEventListener('abort', resolve));
  }
}

await using cluster = await localCluster({ size: 3 });
const invoices = new Invoices();
const run = (id: string): void => {
  void cluster.node(id).runWhileLeader((leadership) => invoices.sendWhileLeading(id, leadership));
};
for (const id of cluster.ids) run(id);

await cluster.until(() => invoices.sent.length === 1);
const [first] = invoices.sent;
assert(first !== undefined);

// The leader dies. Somebody leads within a few ms; its scope opens when the dead one's lease has surely run out.
const killedMs = cluster.nowMs;
cluster.kill(first.by);
const next = await cluster.leader();
console.log(
  `${first.by} is dead, ${next.id} leads after ${(cluster.nowMs - killedMs).toFixed(1)} ms of virtual time`,
);
await cluster.until(() => invoices.sent.length === 2);
const second = invoices.sent[1];
assert(second !== undefined && second.by !== first.by && second.token > first.token);
console.log(`${second.by} works after ${(cluster.nowMs - killedMs).toFixed(0)} ms, with a higher token`);

// The new leader is cut off from the others: they go on without it, and it stops in time.
await cluster.restart(first.by);
run(first.by);
const others = cluster.ids.filter((id) => id !== second.by);
cluster.partition(second.by, others);
await cluster.until(() => invoices.sent.length === 3);
const third = invoices.sent[2];
assert(third !== undefined && third.by !== second.by && third.token > second.token);
console.log(`${second.by} is cut off, ${third.by} works with a still higher token`);
cluster.heal();
