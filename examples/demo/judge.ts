import { connect, type Queue, type QueueClient } from '../../src/client/index.ts';
import { meetParent } from './child.ts';
import { fingerprint, type JournalEvent } from './journal.ts';
import { LapseWatch } from './lapse-watch.ts';
import type { Progress, Testimony } from './messages.ts';
import { queueNames } from './settings.ts';
import { homeOf, markIds } from './shard-plan.ts';
import type { FinalMark, TaskCounts } from './shard-verdict.ts';
import { type Token, tokenCodec } from './token.ts';
import { type FinalRead, judge, type Kill, type StoredToken, type Verdict } from './verdict.ts';

/**
 * The judge: a client that may only read, and a reader of the authorisation server's journal. It asks no updater, no node's memory
 * and no proxy: each cluster is asked by itself for what it must hold.
 */
const { parent, start } = await meetParent();
const { deployment, role } = start;

const pollMs = 100;
const statsMs = 100;
const settleMs = 3_000;
const readsInFlight = 32;

/** One cluster: through whichever node, and each node by itself. */
interface Witness {
  readonly everywhere: QueueClient;
  readonly nodes: readonly QueueClient[];
}

const open = (endpoints: readonly string[]): Promise<QueueClient> =>
  connect({ endpoints, name: 'judge', secret: deployment.secrets.judge });
const witnesses: readonly Witness[] = await Promise.all(
  deployment.clusters.map(async ({ peers }) => ({
    everywhere: await open(Object.values(peers)),
    nodes: await Promise.all(Object.values(peers).map((address) => open([address]))),
  })),
);
const tokensOf = (client: QueueClient): Queue<Token> =>
  client.queue(queueNames.tokens, { codec: tokenCodec });

const journal: JournalEvent[] = [];
const counts = new Map<JournalEvent['type'], number>();
/** Families that died with a lost answer lapse, too: that is told apart. */
const revoked = new Set<string>();
const kills: Kill[] = [];
const watch = new LapseWatch(async (family, from) => {
  const record = await tokensOf(witnessOf(family).everywhere)
    .get(family, { read: from })
    .catch(() => undefined);
  return record === undefined ? undefined : fingerprint(record.payload.accessToken);
});
let suspects = 0;
let suspectsBefore = 0;
let running = true;

parent.onMessage = (message) => {
  if (message.type === 'killed') kills.push(message.kill);
  if (message.type === 'finish') {
    running = false;
    watch.stop();
  }
  if (message.type === 'claims')
    conclude(message.testimony).then((verdict) => parent.send({ type: 'verdict', verdict }));
  if (message.type === 'stop') {
    const clients = witnesses.flatMap(({ everywhere, nodes }) => [everywhere, ...nodes]);
    Promise.all(clients.map((client) => client.close())).then(() => process.exit(0));
  }
};
parent.send({ type: 'ready', address: '', journalUrl: '' });
void follow(readJournal, pollMs);
void follow(readStats, statsMs);

function witnessOf(key: string): Witness {
  const witness = witnesses[homeOf(key, witnesses.length)];
  if (witness === undefined) throw new Error(`${key} has no home`);
  return witness;
}

async function conclude(testimony: Testimony): Promise<Verdict> {
  const finals = await finalReads();
  const marks = await Promise.all(markIds(witnesses.length).map(finalMark));
  const counts = await Promise.all(witnesses.map(countTasks));
  return judge({ journal, kills, testimony, finals, marks, counts, lapses: watch.lapses, suspects });
}

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
  const each = await Promise.all(
    witnesses.map(({ everywhere }) => tokensOf(everywhere).stats({ timeoutMs: 2_000 })),
  ).catch(() => undefined);
  if (each === undefined) return; // between two leaders
  const states = sumOf(each.map((stats) => stats.states));
  const bands = sumOf(each.map((stats) => stats.bands));
  suspects += Math.max(0, states.suspect - suspectsBefore);
  suspectsBefore = states.suspect;
  const count = (type: JournalEvent['type']): number => counts.get(type) ?? 0;
  const progress: Progress = {
    bands,
    states,
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

function sumOf<Key extends string>(parts: readonly Readonly<Record<Key, number>>[]): Record<Key, number> {
  const [first, ...rest] = parts;
  if (first === undefined) throw new Error('there is at least one cluster');
  const sum: Record<Key, number> = { ...first };
  for (const part of rest) for (const key in part) sum[key] += part[key];
  return sum;
}

/** All that the leader of a cluster has, wherever it should be. */
async function countTasks({ everywhere }: Witness): Promise<TaskCounts> {
  const count = async (queue: string): Promise<number> => {
    const { states } = await everywhere.queue(queue).stats();
    return Object.values(states).reduce((sum, of) => sum + of, 0);
  };
  return { tokens: await count(queueNames.tokens), probes: await count(queueNames.probes) };
}

async function finalMark(id: string): Promise<FinalMark> {
  const record = await witnessOf(id).everywhere.queue(queueNames.marks).get(id);
  return { id, version: record?.version };
}

/** Replicas follow the leader within moments: a node that disagrees is asked again for a while. */
async function finalRead(family: string): Promise<FinalRead> {
  const { everywhere, nodes } = witnessOf(family);
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
