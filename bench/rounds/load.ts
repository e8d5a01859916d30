import { join } from 'node:path';
import { type Child, startChild } from './child.ts';
import type { FromChild, LoadClient, LoadPulse } from './messages.ts';
import { queueName, type Service } from './service.ts';

/** Calls wait so long at most: many times what any fault of a round costs. */
const timeoutMs = 10_000;
const clientsPerProcess = 2;
/** A call that waits keeps its key: enough of them that a pause of seconds leaves keys for the others. */
const keysPerClient = 3_000;
const calmMs = 400;
const finishWithinMs = 90_000;

/** Two processes of clients: one behind the proxies, one that does its own routing. */
export class Load {
  readonly journals: readonly string[];
  /** Called when a process ends although nobody ended it. */
  onEnd: ((how: string) => void) | undefined;
  readonly #children: readonly Child[];
  readonly #pulses: (LoadPulse | undefined)[] = [];
  #isOver = false;

  constructor(service: Service, directory: string, rate: number) {
    const endpoints = service.proxies.map((_, at) => service.clientWire(at + 1).address);
    const kinds: readonly Omit<LoadClient, 'name'>[] = [
      { account: 'app', secret: service.clientSecret, endpoints, shards: undefined },
      {
        account: 'router',
        secret: service.routerSecret,
        endpoints: undefined,
        shards: { map: service.mapFor('client') },
      },
    ];
    this.journals = kinds.map((_, at) => join(directory, `journal-${at + 1}.jsonl`));
    this.#children = kinds.map((kind, at) => {
      const name = `load-${at + 1}`;
      const clients = Array.from({ length: clientsPerProcess }, (_, index) => ({
        ...kind,
        name: `${kind.account}${index + 1}`,
      }));
      const journal = this.journals[at] ?? '';
      const options = { clients, queue: queueName, rate: rate / 2, keysPerClient, timeoutMs, journal };
      return startChild(
        './load-process.ts',
        name,
        join(directory, `${name}.log`),
        { type: 'load', options },
        (message) => this.#onMessage(at, message),
      );
    });
    for (const child of this.#children)
      child.exited.then((how) => {
        if (!this.#isOver) this.onEnd?.(`${child.name} ended (${how})`);
      });
  }

  async ready(): Promise<void> {
    await Promise.all(this.#children.map((child) => child.ready));
  }

  run(): void {
    for (const child of this.#children) child.send({ type: 'run' });
  }

  sum(what: 'sent' | 'answered' | 'failed' | 'withheld'): number {
    return this.#pulses.reduce((sum, pulse) => sum + (pulse?.[what] ?? 0), 0);
  }

  /** @returns what is not well, in words; empty when all is. */
  complaint(): string {
    for (const [at, child] of this.#children.entries()) {
      const pulse = this.#pulses[at];
      if (pulse === undefined) return `${child.name} says nothing`;
      if (!pulse.connected) return `${child.name} is not connected`;
      if (pulse.oldestMs > calmMs) return `${child.name} waits for an answer since ${pulse.oldestMs} ms`;
    }
    return '';
  }

  /** Resolves when every call has an outcome and the journals are whole. @throws Error when that takes too long. */
  async finish(): Promise<void> {
    const finished = this.#children.map(
      (child, at) =>
        new Promise<void>((resolve, reject) => {
          this.#onFinished[at] = resolve;
          child.exited.then((how) => reject(new Error(`${child.name} ended (${how})`)));
          setTimeout(() => reject(new Error(`${child.name} did not finish`)), finishWithinMs).unref();
        }),
    );
    for (const child of this.#children) child.send({ type: 'finish' });
    await Promise.all(finished);
  }

  async stop(): Promise<void> {
    this.#isOver = true;
    for (const child of this.#children) child.send({ type: 'stop' });
    const timer = setTimeout(() => {
      for (const child of this.#children) child.signal('SIGKILL');
    }, 5_000);
    await Promise.all(this.#children.map((child) => child.exited));
    clearTimeout(timer);
  }

  readonly #onFinished: (() => void)[] = [];

  #onMessage(at: number, message: FromChild): void {
    if (message.type === 'load') this.#pulses[at] = message;
    if (message.type === 'finished') this.#onFinished[at]?.();
  }
}
