import { type ChildProcess, spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';

/** What the processes of the benches say. */
export type BenchMessage =
  | { readonly type: 'ready'; readonly address: string }
  | { readonly type: 'view'; readonly role: string; readonly term: number; readonly leaderId: string | null }
  | { readonly type: 'scope'; readonly term: number }
  | { readonly type: 'holding' }
  | { readonly type: 'usage'; readonly cpuUs: number };

export type BenchCommand =
  | { readonly type: 'start'; readonly options: unknown }
  | { readonly type: 'transfer' }
  | { readonly type: 'usage' }
  | { readonly type: 'stop' };

/** A process of a bench, ended by its own id. */
export interface BenchProcess {
  readonly processId: number;
  readonly ready: Promise<string>;
  readonly exited: Promise<void>;
  onMessage: ((message: BenchMessage) => void) | undefined;
  send(command: BenchCommand): void;
  /** SIGKILL, at once. */
  kill(): void;
}

const running = new Set<ChildProcess>();
process.on('exit', () => {
  for (const child of running) child.kill('SIGKILL');
});

/** Starts a file of this folder. */
export function startProcess(file: string, options: unknown): BenchProcess {
  const path = fileURLToPath(new URL(file, import.meta.url));
  const child = spawn(process.execPath, [...profiling(), '--import', 'tsx', path], {
    stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
  });
  running.add(child);
  const exited = new Promise<void>((resolve) => child.on('close', () => resolve()));
  const started: BenchProcess = {
    processId: child.pid ?? 0,
    exited,
    ready: new Promise((resolve, reject) => {
      child.on('message', (message) => {
        if (isTyped<BenchMessage>(message) && message.type === 'ready') resolve(message.address);
      });
      child.on('error', reject);
      child.on('exit', (code, signal) =>
        reject(new Error(`${file} ended before it was ready (${signal ?? code})`)),
      );
    }),
    onMessage: undefined,
    send: (command) => {
      if (child.connected) child.send(command, () => {});
    },
    kill: () => void child.kill('SIGKILL'),
  };
  started.ready.catch(() => {}); // awaited by whoever cares
  exited.then(() => running.delete(child));
  child.on('message', (message) => {
    if (isTyped<BenchMessage>(message)) started.onMessage?.(message);
  });
  started.send({ type: 'start', options });
  return started;
}

/** `BENCH_CPU_PROF=directory`: each process that stops in order writes a profile there. */
function profiling(): readonly string[] {
  const directory = process.env.BENCH_CPU_PROF;
  return directory === undefined ? [] : ['--cpu-prof', `--cpu-prof-dir=${directory}`];
}

/** The other side: waits for `start`; without its parent the process ends. */
export async function meetBench<Options>(): Promise<{
  readonly options: Options;
  send(message: BenchMessage): void;
  onCommand(handler: (command: BenchCommand) => void): void;
}> {
  process.on('disconnect', () => process.exit(1));
  return new Promise((resolve) => {
    process.once('message', (command) => {
      if (!isTyped<{ readonly type: 'start'; readonly options: Options }>(command)) return;
      resolve({
        options: command.options,
        send: (message) => void process.send?.(message),
        onCommand: (handler) => {
          process.on('message', (next) => {
            if (isTyped<BenchCommand>(next)) handler(next);
          });
        },
      });
    });
  });
}

/** Both ends are files of this folder: a type is proof enough. */
function isTyped<Message extends { readonly type: string }>(value: unknown): value is Message {
  return typeof value === 'object' && value !== null && 'type' in value && typeof value.type === 'string';
}
