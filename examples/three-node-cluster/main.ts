/**
 * A job that runs on exactly one of three processes: node --import tsx examples/three-node-cluster/main.ts
 *
 * The leader writes invoices. It is killed, another member goes on; that one closes, the third goes on. The ledger accepts no
 * token lower than the highest it has seen, so not even a leader that woke up late could write twice.
 */
import { type ChildProcess, fork } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { freePorts } from './free-ports.ts';
import { Ledger } from './ledger.ts';

type Report =
  | { readonly type: 'leader'; readonly leaderId: string | null; readonly term: number }
  | { readonly type: 'scope'; readonly token: number }
  | { readonly type: 'invoice'; readonly token: number };

const directory = mkdtempSync(join(tmpdir(), 'raftsman-example-'));
const ids = ['a', 'b', 'c'];
const ports = await freePorts(ids.length);
const peers = Object.fromEntries(ids.map((id, i) => [id, `ws://127.0.0.1:${ports[i]}`]));
const secret = randomBytes(32).toString('hex');
const members = new Map<string, ChildProcess>();
const ledger = new Ledger();
const startedMs = performance.now();
let leaderId: string | undefined;
let wake: () => void = () => {};
/** Members that know the leader of the day. */
const informed = new Set<string>();

function say(text: string): void {
  const seconds = ((performance.now() - startedMs) / 1_000).toFixed(2).padStart(5);
  console.log(`${seconds} s  ${text}`);
}

function start(id: string, port: number): void {
  const options = {
    id,
    cluster: 'example',
    dataDir: join(directory, id),
    listen: { host: '127.0.0.1', port },
    peers,
    secret,
  };
  const script = fileURLToPath(new URL('member.ts', import.meta.url));
  const child = fork(script, [JSON.stringify(options)], { execArgv: ['--import', 'tsx'] });
  members.set(id, child);
  child.on('message', (report: Report) => onReport(id, report));
}

function onReport(id: string, report: Report): void {
  switch (report.type) {
    case 'leader':
      if (report.leaderId !== null) informed.add(id);
      if (report.leaderId === null || report.leaderId === leaderId || !members.has(report.leaderId)) break;
      leaderId = report.leaderId;
      say(`${leaderId} leads in term ${report.term}`);
      break;
    case 'scope':
      say(`${id} runs the job under fencing token ${report.token}`);
      break;
    case 'invoice':
      say(ledger.write(id, report.token));
      break;
  }
  wake();
}

async function until(condition: () => boolean): Promise<void> {
  while (!condition()) {
    await new Promise<void>((resolve) => {
      wake = resolve;
    });
  }
}

function invoices(count: number): Promise<void> {
  const target = ledger.count + count;
  return until(() => ledger.count >= target);
}

async function end(id: string, how: 'kill' | 'close'): Promise<void> {
  const child = members.get(id);
  if (child === undefined) return;
  members.delete(id);
  if (how === 'kill') child.kill('SIGKILL');
  else child.send('close');
  await once(child, 'exit');
}

for (const [i, id] of ids.entries()) start(id, ports[i] ?? 0);
await invoices(3);

const first = leaderId ?? '';
const firstToken = ledger.highestToken;
say(`-- kill -9 ${first}`);
await end(first, 'kill');
await invoices(3);
say(`-- a write that ${first} had under way arrives only now: ${ledger.write(first, firstToken)}`);

const second = leaderId ?? '';
start(first, Number(new URL(peers[first] ?? '').port));
informed.delete(first);
await until(() => informed.has(first));
say(`-- ${first} is back; ${second} closes, and hands over first`);
await Promise.all([end(second, 'close'), invoices(3)]);

await Promise.all([...members.keys()].map((id) => end(id, 'close')));
rmSync(directory, { recursive: true, force: true });
say(
  `${ledger.count} invoices by ${ledger.writers.join(', then ')}; ${ledger.refusedCount} late write refused`,
);
