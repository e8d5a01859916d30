import { type ChildProcess, spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';

const script = fileURLToPath(new URL('../../src/cli/main.ts', import.meta.url));

/** One `raftsman proxy --json` process; remembers what it printed. */
export class ProxyProcess {
  readonly events: { readonly event: string; readonly [name: string]: unknown }[] = [];
  errors = '';
  readonly exited: Promise<number | null>;
  readonly #child: ChildProcess;

  /** @param before - the URL of a module that is loaded before the command. */
  constructor(config: string, env: NodeJS.ProcessEnv = {}, before?: string) {
    const imports = ['--import', 'tsx', ...(before === undefined ? [] : ['--import', before])];
    const args = [...imports, script, 'proxy', '--config', config, '--json'];
    this.#child = spawn(process.execPath, args, {
      stdio: ['ignore', 'pipe', 'pipe'],
      env: { ...process.env, ...env },
    });
    let rest = '';
    this.#child.stdout?.on('data', (chunk: Buffer) => {
      const lines = (rest + chunk.toString()).split('\n');
      rest = lines.pop() ?? '';
      for (const line of lines) this.events.push(JSON.parse(line));
    });
    this.#child.stderr?.on('data', (chunk: Buffer) => {
      this.errors += chunk.toString();
    });
    this.exited = new Promise((resolve) => {
      this.#child.on('exit', (code) => resolve(code));
    });
  }

  /** By the id of this one process. */
  signal(name: NodeJS.Signals): void {
    this.#child.kill(name);
  }

  /** From now on nobody reads what it says. */
  stopReading(): void {
    this.#child.stdout?.destroy();
    this.#child.stderr?.destroy();
  }

  has(event: string, where: (data: object) => boolean = () => true): boolean {
    return this.events.some((line) => line.event === event && where(line));
  }

  get address(): string {
    return String(this.events.find(({ event }) => event === 'started')?.address);
  }
}
