import { spawn } from 'node:child_process';
import { closeSync, openSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import type { FromChild, ToChild } from './messages.ts';

/** A process of this script: started, hurt and ended by its own id. */
export interface Child {
  readonly name: string;
  readonly ready: Promise<string>;
  /** Resolves with how it ended. */
  readonly exited: Promise<string>;
  readonly alive: boolean;
  send(message: ToChild): void;
  /** @returns false if the machine refused. */
  signal(name: NodeJS.Signals): boolean;
}

const running = new Map<Child, () => void>();
process.on('exit', () => killAll());

/** Also ends those that are stopped. */
export function killAll(): void {
  for (const kill of running.values()) kill();
}

/** Starts a file of this folder and gives it its first message; what it prints goes to `logPath`. */
export function startChild(
  file: string,
  name: string,
  logPath: string,
  first: ToChild,
  onMessage: (message: FromChild) => void,
): Child {
  const log = openSync(logPath, 'a');
  const child = spawn(process.execPath, ['--import', 'tsx', fileURLToPath(new URL(file, import.meta.url))], {
    stdio: ['ignore', log, log, 'ipc'],
  });
  closeSync(log);
  const exited = new Promise<string>((resolve) => {
    child.on('error', (error) => resolve(error.message));
    child.on('exit', (code, signal) => resolve(signal ?? `code ${code}`));
  });
  const ready = new Promise<string>((resolve, reject) => {
    child.on('message', (value) => {
      if (!isMessage<FromChild>(value)) return;
      if (value.type === 'ready') resolve(value.address);
      onMessage(value);
    });
    exited.then((how) => reject(new Error(`${name} ended (${how}) before it was ready; see ${logPath}`)));
  });
  ready.catch(() => {}); // awaited by whoever cares
  const started: Child = {
    name,
    ready,
    exited,
    get alive() {
      return child.exitCode === null && child.signalCode === null;
    },
    send: (message) => {
      if (child.connected) child.send(message, () => {});
    },
    signal: (signal) => child.kill(signal),
  };
  running.set(started, () => void child.kill('SIGKILL'));
  exited.then(() => running.delete(started));
  started.send(first);
  return started;
}

/** The other side: what a process knows of the script. */
export interface Parent<First> {
  readonly first: First;
  send(message: FromChild): void;
  onMessage(handler: (message: ToChild) => void): void;
}

/** Waits for the first message. Without the script the process ends. */
export function meetParent<Type extends ToChild['type']>(
  type: Type,
): Promise<Parent<Extract<ToChild, { type: Type }>>> {
  const isFirst = (message: ToChild): message is Extract<ToChild, { type: Type }> => message.type === type;
  process.on('disconnect', () => process.exit(1));
  process.on('SIGINT', () => {}); // Ctrl-C reaches the whole group: the script decides
  return new Promise((resolve) => {
    process.once('message', (value) => {
      if (!isMessage<ToChild>(value) || !isFirst(value)) return;
      resolve({
        first: value,
        send: (message) => {
          if (process.connected) process.send?.(message, undefined, undefined, () => {});
        },
        onMessage: (handler) => {
          process.on('message', (next) => {
            if (isMessage<ToChild>(next)) handler(next);
          });
        },
      });
    });
  });
}

/** Both ends are files of this folder, of one version: a type is proof enough. */
function isMessage<Message extends { readonly type: string }>(value: unknown): value is Message {
  return typeof value === 'object' && value !== null && 'type' in value && typeof value.type === 'string';
}
