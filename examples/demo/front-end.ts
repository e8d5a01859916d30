import { connect, type Queue, type QueueClient } from '../../src/client/index.ts';
import { meetParent } from './child.ts';
import type { Granted } from './journal.ts';
import type { Claims } from './messages.ts';
import { queueName } from './settings.ts';
import { type Token, tokenCodec } from './token.ts';

/** A service that uses the tokens: it stores those of new users, then reads them all day. It has no idea who leads. */
const { parent, start } = await meetParent();
const { settings, cluster, role } = start;

const failedAfterMs = 2_000;
const putsInFlight = 64;
const readers = 8;
const pauseBetweenReadsMs = 40;
const pauseBetweenWritesMs = 5;
const failuresKept = 20;

const client: QueueClient = await connect({
  endpoints: Object.values(cluster.peers),
  name: 'frontEnd',
  secret: cluster.secrets.frontEnd,
});
const tokens = client.queue<Token>(queueName, { codec: tokenCodec });
const puts: Record<string, number> = {};
const failures: string[] = [];
const writesAckedAt: number[] = [];
let reads = 0;
let failedOps = 0;
let slowestMs = 0;
let running = false;

parent.onMessage = (message) => {
  if (message.type === 'run') void run();
  if (message.type === 'finish') running = false;
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
    keepWriting(),
    ...Array.from({ length: readers }, (_, index) => keepReading(ids, index)),
  ]);
  const claims: Claims = { puts, reads, failedOps, failures, slowestMs, writesAckedAt };
  parent.send({ type: 'claims', claims });
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
      const result = await timed(`put ${id}`, () => tokens.put(task));
      if (result !== undefined) puts[id] = result.version;
    }
  };
  await Promise.all(Array.from({ length: putsInFlight }, storeSome));
}

async function keepReading(ids: readonly string[], reader: number): Promise<void> {
  for (let index = reader; running; index += readers) {
    const id = ids[index % ids.length] ?? '';
    const read = index % 2 === 0 ? 'leader' : 'any';
    const record = await timed(`get ${id} from ${read}`, () => tokens.get(id, { read }));
    reads++;
    if (record === undefined && running) fail(`get ${id}: no such token`);
    await pause(pauseBetweenReadsMs);
  }
}

/** A small write all the time, one after the other: the gaps between the answers are the gaps of the cluster. */
async function keepWriting(): Promise<void> {
  const marks: Queue<Uint8Array> = client.queue('marks');
  const farAhead = 365 * 86_400_000;
  for (let count = 0; running; count++) {
    const payload = Buffer.from(String(count));
    const result = await timed('put a mark', () =>
      marks.put({ id: 'mark', payload, expiresAt: Date.now() + farAhead }),
    );
    if (result !== undefined) writesAckedAt.push(Date.now());
    await pause(pauseBetweenWritesMs);
  }
}

/** A call that rejects or takes too long has failed its caller, whatever the reason. */
async function timed<T>(what: string, call: () => Promise<T>): Promise<T | undefined> {
  const startedAt = performance.now();
  try {
    const result = await call();
    const tookMs = performance.now() - startedAt;
    slowestMs = Math.max(slowestMs, tookMs);
    if (tookMs > failedAfterMs) fail(`${what} took ${Math.round(tookMs)} ms`);
    return result;
  } catch (error) {
    fail(`${what}: ${error}`);
    return undefined;
  }
}

function fail(why: string): void {
  failedOps++;
  if (failures.length < failuresKept) failures.push(why);
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
