import { createWriteStream } from 'node:fs';
import { isRaftsmanError, UnknownOutcomeError } from '../../src/base/errors.ts';
import { json } from '../../src/client/codec.ts';
import type { Queue, QueueClient } from '../../src/client/types.ts';
import { connect } from '../../src/connect.ts';
import { meetParent } from './child.ts';
import { countOf, type JournalRow, payloadOf, toLine } from './journal.ts';
import type { LoadClient } from './messages.ts';

/** So much of the load changes tasks; of the rest most reads ask the leader. */
const putShare = 0.6;
const anyShare = 0.1;
const pulseEveryMs = 100;
const stepMs = 5;
const expiresInMs = 86_400_000;
const resolveTries = 6;
const complaintsMax = 200;

const { first, send, onMessage } = await meetParent('load');
const { options } = first;
const journal = createWriteStream(options.journal);
journal.on('error', (error) => {
  console.error(error);
  process.exit(1);
});

/** One key has one writer, and one call at a time: what it must hold is known at any time. */
interface Key {
  readonly id: string;
  putCount: number;
}

let complaints = 0;
/** The journal has all of them; the log has the words of the first. */
function complain(what: string, error: unknown): void {
  if (++complaints <= complaintsMax) console.error(Date.now(), what, String(error));
}

let sent = 0;
let answered = 0;
let failed = 0;
let withheld = 0;
const underWay = new Map<number, number>();

class Writer {
  readonly #name: string;
  readonly #client: QueueClient;
  readonly #tasks: Queue<string>;
  readonly #idle: Key[];
  #calls = 0;

  constructor(name: string, client: QueueClient) {
    this.#name = name;
    this.#client = client;
    this.#tasks = client.queue(options.queue, { codec: json<string>() });
    this.#idle = Array.from({ length: options.keysPerClient }, (_, at) => ({
      id: `${name}-${at}`,
      putCount: 0,
    }));
  }

  get connected(): boolean {
    return this.#client.connected;
  }

  /** One call on a key that has none under way. */
  call(): void {
    const at = Math.floor(Math.random() * this.#idle.length);
    const key = this.#idle[at];
    const last = this.#idle.pop();
    if (key === undefined || last === undefined) {
      withheld++;
      return;
    }
    if (last !== key) this.#idle[at] = last;
    const number = ++sent;
    underWay.set(number, performance.now());
    const draw = Math.random();
    const kind = draw < putShare ? 'put' : draw < 1 - anyShare ? 'get' : 'getAny';
    this.#run(key, kind).then(() => {
      underWay.delete(number);
      answered++;
      this.#idle.push(key);
    });
  }

  close(): Promise<void> {
    return this.#client.close();
  }

  async #run(key: Key, kind: JournalRow['kind']): Promise<void> {
    const row = { client: this.#name, id: ++this.#calls, key: key.id, kind, sentAt: Date.now() };
    const startedAt = performance.now();
    if (kind === 'put') key.putCount++;
    const end = await this.#outcomeOf(key, kind);
    const tookMs = Math.round((performance.now() - startedAt) * 10) / 10;
    if (end.outcome !== 'ok') failed++;
    const resolved = end.requestId === undefined ? '' : await this.#resolve(end.requestId);
    const { outcome, version, found } = end;
    journal.write(toLine({ ...row, count: key.putCount, tookMs, outcome, version, found, resolved }));
  }

  async #outcomeOf(key: Key, kind: JournalRow['kind']): Promise<End> {
    try {
      if (kind === 'put') {
        const payload = payloadOf(key.id, key.putCount);
        const { version } = await this.#tasks.put({
          id: key.id,
          payload,
          expiresAt: Date.now() + expiresInMs,
        });
        return { outcome: 'ok', version, found: 0, requestId: undefined };
      }
      const record = await this.#tasks.get(key.id, { read: kind === 'get' ? 'leader' : 'any' });
      const found = record === undefined ? 0 : (countOf(key.id, record.payload) ?? -1);
      return { outcome: 'ok', version: record?.version ?? 0, found, requestId: undefined };
    } catch (error) {
      complain(`${kind} ${key.id}`, error);
      const outcome = isRaftsmanError(error) ? error.code : String(error);
      const isUnknown = kind === 'put' && error instanceof UnknownOutcomeError;
      return { outcome, version: 0, found: 0, requestId: isUnknown ? (error.requestId ?? '') : undefined };
    }
  }

  /** Already counted as failed; this says only whether it may be found. */
  async #resolve(requestId: string): Promise<JournalRow['resolved']> {
    for (let tries = 0; requestId !== '' && tries < resolveTries; tries++) {
      try {
        return (await this.#client.resolve(requestId)).outcome;
      } catch (error) {
        complain(`resolve ${requestId}`, error);
      }
    }
    return 'unknown';
  }
}

interface End {
  readonly outcome: string;
  readonly version: number;
  readonly found: number;
  /** Of a put of unknown outcome; empty if nobody remembers it. */
  readonly requestId: string | undefined;
}

function open({ account, secret, endpoints, shards }: LoadClient): Promise<QueueClient> {
  return connect({ endpoints, shards, name: account, secret, timeoutMs: options.timeoutMs });
}

const writers = await Promise.all(
  options.clients.map(async (client) => new Writer(client.name, await open(client))),
);
const pulse = (): void => {
  const [oldestAt = performance.now()] = underWay.values();
  const oldestMs = Math.round(performance.now() - oldestAt);
  const connected = writers.every((writer) => writer.connected);
  send({ type: 'load', sent, answered, failed, withheld, oldestMs, connected });
};
setInterval(pulse, pulseEveryMs);

let steps: NodeJS.Timeout | undefined;
function run(): void {
  const startedAt = performance.now();
  let due = 0;
  steps = setInterval(() => {
    const target = Math.floor(((performance.now() - startedAt) * options.rate) / 1_000);
    for (; due < target; due++) writers[due % writers.length]?.call();
  }, stepMs);
}

async function finish(): Promise<void> {
  clearInterval(steps);
  while (underWay.size > 0) await new Promise((resolve) => setTimeout(resolve, 20));
  await new Promise<void>((resolve) => journal.end(resolve));
  pulse();
  send({ type: 'finished' });
}

onMessage((message) => {
  if (message.type === 'run') run();
  if (message.type === 'finish') finish();
  if (message.type === 'stop')
    Promise.all(writers.map((writer) => writer.close())).then(() => process.exit(0));
});
send({ type: 'ready', address: '' });
