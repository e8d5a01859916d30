import { connect, type Queue, type QueueClient } from '../../src/client/index.ts';
import { CallLog } from './call-log.ts';
import { meetParent } from './child.ts';
import type { Granted } from './journal.ts';
import type { MarkClaims } from './messages.ts';
import { queueNames } from './settings.ts';
import { homeOf, markIds } from './shard-plan.ts';
import { type Token, tokenCodec } from './token.ts';

/** A service that uses the tokens: it stores those of new users, then reads them all day. It has no idea who leads, nor of shards. */
const { parent, start } = await meetParent();
const { settings, deployment, role } = start;

const putsInFlight = 64;
const readers = 8;
const pauseBetweenReadsMs = 40;
const pauseBetweenWritesMs = 5;
const farAheadMs = 365 * 86_400_000;

const client: QueueClient = await connect({
  endpoints: deployment.endpoints,
  name: 'frontEnd',
  secret: deployment.secrets.frontEnd,
});
const tokens = client.queue<Token>(queueNames.tokens, { codec: tokenCodec });
const log = new CallLog();
const home = (key: string): number => homeOf(key, settings.shards);
const puts: Record<string, number> = {};
const marks: MarkClaims[] = [];
let reads = 0;
let running = false;
let probes: readonly string[] = [];

parent.onMessage = (message) => {
  if (message.type === 'run') void run();
  if (message.type === 'finish') {
    probes = message.probes;
    running = false;
  }
  if (message.type === 'stop') client.close().then(() => process.exit(0));
};
parent.send({ type: 'ready', address: '', journalUrl: '' });

async function run(): Promise<void> {
  running = true;
  await tokens.setPolicy({ leadMs: settings.leadMs, urgentMs: settings.urgentMs });
  await tokens.setProvider('steady', { kind: 'static' });
  await tokens.setProvider('rotating', {
    kind: 'rotating',
    suspectMs: settings.suspectMs,
    onUnknown: 'retry',
  });
  const granted = await logInEverybody();
  await storeAll(granted);
  parent.send({ type: 'stored', at: Date.now() });
  const ids = granted.map((grant) => grant.id);
  await Promise.all([
    ...markIds(settings.shards).map((id) => keepWriting(id)),
    ...Array.from({ length: readers }, (_, index) => keepReading(ids, index)),
  ]);
  const probed = await storeProbes();
  parent.send({ type: 'claims', claims: { puts, marks, probed, reads, calls: log.take() } });
}

async function logInEverybody(): Promise<readonly Granted[]> {
  const response = await fetch(`${role.journalUrl}/grants`, { method: 'POST' });
  const granted: readonly Granted[] = JSON.parse(await response.text());
  return granted;
}

/** The access tokens were granted with expiries that are spread in whole seconds; `refreshAt` spreads them within the second. */
async function storeAll(granted: readonly Granted[]): Promise<void> {
  const startedAt = Date.now();
  const firstRoundMs = settings.lifetimeSeconds * 1_000 - settings.leadMs;
  let next = 0;
  const storeSome = async () => {
    for (let index = next++; index < granted.length; index = next++) {
      const grant = granted[index];
      if (grant === undefined) return;
      const { id, client: provider, accessToken, refreshToken, expiresAt } = grant;
      const refreshAt = startedAt + Math.floor((firstRoundMs * index) / granted.length);
      const task = { id, payload: { accessToken, refreshToken }, expiresAt, refreshAt, provider };
      const result = await log.timed(`put ${id}`, home(id), () => tokens.put(task));
      if (result !== undefined) puts[id] = result.version;
    }
  };
  await Promise.all(Array.from({ length: putsInFlight }, storeSome));
}

/** Each reader stays with the keys of one shard: one that waits there must not thin out the calls to the others. */
async function keepReading(ids: readonly string[], reader: number): Promise<void> {
  const own = ids.filter((id) => home(id) === reader % settings.shards);
  const step = readers / settings.shards;
  for (let index = Math.floor(reader / settings.shards); running; index += step) {
    const id = own[index % own.length] ?? '';
    const read = Math.floor(index / step) % 2 === 0 ? 'leader' : 'any';
    const record = await log.timed(`get ${id} from ${read}`, home(id), () => tokens.get(id, { read }));
    reads++;
    if (record === undefined && running) log.fail(`get ${id}: no such token`);
    await pause(pauseBetweenReadsMs);
  }
}

/** A small write all the time, one after the other: the gaps between the answers are the gaps of the cluster. */
async function keepWriting(id: string): Promise<void> {
  const queue: Queue<Uint8Array> = client.queue(queueNames.marks);
  const ackedAt: number[] = [];
  let failed = 0;
  for (let count = 0; running; count++) {
    const payload = Buffer.from(String(count));
    const mark = { id, payload, expiresAt: Date.now() + farAheadMs };
    const result = await log.timed(`put ${id}`, home(id), () => queue.put(mark));
    if (result === undefined) failed++;
    else ackedAt.push(Date.now());
    await pause(pauseBetweenWritesMs);
  }
  marks.push({ id, ackedAt, failed });
}

/** A new key in each bucket that has moved: it must be stored where the last file says. */
async function storeProbes(): Promise<readonly string[]> {
  const queue: Queue<Uint8Array> = client.queue(queueNames.probes);
  const stored: string[] = [];
  for (const id of probes) {
    const task = { id, payload: Buffer.from(id), expiresAt: Date.now() + farAheadMs };
    const result = await log.timed(`put ${id}`, home(id), () => queue.put(task));
    if (result !== undefined) stored.push(id);
  }
  return stored;
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
