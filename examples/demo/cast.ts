import { join } from 'node:path';
import { type Child, startChild } from './child.ts';
import type { Deployment } from './deployment.ts';
import type { FromChild, Role } from './messages.ts';
import type { Settings } from './settings.ts';

export interface CastOptions {
  readonly settings: Settings;
  readonly deployment: Deployment;
  readonly directory: string;
  readonly onMessage: (message: FromChild) => void;
}

export type Ready = Extract<FromChild, { readonly type: 'ready' }>;

/** The processes of one run, by name: all of them are ended by whoever started them. */
export class Cast {
  /** Sentences about processes that ended although nobody ended them, and the like. */
  readonly troubles: string[] = [];
  /** What the authorisation server said when it was ready; the others need it. */
  provider: Ready = { type: 'ready', address: '', journalUrl: '' };
  readonly #options: CastOptions;
  readonly #children = new Map<string, Child>();
  /** Processes that are meant to end. */
  readonly #doomed = new Set<Child>();

  constructor(options: CastOptions) {
    this.#options = options;
  }

  get(name: string): Child {
    const child = this.#children.get(name);
    if (child === undefined) throw new Error(`${name} was not started`);
    return child;
  }

  isAlive(name: string): boolean {
    return this.#children.get(name)?.alive ?? false;
  }

  pidsOf(names: readonly string[]): ReadonlySet<number> {
    return new Set(names.map((name) => this.get(name).pid));
  }

  names(): readonly string[] {
    return [...this.#children.keys()];
  }

  /** Starts a file of this folder under a name, also again; resolves when the process is ready. */
  async start(file: string, name: string): Promise<Ready> {
    const { settings, deployment, directory, onMessage } = this.#options;
    const child = startChild(file, name, join(directory, `${name}.log`), onMessage);
    this.#children.set(name, child);
    child.exited.then((how) => {
      if (!this.#doomed.has(child)) this.troubles.push(`${name} ended by itself (${how})`);
    });
    const ready = child.next('ready');
    const { address: tokenEndpoint, journalUrl } = this.provider;
    const role: Role = { name, directory, tokenEndpoint, journalUrl };
    child.send({ type: 'start', settings, deployment, role });
    return ready;
  }

  /** SIGKILL. Resolves when it is gone. */
  async kill(name: string): Promise<void> {
    const child = this.get(name);
    this.#doomed.add(child);
    await child.kill();
  }

  async stop(name: string): Promise<void> {
    const child = this.get(name);
    this.#doomed.add(child);
    if (child.alive) await child.stop();
  }

  async stopAll(): Promise<void> {
    await Promise.all(this.names().map((name) => this.stop(name)));
  }

  /** For a run that is given up. */
  killAll(): void {
    for (const name of this.names()) void this.kill(name);
  }
}
