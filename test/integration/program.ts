import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('../..', import.meta.url));

const patienceMs = 60_000;

/** A process of the tutorial and what it printed. */
export class Program {
  readonly child: ChildProcess;
  readonly lines: string[] = [];
  #wakers: (() => void)[] = [];

  constructor(args: readonly string[], env: NodeJS.ProcessEnv) {
    this.child = spawn(process.execPath, ['--import', 'tsx', ...args], {
      cwd: root,
      env: { ...process.env, ...env },
    });
    for (const stream of [this.child.stdout, this.child.stderr]) {
      if (stream === null) continue;
      createInterface(stream).on('line', (line) => {
        this.lines.push(line);
        for (const wake of this.#wakers.splice(0)) wake();
      });
    }
  }

  /** Resolves with the first line that matches, printed already or still to come. */
  async line(pattern: RegExp): Promise<string> {
    for (;;) {
      const found = this.lines.find((line) => pattern.test(line));
      if (found !== undefined) return found;
      await this.#nextLine(`${pattern}`);
    }
  }

  async linesAbove(count: number): Promise<void> {
    while (this.lines.length <= count) await this.#nextLine(`more than ${count} lines`);
  }

  #nextLine(wanted: string): Promise<void> {
    return new Promise((resolve, reject) => {
      const fail = (why: string): void => {
        this.child.off('close', onEnd);
        clearTimeout(timer);
        const last = this.lines.slice(-10).join('\n');
        reject(new Error(`${this.child.spawnargs.at(-1)} ${why}; wanted ${wanted}\n${last}`));
      };
      const onEnd = (): void => fail('ended');
      const timer = setTimeout(() => fail('said nothing for a minute'), patienceMs);
      this.child.once('close', onEnd);
      this.#wakers.push(() => {
        this.child.off('close', onEnd);
        clearTimeout(timer);
        resolve();
      });
    });
  }

  async ended(): Promise<void> {
    if (this.child.exitCode === null && this.child.signalCode === null) await once(this.child, 'close');
  }

  async stop(signal: NodeJS.Signals): Promise<void> {
    if (this.child.exitCode !== null || this.child.signalCode !== null) return;
    const ended = once(this.child, 'exit');
    this.child.kill(signal);
    await ended;
  }
}
