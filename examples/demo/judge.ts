import { connect, type Queue, type QueueClient } from '../../src/client/index.ts';
import { meetParent } from './child.ts';
import { fingerprint, type JournalEvent } from './journal.ts';
import { LapseWatch } from './lapse-watch.ts';
import type { Progress } from './messages.ts';
import { queueName } from './settings.ts';
import { type Token, tokenCodec } from './token.ts';
import { type FinalRead, judge, type Kill, type StoredToken } from './verdict.ts';

/** The judge: a client that may only read, and a reader of the authorisation server's journal. It asks no updater and no node's memory. */
const { parent, start } = await meetParent();
const { cluster, role } = start;

const pollMs = 100;
const statsMs = 100;
const settleMs = 3_000;
const readsInFlight = 32;

const open = (endpoints: readonly string[]): Promise<QueueClient> =>
  connect({ endpoints, name: 'judge', secret: cluster.secrets.judge });
const everywhere = await open(Object.values(cluster.peers));
const nodes = await Promise.all(Object.values(cluster.peers).map((address) => open([address])));
const tokensOf = (client: QueueClient): Queue<Token> => client.queue(queueName, { codec: tokenCodec });
const tokens = tokensOf(everywhere);

const journal: JournalEvent[] = [];
const counts = new Map<JournalEvent['type'], number>();
/** Families that died with a lost answer lapse, too: that is told apart. */
const revoked = new Set<string>();
const kills: Kill[] = [];
const watch = new LapseWatch(async (family, from) => {
  const record = await tokens.get(family, { read: from }).catch(() => undefined);
  return record === undefined ? undefined : fingerprint(record.payload.accessToken);
});
let suspects = 0;
let suspectsBefore = 0;
let running = true;

parent.onMessage = (message) => {
  if (message.type === 'killed') kills.push(message);
  if (message.type === 'finish') {
    running = false;
    watch.stop();
  }
  if (message.type === 'claims') {
    finalReads().then((finals) => {
      const verdict = judge({
        journal,
        kills,
        claims: message.claims,
        finals,
        lapses: watch.lapses,
        suspects,
      });
      parent.send({ type: 'verdict', verdict });
    });
  }
  if (message.type === 'stop')
    Promise.all([everywhere, ...nodes].map((client) => client.close())).then(() => process.exit(0));
};
parent.send({ type: 'ready', address: '', journalUrl: '' });
void follow(readJournal, pollMs);
void follow(readStats, statsMs);

async function follow(step: () => Promise<void>, everyMs: number): Promise<void> {
  while (running) {
    await step();
    await new Promise((resolve) => setTimeout(resolve, everyMs));
  }
}

async function readJournal(): Promise<void> {
  const response = await fetch(`${role.journalUrl}/?from=${journal.length}`);
  const events: readonly JournalEvent[] = JSON.parse(await response.text());
  for (const event of events) {
    journal.push(event);
    counts.set(event.type, (counts.get(event.type) ?? 0) + 1);
    watch.note(event);
    if (event.type === 'revoked') revoked.add(event.family);
  }
}

async function readStats(): Promise<void> {
  const stats = await tokens.stats({ timeoutMs: 2_000 }).catch(() => undefined);
  if (stats === undefined) return; // between two leaders
  suspects += Math.max(0, stats.states.suspect - suspectsBefore);
  suspectsBefore = stats.states.suspect;
  const count = (type: JournalEvent['type']): number => counts.get(type) ?? 0;
  const progress: Progress = {
    bands: stats.bands,
    states: stats.states,
    providerCalls: count('called'),
    refreshed: count('issued'),
    lapsed: watch.lapses.filter((lapse) => !revoked.has(lapse.family)).length,
    revokedFamilies: count('revoked'),
  };
  parent.send({ type: 'progress', progress });
}

/** Every family, from the leader and from each node by itself, once nobody refreshes any more. */
async function finalReads(): Promise<readonly FinalRead[]> {
  await readJournal();
  const families = journal.flatMap((event) => (event.type === 'granted' ? [event.family] : []));
  const finals: FinalRead[] = [];
  let next = 0;
  const readSome = async () => {
    for (let index = next++; index < families.length; index = next++)
      finals.push(await finalRead(families[index] ?? ''));
  };
  await Promise.all(Array.from({ length: readsInFlight }, readSome));
  return finals;
}

/** Replicas follow the leader within moments: a node that disagrees is asked again for a while. */
async function finalRead(family: string): Promise<FinalRead> {
  const leader = await stored(everywhere, family, 'leader');
  const giveUpAt = Date.now() + settleMs;
  for (;;) {
    const replicas = await Promise.all(nodes.map((client) => stored(client, family, 'any')));
    const agree = replicas.every((replica) => replica?.version === leader?.version);
    if (agree || Date.now() > giveUpAt) return { family, leader, replicas };
    await new Promise((resolve) => setTimeout(resolve, pollMs));
  }
}

async function stored(
  client: QueueClient,
  family: string,
  read: 'leader' | 'any',
): Promise<StoredToken | undefined> {
  const record = await tokensOf(client)
    .get(family, { read })
    .catch(() => undefined);
  if (record === undefined) return undefined;
  const { accessToken, refreshToken } = record.payload;
  return {
    version: record.version,
    buried: record.state === 'buried',
    access: fingerprint(accessToken),
    refresh: fingerprint(refreshToken),
  };
}
