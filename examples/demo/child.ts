import { type ChildProcess, spawn } from 'node:child_process';
import { createWriteStream } from 'node:fs';
import { fileURLToPath } from 'node:url';
import type { FromChild, ToChild } from './messages.ts';

const stopMs = 5_000;

/** A process of the demo: started, spoken to and ended by its own id. */
export interface Child {
  readonly name: string;
  readonly pid: number;
  /** Resolves with how it ended, however it ended. */
  readonly exited: Promise<string>;
  readonly alive: boolean;
  send(message: ToChild): void;
  /** The next message of a type; rejects if the process ends first. */
  next<Type extends FromChild['type']>(type: Type): Promise<Extract<FromChild, { type: Type }>>;
  /** SIGKILL. Resolves when it is gone. */
  kill(): Promise<void>;
  /** Asks it to stop, and kills it when it does not within five seconds. */
  stop(): Promise<void>;
}

/** Starts `file` of this folder as a process of its own; what it prints goes to `logPath`. */
export function startChild(
  file: string,
  name: string,
  logPath: string,
  onMessage: (message: FromChild) => void,
): Child {
  const path = fileURLToPath(new URL(file, import.meta.url));
  const child = spawn(process.execPath, ['--import', 'tsx', path], {
    stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
  });
  const log = createWriteStream(logPath, { flags: 'a' });
  log.on('error', () => {});
  child.stdout?.pipe(log, { end: false });
  child.stderr?.pipe(log, { end: false });
  const waiters = new Set<Waiter>();
  const exited = new Promise<string>((resolve) => {
    child.on('error', (error) => resolve(error.message));
    child.on('close', (code, signal) => {
      log.end();
      resolve(signal ?? `code ${code}`);
    });
  });
  exited.then((how) => {
    for (const waiter of waiters)
      waiter.reject(new Error(`${name} ended (${how}) while ${waiter.type} was awaited; see ${logPath}`));
  });
  child.on('message', (value) => {
    if (!isMessage<FromChild>(value)) return;
    for (const waiter of [...waiters]) {
      if (waiter.type !== value.type) continue;
      waiters.delete(waiter);
      waiter.resolve(value);
    }
    onMessage(value);
  });
  return new SpawnedChild(name, child, exited, waiters);
}

interface Waiter {
  readonly type: string;
  resolve(message: FromChild): void;
  reject(error: Error): void;
}

class SpawnedChild implements Child {
  readonly name: string;
  readonly exited: Promise<string>;
  readonly #child: ChildProcess;
  readonly #waiters: Set<Waiter>;

  constructor(name: string, child: ChildProcess, exited: Promise<string>, waiters: Set<Waiter>) {
    this.name = name;
    this.exited = exited;
    this.#child = child;
    this.#waiters = waiters;
  }

  get pid(): number {
    return this.#child.pid ?? 0;
  }

  get alive(): boolean {
    return this.#child.exitCode === null && this.#child.signalCode === null;
  }

  send(message: ToChild): void {
    if (this.#child.connected) this.#child.send(message, () => {});
  }

  next<Type extends FromChild['type']>(type: Type): Promise<Extract<FromChild, { type: Type }>> {
    return new Promise((resolve, reject) => {
      const isWanted = (message: FromChild): message is Extract<FromChild, { type: Type }> =>
        message.type === type;
      this.#waiters.add({
        type,
        resolve: (message) => {
          if (isWanted(message)) resolve(message);
        },
        reject,
      });
    });
  }

  async kill(): Promise<void> {
    this.#child.kill('SIGKILL');
    await this.exited;
  }

  async stop(): Promise<void> {
    this.send({ type: 'stop' });
    const timer = setTimeout(() => this.#child.kill('SIGKILL'), stopMs);
    await this.exited;
    clearTimeout(timer);
  }
}

/** The other side: what a process of the demo knows of the orchestrator. */
export interface Parent {
  send(message: FromChild): void;
  /** Called for each message after `start`. */
  onMessage: ((message: ToChild) => void) | undefined;
}

/** Waits for the orchestrator's first message. Without the orchestrator the process ends. */
export async function meetParent(): Promise<{
  readonly parent: Parent;
  readonly start: Extract<ToChild, { type: 'start' }>;
}> {
  process.on('disconnect', () => process.exit(1));
  process.on('SIGINT', () => {}); // Ctrl-C reaches the whole group: the orchestrator decides
  const parent: Parent = {
    send: (message) => {
      if (process.connected) process.send?.(message, undefined, undefined, () => {});
    },
    onMessage: undefined,
  };
  return new Promise((resolve) => {
    process.on('message', (value) => {
      if (!isMessage<ToChild>(value)) return;
      if (value.type === 'start') resolve({ parent, start: value });
      else parent.onMessage?.(value);
    });
  });
}

/** Both ends are files of this folder, of one version: a type is proof enough. */
function isMessage<Message extends { readonly type: string }>(value: unknown): value is Message {
  return typeof value === 'object' && value !== null && 'type' in value && typeof value.type === 'string';
}
